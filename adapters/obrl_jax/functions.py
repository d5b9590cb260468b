"""Automatic differentiation: the loss and its gradient in one pass, which the backward pass then scales."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from obrl import algebra
from obrl.algebra import PairWeights
from obrl_jax.inputs import computation_dtype
from obrl_jax.namespace import JAX
from obrl_jax.rows import RowPairs


class Static(NamedTuple):
    """What is known before any array is.

    Attributes:
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
        normalization: `"all_pairs"` or `"active_pairs"`.
        parts: whether L_E and L_B are wanted too.
    """

    alpha: float
    reduction: str
    normalization: str
    parts: bool


Results = tuple[Array, ...]


class Problem(NamedTuple):
    """The arrays of a loss beside the logits, in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), finite; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch, 1), or None.
        pos_weight: (1, num_labels), or None.
        pairs: the pair weights.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    pairs: PairWeights

    def evaluate(self, static: Static, logits: Array, *, gradient: str) -> tuple[Results, Results]:
        """The terms (L, and with `parts` L_E and L_B; or L_B alone), and their gradients.

        Args:
            static: the rest of the loss.
            logits: x, (batch, num_labels), in any floating point dtype.
            gradient: `"none"`, `"total"` (of the first term) or `"parts"` (of L_E and L_B).
        """
        x = logits.astype(computation_dtype(logits))
        shared: dict[str, Any] = {"reduction": static.reduction, "rows": logits.shape[0]}
        if self.targets is None:
            value, gradients = algebra.relation_loss(
                JAX, x, self.sample_weight, self.pairs, gradient=gradient != "none", **shared
            )
            return (value,), gradients
        arrays = (self.targets, self.observed, self.sample_weight, self.pos_weight, self.pairs)
        terms, gradients = algebra.joint_loss(JAX, x, *arrays, alpha=static.alpha, gradient=gradient, **shared)
        return (tuple(terms) if static.parts else (terms.total,)), gradients

    def plain(self, static: Static, dtype: Any) -> Problem:
        """The problem as the algebra takes it: this one."""
        return self

    def kept(self) -> Problem:
        """The same problem without the state, which may be donated to the next step."""
        return self._replace(pairs=self.pairs.kept()) if isinstance(self.pairs, RowPairs) else self


class Differentiable(Protocol):
    """What is asked of a problem, which is a pytree too."""

    @property
    def targets(self) -> Array | None:
        """None for L_B alone."""

    def evaluate(self, static: Static, logits: Array, *, gradient: str) -> tuple[Results, Results]:
        """As `Problem.evaluate`."""

    def plain(self, static: Static, dtype: Any) -> Problem:
        """The same problem for the algebra, in this dtype."""

    def kept(self) -> Differentiable:
        """The same problem, for the backward pass."""


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _one_pass(static: Static, logits: Array, problem: Differentiable) -> Results:
    """Terms whose gradients with respect to the logits are computed with them."""
    return problem.evaluate(static, logits, gradient="none")[0]


def _forward(static: Static, logits: Any, problem: Any) -> tuple[Results, Any]:
    wanted = "parts" if static.parts and problem.targets is not None else "total"
    of_data = any(part.perturbed for part in jax.tree.leaves(problem))
    logits, problem = jax.tree.map(lambda part: part.value, (logits, problem))
    terms, gradients = problem.evaluate(static, logits, gradient=wanted)
    return terms, (logits, problem.kept() if of_data else None, gradients)


def _backward(static: Static, saved: Any, upstream: Sequence[Any]) -> tuple[Array, Any]:
    logits, problem, gradients = saved
    arrived = tuple(jnp.zeros(part.shape, part.dtype) if isinstance(part, SymbolicZero) else part for part in upstream)
    gradient = _scale(static, gradients, arrived).astype(logits.dtype)
    return gradient, None if problem is None else _gradients_of_data(static, logits, problem, arrived)


_one_pass.defvjp(_forward, _backward, symbolic_zeros=True)


def _scale(static: Static, gradients: Sequence[Array], upstream: Results) -> Array:
    """The chain rule: each gradient times what arrives for its term."""

    def by_row(factor: Array) -> Array:
        return factor[:, None] if static.reduction == "none" else factor

    if len(gradients) == 1:
        return gradients[0] * by_row(upstream[0])
    total, cross_entropy, relation_loss = upstream
    by_relation = static.alpha * total + relation_loss
    return gradients[0] * by_row(total + cross_entropy) + gradients[1] * by_row(by_relation)


def _gradients_of_data(static: Static, logits: Array, problem: Any, upstream: Results) -> Any:
    """The gradients with respect to targets and weights, by differentiating the algebra.

    The relation gets none: it comes from the targets, but no gradient flows through it.
    """
    fixed = {name: None for name in problem._fields if name not in ("targets", "sample_weight", "pos_weight")}

    def terms(data: Any) -> Results:
        full = data._replace(**{name: getattr(problem, name) for name in fixed})
        plain: Problem = full.plain(static, computation_dtype(logits))
        return plain.evaluate(static, logits, gradient="none")[0]

    (gradients,) = jax.vjp(terms, problem._replace(**fixed))[1](upstream)
    return gradients


def differentiable_terms(static: Static, logits: Array, problem: Differentiable, *, impl: str) -> Results:
    """The terms, ready to be differentiated.

    Args:
        static: the rest of the loss.
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        problem: the arrays.
        impl: `"plain"` leaves the gradient to JAX, in forward mode too; any other computes it with the value, in
            reverse mode alone.
    """
    if impl == "plain":
        return problem.evaluate(static, logits, gradient="none")[0]
    terms: Results = _one_pass(static, logits, problem)
    return terms
