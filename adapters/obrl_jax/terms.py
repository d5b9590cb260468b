"""The terms of a loss and their derivatives.

An `AlgebraLoss` is evaluated by the algebra, a `FusedLoss` by native code; either gives the gradient with respect to
the logits together with the value. `differentiable_terms` tells JAX so: the derivative along dx is the sum of gradient
times dx, which JAX uses in forward mode as it stands and transposes for reverse mode.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from obrl.algebra import PairLaplacians, coded_laplacians
from obrl.problem import Problem, evaluate
from obrl_jax.inputs import computation_dtype, split_labels
from obrl_jax.namespace import JAX

if TYPE_CHECKING:
    from obrl_jax.fused import Target

Results = tuple[Array, ...]


class LossOptions(NamedTuple):
    """What is fixed when a loss is traced.

    Attributes:
        alpha: weight of L_B.
        reduction: `"mean"`, `"sum"` or `"none"`.
        normalization: `"all_pairs"` or `"active_pairs"`.
        parts: whether L_E and L_B are returned beside L.
    """

    alpha: float
    reduction: str
    normalization: str
    parts: bool


class AlgebraLoss(NamedTuple):
    """The arrays of a loss beside the logits, in the dtype to compute in.

    Attributes:
        targets: (batch, num_labels), 0 where missing; None for L_B alone.
        observed: (batch, num_labels) bool, or None.
        sample_weight: (batch,), or None.
        pos_weight: (num_labels,), or None.
        pairs: the pair weights.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    pairs: PairLaplacians

    def evaluate(self, options: LossOptions, logits: Array, *, gradients_of: str) -> tuple[Results, Results]:
        """The terms and their gradients with respect to the logits, by the algebra.

        Args:
            options: the rest of the loss.
            logits: x, (batch, num_labels), in any floating point dtype.
            gradients_of: `"none"`, `"total"` (of the first term) or `"parts"` (of L_E and L_B).

        Returns:
            L, and with `parts` L_E and L_B; or L_B alone. Then the gradients asked for.
        """
        x = logits.astype(computation_dtype(logits))
        weight = None if self.sample_weight is None else self.sample_weight[:, None]
        pos_weight = None if self.pos_weight is None else self.pos_weight[None]
        arrays = (self.targets, self.observed, weight, pos_weight, self.pairs)
        problem = Problem(*arrays, options.alpha, options.reduction, logits.shape[0])
        terms, gradients = evaluate(JAX, x, problem, gradients_of=gradients_of)
        return (terms if options.parts else terms[:1]), gradients

    def for_algebra(self, options: LossOptions, dtype: Any) -> AlgebraLoss:
        """The same loss, for the algebra: this one."""
        return self


