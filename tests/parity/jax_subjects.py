"""JAX, as the suite sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from obrl import spec
from obrl.jax import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from obrl_jax.namespace import JAX as NAMESPACE
from tests.parity.subjects import Framework, Outcome, State, plain_arguments
from tests.support.cases import Batch, Case, laid_out
from tests.support.other_losses import functions
from tests.support.tolerances import Results

DTYPES = ("float64", "float32", "bfloat16", "float16")


def arguments(batch: Batch, dtype: str) -> dict[str, Any]:
    """The arguments of a call; NumPy arrays keep their strides until JAX reads them."""
    targets: Any = laid_out(batch.targets, batch.layout)
    if dtype == "bfloat16" and targets.dtype == np.float16:
        targets = jnp.asarray(targets).astype(dtype)
    weight = batch.sample_weight
    return {
        "logits": jnp.asarray(laid_out(batch.logits, batch.layout)).astype(dtype),
        "targets": targets,
        "observed": None if batch.observed is None else laid_out(batch.observed, batch.layout),
        "sample_weight": None if weight is None else jnp.asarray(weight).astype(dtype),
    }


def precision_of(dtype: str) -> Any:
    """JAX's default, which narrows NumPy's 64 bits to 32, except for float64."""
    return jax.enable_x64(dtype == "float64")


def wide(array: Any) -> NDArray[np.float64]:
    return np.asarray(array).astype(np.float64)


class Relation:
    def __init__(self, case: Case, precision: str) -> None:
        self.configuration: Any = OnlineBatchRelation(case.num_labels, **case.accumulation)
        self.dtype = precision
        with precision_of(precision):
            self.jax_state = self.configuration.init(precision)

    def state(self) -> State:
        with precision_of(self.dtype):
            return State(*map(wide, self.jax_state), wide(self.configuration.relation(self.jax_state)))

    def update(self, batch: Batch) -> None:
        with precision_of(self.dtype):
            labels = arguments(batch, "float32")
            self.jax_state = self.configuration.update(labels["targets"], self.jax_state, observed=labels["observed"])


def value_and_gradient(
    criterion: Any, method: str, update: bool | None, logits: Array, rest: Any, old_state: Any
) -> Any:
    """(values, gradient of the sum of the first, new state)."""

    def loss(x: Array) -> Any:
        values, state = getattr(criterion, method)(x, state=old_state, update=update, **rest)
        values = tuple(values) if method == "terms" else (values,)
        return values[0].sum(), (values, state)

    (_, (values, state)), gradient = jax.value_and_grad(loss, has_aux=True)(logits)
    return values, gradient, state


COMPILED: Callable[..., Any] = jax.jit(value_and_gradient, static_argnums=(0, 1, 2), donate_argnums=5)


class Criterion(Relation):
    def __init__(self, criterion: Any, dtype: str, step: Callable[..., Any] = value_and_gradient) -> None:
        self.configuration = criterion
        self.dtype = dtype
        self.step = step
        self.jax_state = criterion.init()

    def _run(self, method: str, batch: Batch) -> Outcome:
        with precision_of(self.dtype):
            rest = arguments(batch, self.dtype)
            logits = rest.pop("logits")
            values, gradient, self.jax_state = self.step(
                self.configuration, method, batch.update, logits, rest, self.jax_state
            )
        dtypes = str(values[0].dtype), str(gradient.dtype)
        return Outcome(tuple(wide(value) for value in values), wide(gradient), wide(logits), *dtypes)

    def terms(self, batch: Batch) -> Outcome:
        return self._run("terms", batch)

    def call(self, batch: Batch) -> Outcome:
        return self._run("__call__", batch)


def joint(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(OBRLoss(case.num_labels, **case.arguments, impl=impl), dtype)


def compiled_joint(case: Case, dtype: str, impl: str = "auto") -> Criterion:
    return Criterion(OBRLoss(case.num_labels, **case.arguments, impl=impl), dtype, COMPILED)


def relation_criterion(case: Case, impl: str, dtype: str) -> Criterion:
    return Criterion(RelationLoss(case.num_labels, **case.relation_arguments, impl=impl), dtype)


def stateless(case: Case, batch: Batch, relation: NDArray[np.float64], impl: str, dtype: str) -> Outcome:
    def loss(x: Array) -> Any:
        value = relation_loss(
            x, relation, **case.thresholds, normalization=case.normalization, reduction=case.reduction, impl=impl
        )
        return value.sum(), value

    with precision_of(dtype):
        logits = arguments(batch, dtype)["logits"]
        (_, value), gradient = jax.value_and_grad(loss, has_aux=True)(logits)
    return Outcome((wide(value),), wide(gradient), wide(logits), str(value.dtype), str(gradient.dtype))


@cache
def _plain_step(reduction: str) -> Callable[..., Any]:
    """The loss in ordinary JAX: a (K, M, M) tensor of differences, by automatic differentiation."""

    def reduced(term: Array) -> Array:
        if reduction == "none":
            return term
        return term.sum() if reduction == "sum" else term.sum() / max(len(term), 1)

    def terms(x: Array, y: Array, known: Array, pos_weight: Array, weight: Array, pairs: Any, alpha: Any) -> Any:
        log_p, log_q = jax.nn.log_sigmoid(x), jax.nn.log_sigmoid(-x)
        entropy = -jnp.where(known, pos_weight[None] * y * log_p + (1 - y) * log_q, 0).sum(axis=1) * weight
        p = jax.nn.sigmoid(x)
        square = (p[:, :, None] - p[:, None, :]) ** 2
        *codes, normaliser = pairs
        positive, negative = (code[None] for code in codes)
        relation = (positive * square + negative * (1 - square) ** 2).sum(axis=(1, 2)) / normaliser * weight
        return tuple(map(reduced, (entropy + alpha * relation, entropy, relation)))

    def step(x: Array, *rest: Any) -> Any:
        values, pullback = jax.vjp(lambda logits: terms(logits, *rest), x)
        zeros = tuple(jnp.zeros_like(value) for value in values)
        slopes = [
            pullback(tuple(jnp.ones_like(v) if i == j else zeros[j] for j, v in enumerate(values)))[0] for i in (0, 2)
        ]
        return values, slopes

    return jax.jit(step)


def plain(case: Case, batch: Batch, codes: spec.PairCodes) -> Results:
    logits, *rest = plain_arguments(case, batch, codes)
    values, slopes = _plain_step(case.reduction)(jnp.asarray(logits), *rest)
    return Results(*map(wide, values), *map(wide, slopes))


JAX = Framework(
    name="jax",
    eager={"auto": DTYPES, "plain": DTYPES},
    compiled=DTYPES,
    state="float32",
    functions=functions(NAMESPACE, jnp.log),
    joint=joint,
    compiled_joint=compiled_joint,
    relation_criterion=relation_criterion,
    stateless=stateless,
    relation=Relation,
    plain=plain,
    scale=0.82,
    label_counts=(1, 4),
    sizes=(0, 1, 6),
    max_batches=2,
)

# OnlineBatchRelation takes no `impl`.
FUSED = replace(
    JAX,
    eager={"fused": DTYPES},
    compiled_joint=partial(compiled_joint, impl="fused"),
    relation=None,
    least_examples=300,
    scale=0.65,
)
