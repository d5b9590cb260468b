"""TensorFlow, as the suite sees it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from obrl import spec
from obrl.tensorflow import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from obrl_tensorflow.namespace import TENSORFLOW as NAMESPACE
from tests.parity.subjects import Framework, Outcome, State, plain_arguments
from tests.support.cases import Batch, Case, laid_out
from tests.support.other_losses import functions
from tests.support.tolerances import Results

DTYPES = ("float64", "float32", "bfloat16", "float16")


def arguments(batch: Batch, dtype: str) -> dict[str, Any]:
    """What a call takes; NumPy arrays keep their strides until TensorFlow reads them."""
    targets: Any = laid_out(batch.targets, batch.layout)
    if dtype == "bfloat16" and targets.dtype == np.float16:
        targets = tf.cast(targets, dtype)
    weight = batch.sample_weight
    return {
        "y_true": targets,
        "y_pred": tf.cast(laid_out(batch.logits, batch.layout), dtype),
        "sample_weight": None if weight is None else tf.cast(weight, dtype),
        "observed": None if batch.observed is None else laid_out(batch.observed, batch.layout),
    }


def wide(tensor: Any) -> NDArray[np.float64]:
    return tf.cast(tensor, tf.float64).numpy()


class Relation:
    def __init__(self, case: Case, precision: str) -> None:
        self.holder: Any = OnlineBatchRelation(case.num_labels, **case.accumulation, dtype=precision)

    def state(self) -> State:
        return State(*(wide(getattr(self.holder, name)) for name in State.__dataclass_fields__))

    def update(self, batch: Batch) -> None:
        tensors = arguments(batch, "float32")
        self.holder.update(tensors["y_true"], observed=tensors["observed"])


def value_and_gradient(criterion: Any, method: str, update: bool | None, tensors: dict[str, Any]) -> Any:
    """The values, and the gradient of the sum of the first."""
    with tf.GradientTape() as tape:
        tape.watch(tensors["y_pred"])
        values = getattr(criterion, method)(**tensors, update=update)
        values = tuple(values) if method == "terms" else (values,)
        first = tf.reduce_sum(values[0])
    return values, tape.gradient(first, tensors["y_pred"])


class Criterion(Relation):
    def __init__(self, holder: Any, dtype: str, step: Any = value_and_gradient) -> None:
        self.holder = holder
        self.dtype = dtype
        self.step = step

    def _run(self, method: str, batch: Batch) -> Outcome:
        tensors = arguments(batch, self.dtype)
        values, gradient = self.step(self.holder, method, batch.update, tensors)
        dtypes = values[0].dtype.name, gradient.dtype.name
        return Outcome(tuple(wide(value) for value in values), wide(gradient), wide(tensors["y_pred"]), *dtypes)

    def terms(self, batch: Batch) -> Outcome:
        return self._run("terms", batch)

    def call(self, batch: Batch) -> Outcome:
        return self._run("__call__", batch)


def joint(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(OBRLoss(case.num_labels, **case.arguments, impl=impl), dtype)


_COMPILED: dict[str, tuple[Any, Any]] = {}


def compiled_joint(case: Case, dtype: str, *, impl: str = "auto", jit_compile: bool = True) -> Criterion:
    key = f"{dtype} {case.num_labels} {case.arguments}"
    if key not in _COMPILED:
        compiled = tf.function(value_and_gradient, jit_compile=jit_compile)

        def step(criterion: Any, method: str, update: bool | None, tensors: dict[str, Any]) -> Any:
            converted = {name: None if part is None else tf.convert_to_tensor(part) for name, part in tensors.items()}
            return compiled(criterion, method, update, converted)

        _COMPILED[key] = OBRLoss(case.num_labels, **case.arguments, impl=impl), step
    holder, step = _COMPILED[key]
    holder.reset()
    return Criterion(holder, dtype, step)


def relation_criterion(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(RelationLoss(case.num_labels, **case.relation_arguments, impl=impl), dtype)


def stateless(case: Case, batch: Batch, relation: NDArray[np.float64], impl: str, dtype: str) -> Outcome:
    logits = arguments(batch, dtype)["y_pred"]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = relation_loss(
            logits, relation, **case.thresholds, normalization=case.normalization, reduction=case.reduction, impl=impl
        )
        total = tf.reduce_sum(value)
    gradient = tape.gradient(total, logits)
    return Outcome((wide(value),), wide(gradient), wide(logits), value.dtype.name, gradient.dtype.name)


@cache
def _plain_step(reduction: str) -> Any:
    """The loss in ordinary TensorFlow: a (K, M, M) tensor of differences, by automatic differentiation."""

    def reduced(term: Any) -> Any:
        if reduction == "none":
            return term
        total = tf.reduce_sum(term)
        return total if reduction == "sum" else total / max(term.shape[0], 1)

    def step(x: Any, y: Any, known: Any, pos_weight: Any, weight: Any, pairs: Any, alpha: Any) -> Any:
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            log_p, log_q = tf.math.log_sigmoid(x), tf.math.log_sigmoid(-x)
            by_label = tf.where(known, pos_weight * y * log_p + (1 - y) * log_q, 0.0)
            entropy = -tf.reduce_sum(by_label, axis=1) * weight
            p = tf.sigmoid(x)
            square = (p[:, :, None] - p[:, None, :]) ** 2
            positive, negative, normaliser = pairs
            cost = positive * square + negative * (1 - square) ** 2
            relation = tf.reduce_sum(cost, axis=(1, 2)) / normaliser * weight
            values = tuple(map(reduced, (entropy + alpha * relation, entropy, relation)))
        return values, [tape.gradient(values[index], x) for index in (0, 2)]

    return step


def plain(case: Case, batch: Batch, codes: spec.PairCodes) -> Results:
    logits, *rest = plain_arguments(case, batch, codes)
    values, slopes = _plain_step(case.reduction)(tf.constant(logits), *rest)
    return Results(*map(wide, values), *map(wide, slopes))


TENSORFLOW = Framework(
    name="tensorflow",
    eager={"auto": DTYPES, "plain": DTYPES},
    compiled=DTYPES,
    state="float32",
    functions=functions(NAMESPACE, tf.math.log),
    joint=joint,
    compiled_joint=compiled_joint,
    relation_criterion=relation_criterion,
    stateless=stateless,
    relation=Relation,
    plain=plain,
    scale=0.82,
    max_batches=2,
)

# Native code, which XLA cannot compile and which OnlineBatchRelation does not use. The torch suites run the same code
# through more examples.
FUSED = replace(
    TENSORFLOW,
    eager={"fused": DTYPES},
    compiled_joint=partial(compiled_joint, impl="fused", jit_compile=False),
    relation=None,
    scale=0.8,
    least_examples=300,
)
