"""Arrays that are not plain: masks of NumPy are missing labels, what has no dense form is refused, weights are wide."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse

from obrl.keras import OBRLossLayer
from tests.keras.data import BACKEND, KERAS_OWN, host
from tests.support.tolerances import assert_exact
from tests.tensorflow.data import MASKED as TARGETS

LOGITS = np.zeros((4, 3), np.float32)
pytestmark = KERAS_OWN


def sparse_tensor() -> tuple[Any, str]:
    """A sparse tensor of the backend, and its name in an error."""
    if BACKEND == "tensorflow":
        return sys.modules["tensorflow"].sparse.from_dense(LOGITS), "SparseTensor"
    if BACKEND == "torch":
        return sys.modules["torch"].zeros(4, 3).to_sparse(), "torch.sparse_coo"
    from jax.experimental import sparse

    return sparse.BCOO.fromdense(LOGITS), "BCOO"


def test_masked_targets_are_missing() -> None:
    layer, other = OBRLossLayer(3), OBRLossLayer(3)
    layer(LOGITS, TARGETS, training=True)
    assert round(float(host(layer.losses[0])), 4) == 1.7884
    other(LOGITS, TARGETS.filled(np.nan), training=True)
    assert_exact("relation_sum", host(layer.relation_sum), host(other.relation_sum))


@pytest.mark.parametrize("name", ["logits", "targets", "observed", "sample_weight"])
def test_what_is_not_dense_is_refused(name: str) -> None:
    layer = OBRLossLayer(3)
    tensor, kind = sparse_tensor()
    for value, words in ((tensor, kind), (scipy.sparse.csr_matrix(LOGITS), "scipy.sparse.csr_matrix")):
        with pytest.raises(TypeError, match=f"{name} must be a dense (tensor|array), got {words}"):
            layer(**{"logits": LOGITS, "targets": LOGITS, name: value}, training=True)
    assert not host(layer.relation_weight).any()


@pytest.mark.parametrize("name", ["logits", "sample_weight"])
def test_a_mask_that_means_nothing_is_refused(name: str) -> None:
    layer = OBRLossLayer(3)
    masked = np.ma.masked_array(LOGITS[:, 0] if name == "sample_weight" else LOGITS, mask=True)
    with pytest.raises(TypeError, match=f"{name} must be a dense array, got a masked array"):
        layer(**{"logits": LOGITS, "targets": LOGITS, name: masked}, training=True)
    assert not host(layer.relation_weight).any()


def test_a_sparse_input_is_refused_when_a_model_is_built() -> None:
    with pytest.raises(TypeError, match="logits must be a dense tensor, got a sparse or ragged KerasTensor"):
        OBRLossLayer(3)(keras.KerasTensor((None, 3), sparse=True), keras.Input((3,)))


def test_half_weights_are_widened() -> None:
    layer = OBRLossLayer(3, dtype="float16")
    layer(LOGITS, TARGETS, training=True)
    layer.set_weights([weight.astype(np.float16) for weight in layer.get_weights()])
    for weight in (layer.relation_sum, layer.relation_weight):
        assert (weight.dtype, host(weight).dtype) == ("float32", np.float32)


def test_a_state_that_is_not_finite_is_not_loaded() -> None:
    """Keras hands a layer its part of a file of weights."""
    layer = OBRLossLayer(3, relation=np.eye(3))
    start = host(layer.relation_sum)
    store = {"0": start, "1": host(layer.relation_weight)}
    with pytest.raises(ValueError, match="accumulators of a relation must be finite"):
        layer.load_own_variables(store | {"1": np.full((3, 3), np.nan)})
    assert_exact("relation_sum", host(layer.relation_sum), start)
    layer.reset()
    layer.load_own_variables(store)
    assert_exact("relation_sum", host(layer.relation_sum), start)


def test_a_frozen_layer_needs_a_relation_to_start_from() -> None:
    with pytest.raises(ValueError, match="freeze=True needs relation="):
        OBRLossLayer(3, freeze=True)
    layer = OBRLossLayer(3, freeze=True, relation=np.eye(3))
    again = OBRLossLayer.from_config(layer.get_config())
    assert again.freeze
    assert not host(again.relation_weight).any()
    again.set_weights(layer.get_weights())
    assert_exact("relation_sum", host(again.relation_sum), host(layer.relation_sum))
