"""The table of bad inputs, for the layer; its state stays as it was."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from obrl.keras import OBRLossLayer
from tests.keras.data import BACKEND, host
from tests.support import bad_inputs
from tests.support.bad_inputs import ARGUMENTS, CALLS, GOOD_LOGITS, GOOD_TARGETS, NUM_LABELS, BadInput, refused
from tests.support.tolerances import assert_exact

READ_VALUES = ("targets must lie in [0, 1]",)
LAYER_ARGUMENTS = [bad for bad in ARGUMENTS if not {"reduction", "impl"} & set(bad.change)]
LAYER_CALLS = [bad for bad in CALLS if "update" not in bad.change]


def wide() -> Any:
    """JAX narrows NumPy's 64 bits to 32 before a check could name them, unless it is told not to."""
    return sys.modules["jax"].enable_x64(True) if BACKEND == "jax" else keras.name_scope("wide")


@pytest.mark.parametrize("bad", LAYER_ARGUMENTS, ids=str)
def test_arguments(bad: BadInput) -> None:
    with refused(bad):
        OBRLossLayer(NUM_LABELS, **bad.change)


@pytest.mark.parametrize("reduction", ["none", "avg"])
def test_a_reduction_that_gives_no_scalar(reduction: str) -> None:
    with pytest.raises(ValueError, match=f"reduction must be one of 'mean', 'sum', got '{reduction}'"):
        OBRLossLayer(NUM_LABELS, reduction=reduction)


@pytest.mark.parametrize("bad", LAYER_CALLS, ids=str)
def test_calls(bad: BadInput) -> None:
    layer = OBRLossLayer(NUM_LABELS)
    layer(GOOD_LOGITS.astype(np.float32), GOOD_TARGETS, training=True)
    before = [host(variable) for variable in layer.non_trainable_variables]
    with wide():
        arguments = bad_inputs.good_call(bad.change, ops.convert_to_tensor)
        with refused(bad):
            layer(**arguments, training=True)
    for variable, value in zip(layer.non_trainable_variables, before, strict=True):
        assert_exact("state", host(variable), value)


@pytest.mark.parametrize("bad", [bad for bad in LAYER_CALLS if bad.expected in READ_VALUES], ids=str)
def test_validate_false_reads_no_values(bad: BadInput) -> None:
    layer = OBRLossLayer(NUM_LABELS, validate=False)
    layer(**bad_inputs.good_call(bad.change, ops.convert_to_tensor), training=True)


@pytest.mark.parametrize(
    "bad", [bad for bad in LAYER_CALLS if bad.expected not in READ_VALUES and "complex" not in bad.name], ids=str
)
def test_metadata_is_checked_when_a_model_is_made(bad: BadInput) -> None:
    def symbolic(array: np.ndarray[Any, Any]) -> Any:
        return keras.KerasTensor(array.shape, dtype=str(array.dtype))

    with refused(bad):
        OBRLossLayer(NUM_LABELS)(**bad_inputs.good_call(bad.change, symbolic))
