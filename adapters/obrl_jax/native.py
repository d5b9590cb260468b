"""`impl="fused"` on a CPU: the native code as custom calls of XLA, built and registered before the first call.

The calls neither check nor differentiate: `criterion.py` checks, `terms.py` differentiates. `jax.vmap` makes a loop of
them. Where plain `jax.jit` shards an array over devices, XLA gathers it first, and every device makes the whole call.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec
from jaxlib.version import __version__ as jaxlib_version

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_jax.compat import explicit_axes, varying_type
from obrl_native import cpu
from obrl_native.build import Recipe, Unit, build

CALLS = ("count", "move", "move_by_counts", "code", "loss")
"""The handlers of `jax_ffi.cc`, whose names begin with `obrl_jax_`."""

_ONE_AT_A_TIME = threading.Lock()


def prepare() -> None:
    """Build, load and register the custom calls; once in a process.

    Raises:
        obrl_native.build.BuildError: an ImportError; they cannot be built or stored here.
    """
    with _ONE_AT_A_TIME:
        _register()


def recipe(flags: Sequence[str] = ()) -> Recipe:
    """The library for this version of JAX, with further flags for every source."""
    handlers = Unit("jax_ffi.cc", ("-O1", "-isystem", jax.ffi.include_dir()))
    return Recipe("obrl_jax", (*cpu.UNITS, handlers), flags=flags, versions=(jaxlib_version,))


@cache
def _register() -> None:
    library = cpu.load(str(build(recipe())))
    for name in CALLS:
        handler = jax.ffi.pycapsule(library[f"obrl_jax_{name}"])
        jax.ffi.register_ffi_target(f"obrl_jax_{name}", handler, platform="cpu")


def check(dtype: Any, num_labels: int) -> None:
    """Raise ValueError for too many labels; any dtype to compute in will do."""
    if num_labels > cpu.MAX_LABELS:
        raise ValueError(f'impl="fused" takes at most {cpu.MAX_LABELS} labels, got {num_labels}')


def codes(code: Array, num_labels: int) -> Array:
    """The code of each pair, (num_labels, num_labels)."""
    return code


def count_pairs(targets: Array, observed: Array | None) -> Array:
    """The pair counts n, s and r of a batch.

    Args:
        targets: (batch, num_labels) bool, uint8, float32 or float64; NaN is missing.
        observed: the same shape, bool, or None.

    Returns:
        int32, (3, num_labels, num_labels).
    """
    num_labels = targets.shape[1]
    (counts,) = _call("count", [((3, num_labels, num_labels), np.int32)], (targets, _mask(observed)))
    return counts


def move_relation(
    state: RelationState, targets: Array, observed: Array | None, settings: Settings
) -> tuple[RelationState, Array]:
    """Eq. 1 for a batch; the arguments are those of `count_pairs`.

    Returns:
        The new state, and uint8, (num_labels, num_labels): a + 4 b, twice the symmetric weights of the positive and
        negative pairs.
    """
    return _move("move", (targets, _mask(observed)), state, settings)


def move_by_counts(state: RelationState, counts: Array, settings: Settings) -> tuple[RelationState, Array]:
    """What `move_relation` gives, for a batch of these counts."""
    return _move("move_by_counts", (counts,), state, settings)


def _move(name: str, batch: tuple[Array, ...], state: RelationState, settings: Settings) -> tuple[RelationState, Array]:
    results = [*((part.shape, part.dtype) for part in state), _code_of(state)]
    first = len(batch)
    *moved, code = _call(
        name,
        results,
        (*batch, *state),
        {first: 0, first + 1: 1},
        decay=np.float64(settings.decay),
        **pair_attributes(settings),
    )
    return RelationState(*moved), code


def code_pairs(state: RelationState, settings: Settings) -> Array:
    """The codes that `move_relation` gives, of a relation that stays as it is."""
    (code,) = _call("code", [_code_of(state)], state, **pair_attributes(settings))
    return code


def _code_of(state: RelationState) -> tuple[tuple[int, ...], Any]:
    return state.relation_weight.shape, np.uint8


def pair_attributes(settings: Settings) -> dict[str, Any]:
    """The attributes of Eq. 3 on every platform: thresholds, measure, and whether the state holds counts."""
    return {
        "positive_threshold": np.float64(settings.positive_threshold),
        "negative_threshold": np.float64(settings.negative_threshold),
        "measure": np.int32(cpu.MEASURES[settings.measure]),
        "counts": settings.estimator == "counts",
    }


def loss_terms(
    logits: Array,
    targets: Array | None,
    observed: Array | None,
    sample_weight: Array | None,
    pos_weight: Array | None,
    code: Array,
    *,
    alpha: float,
    normalization: str,
    reduction: str,
    parts: bool,
    gradients_of: str,
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The loss, and its gradient.

    Args:
        logits: x, (batch, num_labels), float32 or float64.
        targets: the same shape, bool, uint8 or in the dtype of the logits, NaN where missing; None for L_B alone.
        observed: the same shape, bool, or None.
        sample_weight: (batch,) in the dtype of the logits, or None.
        pos_weight: (num_labels,), likewise.
        code: of the pairs, from `move_relation` or `code_pairs`.
        alpha: weight of L_B.
        normalization: `"all_pairs"` or `"active_pairs"`.
        reduction: `"mean"`, `"sum"` or `"none"`.
        parts: whether L_E and L_B are returned beside L.
        gradients_of: `"none"`, `"total"` (of the first term) or, with `parts`, `"parts"` (of L_E and of L_B).

    Returns:
        The terms and the gradients, in the dtype of the logits.
    """
    dtype, joint = logits.dtype, targets is not None
    absent = np.zeros((), dtype)
    terms = 3 if joint and parts else 1
    value = logits.shape[:1] if reduction == "none" else ()
    results = _call(
        "loss",
        [(value, dtype)] * terms + [(logits.shape, dtype)] * cpu.GRADIENTS[gradients_of],
        (
            logits,
            absent if targets is None else targets,
            _mask(observed),
            absent if sample_weight is None else sample_weight,
            absent if pos_weight is None else pos_weight,
            code,
        ),
        alpha=np.float64(alpha),
        reduction=np.int32(cpu.REDUCTIONS[reduction]),
        gradients=np.int32(cpu.GRADIENTS[gradients_of]),
        joint=joint,
        parts=parts,
        active_pairs=normalization == "active_pairs",
    )
    return spread(results[:terms], logits), spread(results[terms:], logits)


