"""`impl="fused"`: which native code a program runs, the targets it reads, and Eq. 1 in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from obrl.counts import MAX_EXACT_COUNT
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_jax.compat import default_platform, is_traced
from obrl_jax.inputs import split_labels


@jax.tree_util.register_static
@dataclass(frozen=True)
class Target:
    """The native code of a platform.

    Attributes:
        platform: `"cpu"` or `"gpu"`, as JAX names them.
        num_labels: M.
    """

    platform: str
    num_labels: int

    @property
    def calls(self) -> Any:
        """The module of its custom calls: `native`, or `cuda` with the same functions."""
        from obrl_jax import cuda, native

        return native if self.platform == "cpu" else cuda


def target_of(num_labels: int, dtype: Any, **arrays: Any) -> Target:
    """The native code for the device of the last array that holds values.

    Where all are traced it is that of JAX's default device. If the program is then compiled for another, XLA raises an
    error that names the missing call.

    Args:
        num_labels: M.
        dtype: to compute in.
        arrays: by name.

    Raises:
        ValueError: that array is neither on a CPU nor on a CUDA device, or a dtype or number of labels that the native
            code does not take.
    """
    name, platform = "the default device", default_platform()
    for argument, array in arrays.items():
        if isinstance(array, jax.Array) and not is_traced(array):
            name, platform = argument, next(iter(array.devices())).platform
    if platform not in ("cpu", "gpu"):
        raise ValueError(f'impl="fused" of obrl.jax runs on a CPU or a CUDA device, got {name} on a {platform}')
    target = Target(platform, num_labels)
    target.calls.check(dtype, num_labels)
    return target


class NativeLabels(NamedTuple):
    """Targets in dtypes that the native code reads.

    Attributes:
        targets: for L_E, (batch, num_labels), bool, uint8, or in the dtype to compute in; NaN where missing.
        positive: for the relation, the same shape: bool, or the targets themselves, which the native code compares
            with one half.
        observed: bool, or None.
    """

    targets: Array
    positive: Array
    observed: Array | None


def native_labels(targets: Any, observed: Any, dtype: Any, *, complete: bool) -> NativeLabels:
    """Cast targets to a dtype that the native code reads; `target >= 0.5` keeps its value.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool, or None.
        dtype: to compute in.
        complete: whether no target is missing.

    Raises:
        ValueError: more rows than are counted exactly.
    """
    if len(targets) > MAX_EXACT_COUNT:
        raise ValueError(f'impl="fused" takes at most {MAX_EXACT_COUNT} rows, got {len(targets)}')
    if targets.dtype in (np.bool_, np.uint8) or (targets.dtype == dtype and isinstance(targets, Array)):
        # Read as they are, NaN included. Floats of NumPy are split below, since `jax_debug_nans` stops at their NaN.
        targets = jnp.asarray(targets)
        return NativeLabels(targets, targets, None if observed is None else jnp.asarray(observed))
    labels = split_labels(targets, observed, complete=complete)
    return NativeLabels(
        targets=jnp.asarray(labels.targets.astype(dtype)),
        positive=jnp.asarray(labels.positive),
        observed=None if labels.observed is None else jnp.asarray(labels.observed),
    )


def advance(
    target: Target, state: RelationState, labels: NativeLabels, settings: Settings, axis_name: Any
) -> tuple[RelationState, Array]:
    """Eq. 1 for one batch, over all devices of the axis.

    Args:
        target: the native code.
        state: the accumulators, without a gradient.
        labels: of the batch.
        settings: how the relation moves and is read.
        axis_name: the axis, or axes, of `jax.shard_map` or `jax.pmap`; None where there is none.

    Returns:
        The new state, and its coded pairs.
    """
    positive = jax.lax.stop_gradient(labels.positive)
    result: tuple[RelationState, Array]
    if axis_name is None:
        result = target.calls.move_relation(state, positive, labels.observed, settings)
    else:
        counts = jax.lax.psum(target.calls.count_pairs(positive, labels.observed), axis_name)
        result = target.calls.move_by_counts(state, counts, settings)
    return result


def code_state(target: Target, state: RelationState, settings: Settings) -> Array:
    """The coded pairs of a state that stays as it is."""
    code: Array = target.calls.code_pairs(state, settings)
    return code


def code_relation(target: Target, positive: Array, negative: Array) -> Array:
    """The coded pairs of f_p and f_n, (num_labels, num_labels) bool each; each direction counts half."""
    relation = 0.5 + 0.5 * (positive.astype(np.float32) - negative.astype(np.float32))  # 1, 0, or neither
    settings = Settings(positive_threshold=0.75, negative_threshold=0.25, measure="conditional")  # not symmetric
    return code_state(target, RelationState(relation, jnp.ones_like(relation)), settings)