class FusedLoss(NamedTuple):
    """The arrays of a loss beside the logits, for native code.

    Attributes:
        targets: (batch, num_labels), bool, uint8, or in the dtype to compute in with NaN where missing; None for L_B
            alone.
        observed: the same shape, bool, or None.
        sample_weight: (batch,) in the dtype to compute in, or None.
        pos_weight: (num_labels,), likewise.
        code: the coded pairs, as the native code holds them.
        target: the native code.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    code: Array
    target: Target

    def evaluate(self, options: LossOptions, logits: Array, *, gradients_of: str) -> tuple[Results, Results]:
        """As `AlgebraLoss.evaluate`, in native code."""
        return _evaluate_fused(options, gradients_of, logits, self)

    def for_algebra(self, options: LossOptions, dtype: Any) -> AlgebraLoss:
        """The same loss, for the algebra."""
        targets, observed = self.targets, self.observed
        if targets is not None:
            targets, _, observed = split_labels(targets, observed, complete=False)
        codes = self.target.calls.codes(self.code, self.target.num_labels).astype(jnp.int8)
        return AlgebraLoss(
            targets=None if targets is None else targets.astype(dtype),
            observed=observed,
            sample_weight=self.sample_weight,
            pos_weight=self.pos_weight,
            pairs=coded_laplacians(JAX, codes, normalization=options.normalization, like=jnp.zeros((), dtype)),
        )


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _evaluate_fused(options: LossOptions, gradients_of: str, logits: Array, loss: FusedLoss) -> tuple[Results, Results]:
    terms: tuple[Results, Results] = loss.target.calls.loss_terms(
        logits.astype(computation_dtype(logits)),
        loss.targets,
        loss.observed,
        loss.sample_weight,
        loss.pos_weight,
        loss.code,
        alpha=options.alpha,
        normalization=options.normalization,
        reduction=options.reduction,
        parts=options.parts,
        gradients_of=gradients_of,
    )
    return terms


@_evaluate_fused.defjvp
def _second_derivative(options: LossOptions, gradients_of: str, primals: Any, tangents: Any) -> Any:
    """The derivative of terms and gradients, by the algebra.

    JAX uses this rule for second derivatives only: for first derivatives, `_derivative` returns the gradient that the
    native code computed.
    """

    def by_algebra(logits: Array, loss: FusedLoss) -> tuple[Results, Results]:
        dtype = computation_dtype(logits)
        return loss.for_algebra(options, dtype).evaluate(options, logits, gradients_of=gradients_of)

    return _evaluate_fused(options, gradients_of, *primals), jax.jvp(by_algebra, primals, tangents)[1]


def differentiable_terms(options: LossOptions, logits: Array, loss: AlgebraLoss | FusedLoss, *, impl: str) -> Results:
    """The terms as a function that JAX can differentiate, in both modes and to any order.

    Args:
        options: the rest of the loss.
        logits: x, (batch, num_labels), in any floating point dtype; its gradient comes in that dtype.
        loss: the arrays.
        impl: `"plain"` leaves the gradient to JAX; any other computes it with the value.

    Returns:
        L, and with `options.parts` L_E and L_B; or L_B alone.
    """
    if impl == "plain":
        return loss.evaluate(options, logits, gradients_of="none")[0]
    terms: Results = _terms(options, logits, loss)
    return terms


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _terms(options: LossOptions, logits: Array, loss: AlgebraLoss | FusedLoss) -> Results:
    return loss.evaluate(options, logits, gradients_of="none")[0]


def _derivative(options: LossOptions, primals: Any, tangents: Any) -> tuple[Results, Results]:
    """The terms and their derivative along the tangents, from the gradients that are computed with the terms."""
    (logits, loss), (dx, changes) = primals, tangents
    if isinstance(dx, SymbolicZero):
        terms, _ = loss.evaluate(options, logits, gradients_of="none")
        along = tuple(jnp.zeros_like(term) for term in terms)
    else:
        parts = options.parts and loss.targets is not None
        terms, gradients = loss.evaluate(options, logits, gradients_of="parts" if parts else "total")
        # Cast once, so that reverse mode adds the parts' gradients before it rounds to the dtype of the logits.
        change = dx.astype(gradients[0].dtype)
        along = tuple(_along(gradient, change, options) for gradient in gradients)
        if parts:
            cross_entropy, relation_loss = along
            along = (cross_entropy + options.alpha * relation_loss, cross_entropy, relation_loss)
    of_data = _derivative_of_data(options, logits, loss, changes)
    return terms, along if of_data is None else tuple(map(jnp.add, along, of_data))


_terms.defjvp(_derivative, symbolic_zeros=True)


def _along(gradient: Array, dx: Array, options: LossOptions) -> Array:
    """The derivative of a term along dx; with the reduction `"none"`, row k of the gradient is that of loss k."""
    product = gradient * dx
    return product.sum(axis=1) if options.reduction == "none" else product.sum()


def _derivative_of_data(
    options: LossOptions, logits: Array, loss: AlgebraLoss | FusedLoss, changes: Any
) -> Results | None:
    """The derivative of the terms along changes of targets and weights, by the algebra; None where nothing changes.

    The relation has none: it comes from the targets, but no gradient flows through it.
    """
    tangents = {name: getattr(changes, name) for name in ("targets", "sample_weight", "pos_weight")}
    tangents = {
        name: tangent
        for name, tangent in tangents.items()
        if tangent is not None and not isinstance(tangent, SymbolicZero)
    }
    if not tangents:
        return None

    def terms(data: dict[str, Any]) -> Results:
        changed = loss._replace(**data).for_algebra(options, computation_dtype(logits))
        return changed.evaluate(options, logits, gradients_of="none")[0]

    along: Results = jax.jvp(terms, ({name: getattr(loss, name) for name in tangents},), (tangents,))[1]
    return along
