"""The custom calls by themselves, with arguments that fit and arguments that do not."""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from obrl.measures import MEASURES
from obrl.online import RelationState, state_shapes
from obrl.settings import Settings
from obrl_jax import native

RELATION: dict[str, Any] = {
    "decay": 0.9,
    "positive_threshold": 0.8,
    "negative_threshold": 0.2,
    "measure": 1,
    "counts": False,
}
LOSS: dict[str, Any] = {
    "alpha": 0.5,
    "reduction": 0,
    "gradients": 1,
    "joint": True,
    "parts": False,
    "active_pairs": False,
}
ROWS, LABELS = 4, 3
BATCH, MATRIX, STACK = (ROWS, LABELS), (LABELS, LABELS), (3, LABELS, LABELS)
Array = tuple[tuple[int, ...], str]
"""The shape and dtype of one."""

GOOD: dict[str, tuple[tuple[Array, ...], tuple[Array, ...], dict[str, Any]]] = {
    "count": (((BATCH, "bool"), ((), "bool")), ((STACK, "int32"),), {}),
    "move": (
        ((BATCH, "float32"), (BATCH, "bool"), (MATRIX, "float32"), (MATRIX, "float32")),
        ((MATRIX, "float32"), (MATRIX, "float32"), (MATRIX, "uint8")),
        RELATION,
    ),
    "move_by_counts": (
        ((STACK, "int32"), (MATRIX, "float32"), (MATRIX, "float32")),
        ((MATRIX, "float32"), (MATRIX, "float32"), (MATRIX, "uint8")),
        RELATION,
    ),
    "code": (
        ((MATRIX, "float32"), (MATRIX, "float32")),
        ((MATRIX, "uint8"),),
        {name: value for name, value in RELATION.items() if name != "decay"},
    ),
    "loss": (
        (
            (BATCH, "float32"),
            (BATCH, "uint8"),
            (BATCH, "bool"),
            ((ROWS,), "float32"),
            ((LABELS,), "float32"),
            (MATRIX, "uint8"),
        ),
        (((), "float32"), (BATCH, "float32")),
        LOSS,
    ),
}
"""Arguments, results and attributes that fit, by the name of the call."""

BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("count", {"argument 0": ((ROWS,), "bool")}, "targets must be a matrix of bytes or floats"),
    ("count", {"argument 0": (BATCH, "int32")}, "targets must be a matrix of bytes or floats"),
    ("count", {"argument 1": ((LABELS, ROWS), "bool")}, "observed must be bytes in the shape of the targets"),
    ("count", {"argument 1": (BATCH, "float32")}, "observed must be bytes in the shape of the targets"),
    ("count", {"result 0": (MATRIX, "int32")}, "counts must be int32"),
    ("count", {"result 0": (STACK, "float32")}, "counts must be int32"),
    ("move", {"argument 0": ((ROWS, 2), "bool"), "argument 1": ((), "bool")}, "targets must be as wide"),
    ("move", {"argument 1": ((ROWS, 2), "bool")}, "observed must be bytes"),
    ("move", {"argument 2": (MATRIX, "float16")}, "relation_sum must be in the dtype of relation_weight"),
    ("move", {"argument 2": ((2, 2), "float32")}, r"relation_sum must be \(num_labels, num_labels\)"),
    ("move", {"argument 3": (MATRIX, "int32")}, "relation_weight must be a matrix of floats"),
    ("move", {"argument 3": ((LABELS, 2), "float32")}, r"relation_weight must be \(num_labels, num_labels\)"),
    ("move", {"result 0": ((2, 2), "float32")}, "a new accumulator must be as the old one"),
    ("move", {"result 1": (MATRIX, "float16")}, "a new accumulator must be as the old one"),
    ("move", {"result 2": ((2, 2), "uint8")}, "code must be bytes"),
    ("move", {"measure": 8}, "measure must be a number of obrl_measure"),
    ("move", {"measure": -1}, "measure must be a number of obrl_measure"),
    (
        "move",
        {"counts": True},
        r"relation_sum must be \(num_labels, num_labels\), of counts \(3, num_labels, num_labels\)",
    ),
    ("move_by_counts", {"argument 0": (MATRIX, "int32")}, "counts must be int32"),
    ("move_by_counts", {"argument 0": (STACK, "float32")}, "counts must be int32"),
    ("code", {"result 0": (MATRIX, "int8")}, "code must be bytes"),
    ("loss", {"argument 0": ((ROWS,), "float32")}, "logits must be a matrix of floats"),
    ("loss", {"argument 0": (BATCH, "float16")}, "logits must be a matrix of floats"),
    ("loss", {"argument 1": ((ROWS, 2), "uint8"), "argument 2": ((), "bool")}, "targets must be bytes or in the"),
    ("loss", {"argument 1": (BATCH, "float16")}, "targets must be a matrix"),
    ("loss", {"argument 2": ((ROWS, 2), "bool")}, "observed must be bytes"),
    ("loss", {"argument 3": ((2,), "float32")}, "sample_weight must be one number a sample"),
    ("loss", {"argument 4": ((2,), "float32")}, "pos_weight must be one number a sample, or a label"),
    ("loss", {"argument 4": ((LABELS,), "float16")}, "pos_weight must be one number a sample, or a label"),
    ("loss", {"argument 5": ((2, 2), "uint8")}, "code must be bytes"),
    ("loss", {"reduction": 3}, "reduction must be one of three"),
    ("loss", {"gradients": 3}, "gradients must be one of three"),
    ("loss", {"gradients": 2}, "gradients must be those of parts"),
    ("loss", {"gradients": 0}, "results must be terms and gradients"),
    ("loss", {"result 0": ((ROWS,), "float32")}, "results must be of the loss's shapes"),
    ("loss", {"result 1": ((ROWS, 2), "float32")}, "results must be of the loss's shapes"),
)
"""A call, what is wrong with it, and part of its error."""