def _mask(observed: Array | None) -> Any:
    return np.zeros((), bool) if observed is None else observed


def _call(name: str, *arguments: Any, **attributes: Any) -> tuple[Array, ...]:
    prepare()
    return custom_call(f"obrl_jax_{name}", *arguments, **attributes)


def custom_call(
    target: str,
    results: Sequence[tuple[tuple[int, ...], Any]],
    arrays: Sequence[Any],
    aliases: Mapping[int, int] | None = None,
    **attributes: Any,
) -> tuple[Array, ...]:
    """Call a registered target.

    Args:
        target: its name.
        results: the shape and dtype of each.
        arrays: its arguments.
        aliases: by the index of an array, the index of the result that may reuse its memory.
        attributes: NumPy numbers and bool.
    """
    whole = [_placed(array, [None] * array.ndim) for array in arrays]
    varying = varying_type(whole)
    call = jax.ffi.ffi_call(
        target,
        [jax.ShapeDtypeStruct(shape, dtype, **varying) for shape, dtype in results],
        vmap_method="sequential",
        input_output_aliases=None if aliases is None else dict(aliases),
    )
    return tuple(call(*whole, **attributes))


def spread(arrays: Sequence[Array], logits: Array) -> tuple[Array, ...]:
    """Results of a loss, sharded over explicit axes as the logits are."""
    axes = explicit_axes(logits)
    return tuple(_placed(array, axes[: array.ndim]) for array in arrays)


def _placed(array: Any, axes: Sequence[Any]) -> Any:
    """The array sharded over these explicit axes, which JAX wants to be told; a custom call takes arrays whole."""
    return array if explicit_axes(array) == tuple(axes) else jax.sharding.reshard(array, PartitionSpec(*axes))
