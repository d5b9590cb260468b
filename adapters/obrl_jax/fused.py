"""`impl="fused"`: the relation and the loss in native code, and how the loss is differentiated.

The gradient with respect to the logits comes with the value; what else can be differentiated is, by the algebra.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from obrl.algebra import pair_laplacians
from obrl.counts import MAX_EXACT_COUNT, split_targets
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_jax.functions import Problem, Results, Static
from obrl_jax.inputs import computation_dtype, on_host
from obrl_jax.namespace import JAX
from obrl_jax.platforms import Target


class FusedProblem(NamedTuple):
    """The arrays of a loss beside the logits.

    Attributes:
        targets: (batch, num_labels), bool, integer, float32 or float64, NaN where missing; None for L_B alone.
        observed: the same shape, bool, or None.
        sample_weight: (batch,) in the dtype to compute in, or None.
        pos_weight: (num_labels,), likewise.
        code: the pairs, as the native code has them.
        target: which that is.
    """

    targets: Array | None
    observed: Array | None
    sample_weight: Array | None
    pos_weight: Array | None
    code: Array
    target: Target

    def evaluate(self, static: Static, logits: Array, *, gradient: str) -> tuple[Results, Results]:
        """As `Problem.evaluate`."""
        return _evaluate(static, gradient, logits, self)

    def kept(self) -> FusedProblem:
        """As `Problem.kept`: it holds a byte a pair."""
        return self

    def plain(self, static: Static, dtype: Any) -> Problem:
        """The same loss, for the algebra."""
        codes = self.target.calls.codes(self.code, self.target.num_labels)
        pairs = pair_laplacians(
            JAX,
            0.5 * (codes & 3).astype(dtype),
            0.5 * (codes >> 2).astype(dtype),
            num_labels=self.target.num_labels,
            symmetric=True,
            normalization=static.normalization,
            like=jnp.zeros((), dtype),
        )
        targets, observed = self.targets, self.observed
        if targets is not None and jnp.issubdtype(targets.dtype, jnp.floating):
            known = targets == targets  # NaN alone differs from itself
            observed = known if observed is None else observed & known
        if targets is not None and observed is not None:
            targets = jnp.where(observed, targets, np.zeros((), targets.dtype))
        return Problem(
            targets=None if targets is None else targets.astype(dtype),
            observed=observed,
            sample_weight=None if self.sample_weight is None else self.sample_weight[:, None],
            pos_weight=None if self.pos_weight is None else self.pos_weight[None],
            pairs=pairs,
        )


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _evaluate(static: Static, gradient: str, logits: Array, problem: FusedProblem) -> tuple[Results, Results]:
    dtype = computation_dtype(logits)
    targets = problem.targets
    if targets is not None and targets.dtype not in (jnp.bool_, jnp.uint8):
        targets = targets.astype(dtype)
    found: tuple[Results, Results] = problem.target.calls.loss_terms(
        logits.astype(dtype),
        targets,
        problem.observed,
        problem.sample_weight,
        problem.pos_weight,
        problem.code,
        alpha=static.alpha,
        normalization=static.normalization,
        reduction=static.reduction,
        parts=static.parts,
        gradient=gradient,
    )
    return found


@_evaluate.defjvp
def _differentiate(static: Static, gradient: str, primals: Any, tangents: Any) -> Any:
    """Reached by second derivatives alone: `jax.custom_vjp` stands before the first."""

    def plain(logits: Array, problem: FusedProblem) -> tuple[Results, Results]:
        return problem.plain(static, computation_dtype(logits)).evaluate(static, logits, gradient=gradient)

    return _evaluate(static, gradient, *primals), jax.jvp(plain, primals, tangents)[1]


def fused_labels(targets: Any, observed: Any, dtype: Any, *, read_values: bool) -> tuple[Array, Array | None]:
    """Targets in a dtype that native code reads, bool, uint8, float32 or float64, or integers; and a mask, or None.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool, or None.
        dtype: to compute the loss in.
        read_values: whether values may be read on the host: their range is then checked.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read; more rows than are counted exactly.
    """
    if len(targets) > MAX_EXACT_COUNT:
        raise ValueError(f'impl="fused" takes at most {MAX_EXACT_COUNT} rows, got {len(targets)}')
    if read_values:
        split_targets(on_host(targets), on_host(observed))
    if jnp.issubdtype(targets.dtype, jnp.floating) and targets.dtype != dtype:
        # A NaN goes to the mask before it meets an operation, at which `jax_debug_nans` would stop.
        in_numpy = isinstance(targets, np.ndarray)
        known = targets == targets
        targets = (np if in_numpy else jnp).where(known, targets, np.zeros((), targets.dtype))
        observed = known if observed is None else observed & known
        targets = _in_float32(targets) if in_numpy or targets.dtype != np.float64 else targets
    return jnp.asarray(targets), None if observed is None else jnp.asarray(observed)


def _in_float32(targets: Any) -> Any:
    """Targets rounded to float32, where JAX has nothing wider or they are narrower, on their side of one half."""
    if targets.dtype != np.float64 or jax.config.read("jax_enable_x64"):
        return targets if targets.dtype == np.float64 else targets.astype(np.float32)
    below = np.nextafter(np.float32(0.5), np.float32(0))
    return np.where(targets < 0.5, np.minimum(targets.astype(np.float32), below), targets.astype(np.float32))


def advance(
    target: Target, state: RelationState, targets: Array, observed: Array | None, settings: Settings, axis_name: Any
) -> tuple[RelationState, Array]:
    """Eq. 1 for one batch, over all devices of the axis, and the codes of the pairs then; no gradient flows through.

    Args:
        target: what moves it.
        state: the accumulators.
        targets: from `fused_labels`, with `observed`.
        observed: a mask, or None.
        settings: how the relation moves and is read.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap`; None where there is none.
    """
    state, targets = jax.lax.stop_gradient((_checked(state), _countable(targets)))
    moved: tuple[RelationState, Array]
    if axis_name is None:
        moved = target.calls.move_relation(state, targets, observed, settings)
    else:
        counts = jax.lax.psum(target.calls.count_pairs(targets, observed), axis_name)
        moved = target.calls.move_by_counts(state, counts, settings)
    return moved


def _countable(targets: Array) -> Array:
    integer = jnp.issubdtype(targets.dtype, jnp.integer) and targets.dtype != jnp.uint8
    return targets > 0 if integer else targets


def code(target: Target, state: RelationState, settings: Settings) -> Array:
    """The pairs of a state that stays as it is."""
    found: Array = target.calls.code_pairs(jax.lax.stop_gradient(_checked(state)), settings)
    return found


def code_relation(target: Target, positive: Array, negative: Array) -> Array:
    """The codes of pairs, (num_labels, num_labels) bool each; each direction counts half."""
    signs = positive.astype(np.float32) - negative.astype(np.float32)
    settings = Settings(positive_threshold=0.5, negative_threshold=-0.5, measure="conditional")
    return code(target, RelationState(signs, jnp.ones_like(signs)), settings)


def _checked(state: RelationState) -> RelationState:
    parts = [jnp.asarray(part) for part in state]
    if parts[0].dtype != parts[1].dtype:
        raise ValueError(
            'impl="fused" needs both accumulators in float32, or both in float64, got '
            f"{', '.join(str(part.dtype) for part in parts)}"
        )
    return RelationState(*parts)