def call(name: str, change: dict[str, Any]) -> Any:
    """A custom call with arrays of ones, some of them changed, and nothing written over."""
    arguments, results, attributes = GOOD[name]
    native.prepare()
    arrays = [jnp.ones(*change.get(f"argument {index}", array)) for index, array in enumerate(arguments)]
    types = [jax.ShapeDtypeStruct(*change.get(f"result {index}", array)) for index, array in enumerate(results)]
    typed = {key: _attribute(change.get(key, value)) for key, value in attributes.items()}
    return jax.block_until_ready(jax.ffi.ffi_call(f"obrl_jax_{name}", types)(*arrays, **typed))


def _attribute(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return np.int32(value) if isinstance(value, int) else np.float64(value)


def exercise() -> int:
    """Call everything, for a build that looks for mistakes itself; returns the number of calls."""
    random = np.random.default_rng(0)
    calls = 0
    for name, change, expected in BAD:
        try:
            call(name, change)
        except jax.errors.JaxRuntimeError:
            calls += 1
            continue
        raise AssertionError(expected)
    for (rows, num_labels), (wide, missing) in product(((0, 3), (1, 1), (33, 5)), ((False, True), (True, False))):
        dtype = np.dtype(np.float64 if wide else np.float32)
        with jax.enable_x64(wide):
            targets = jnp.asarray(random.random((rows, num_labels)), dtype)
            targets = targets if missing else targets > 0.5
            observed = jnp.asarray(random.random((rows, num_labels)) < 0.8) if missing else None
            counts = native.count_pairs(targets, observed)
            for measure, estimator in (*((name, "batch") for name in MEASURES), ("conditional", "counts")):
                settings = Settings(measure=measure, estimator=estimator)
                state = RelationState(
                    *(jnp.zeros(shape, dtype) for shape in state_shapes(num_labels, settings.estimator))
                )
                state, _ = native.move_relation(state, targets, observed, settings)
                state, code = native.move_by_counts(state, counts, settings)
                native.code_pairs(state, settings)
                calls += 3
            logits = jnp.asarray(random.standard_normal((rows, num_labels)), dtype)
            weights = jnp.ones(rows, dtype), jnp.ones(num_labels, dtype)
            for reduction, parts in product(("mean", "none"), (False, True)):
                for gradient, joint in (("none", True), ("parts" if parts else "total", True), ("total", False)):
                    arrays = (targets, observed, *weights) if joint else (None,) * 4
                    options: dict[str, Any] = {"alpha": 0.5, "normalization": "active_pairs", "reduction": reduction}
                    options |= {"parts": parts and joint, "gradient": gradient}
                    jax.block_until_ready(native.loss_terms(logits, *arrays, code, **options))
                    calls += 1
    return calls
