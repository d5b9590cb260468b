"""`obrl.keras`, as the suite sees it, on the backend that KERAS_BACKEND names."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from obrl.keras import OBRLossLayer
from obrl_keras.inputs import on_host
from obrl_keras.namespace import KERAS as NAMESPACE
from tests.parity.subjects import Framework, Outcome, State
from tests.support.cases import Batch, Case, laid_out
from tests.support.other_losses import functions

BACKEND = keras.backend.backend()
DTYPES = ("float64", "float32", "bfloat16", "float16")


def wide(tensor: Any) -> NDArray[np.float64]:
    return on_host(tensor).astype(np.float64)


def precision_of(dtype: str) -> Any:
    """JAX narrows 64 bits to 32, unless float64 is asked for."""
    return sys.modules["jax"].enable_x64(dtype == "float64") if BACKEND == "jax" else nullcontext()


class Endpoint:
    def __init__(self, case: Case, dtype: str) -> None:
        self.layer = OBRLossLayer(case.num_labels, **case.arguments)
        self.dtype = dtype

    def state(self) -> State:
        layer = self.layer
        return State(*(wide(ops.convert_to_tensor(getattr(layer, name))) for name in State.__dataclass_fields__))

    def call(self, batch: Batch) -> Outcome:
        with precision_of(self.dtype):
            logits = ops.cast(ops.convert_to_tensor(laid_out(batch.logits, batch.layout)), self.dtype)
            weight = batch.sample_weight
            options = {
                "targets": ops.convert_to_tensor(laid_out(batch.targets, batch.layout)),
                "observed": None if batch.observed is None else ops.convert_to_tensor(batch.observed),
                "sample_weight": None if weight is None else ops.cast(ops.convert_to_tensor(weight), self.dtype),
                "training": batch.moves,
            }
            value, gradient = _value_and_gradient(self.layer, logits, options)
            dtypes = [keras.backend.standardize_dtype(tensor.dtype) for tensor in (value, gradient)]
            return Outcome((wide(value),), wide(gradient), wide(logits), *dtypes)


def _value_and_gradient(layer: OBRLossLayer, logits: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    if BACKEND == "tensorflow":
        with sys.modules["tensorflow"].GradientTape() as tape:
            tape.watch(logits)
            layer(logits, **options)
            (value,) = layer.losses
        return value, tape.gradient(value, logits)
    if BACKEND == "torch":
        logits.requires_grad_()
        layer(logits, **options)
        (value,) = layer.losses
        return value.detach(), sys.modules["torch"].autograd.grad(value, logits)[0]
    values = [variable.value for variable in layer.non_trainable_variables]

    def loss(x: Any) -> Any:
        _, state, (value,) = layer.stateless_call([], values, x, return_losses=True, **options)
        return value, state

    (value, state), gradient = sys.modules["jax"].value_and_grad(loss, has_aux=True)(logits)
    for variable, new in zip(layer.non_trainable_variables, state, strict=True):
        variable.assign(new)
    return value, gradient


KERAS = Framework(
    name="keras",
    eager={"layer": DTYPES},
    compiled=(),
    state="float32",
    functions=functions(NAMESPACE, ops.log),
    endpoint=Endpoint,
    plain=import_module(f"tests.parity.{BACKEND}_subjects").plain,  # the backend's own arithmetic
    # Together the three backends see more than 1,000 examples; JAX compiles every shape, operation by operation.
    **(
        {"scale": 0.2, "least_examples": 90, "label_counts": (1, 4), "sizes": (0, 1, 6)}
        if BACKEND == "jax"
        else {"scale": 1.6, "least_examples": 700}
    ),
)
