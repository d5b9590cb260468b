"""`impl="fused"` on a CUDA device: the kernels of obrl.torch as custom calls of XLA, by the launcher of `obrl_native`.

The functions are those of `obrl_jax.native`. The kernels read float32 only, with NaN where a target is missing, and
return the loss of each sample; XLA casts the arrays before them and reduces the losses after them.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxlib.version import __version__ as jaxlib_version

from obrl.online import RelationState
from obrl.settings import Settings
from obrl_jax.native import CALLS, custom_call, pair_attributes, spread
from obrl_native import cpu, cuda
from obrl_native.build import Recipe, Unit, build

_ONE_AT_A_TIME = threading.Lock()


def prepare() -> cuda.Library:
    """Build, load and register the custom calls; once in a process.

    Raises:
        obrl_native.build.BuildError: an ImportError; they cannot be built or stored here, or there is no driver.
    """
    with _ONE_AT_A_TIME:
        return _register()


def recipe() -> Recipe:
    """The library for this version of JAX."""
    return Recipe("obrl_jax_cuda", (*cuda.UNITS, handlers()), links=cuda.LINKS, versions=(jaxlib_version,))


def handlers(*flags: str) -> Unit:
    """The source of the custom calls."""
    return Unit("jax_ffi_cuda.cc", ("-O1", "-isystem", jax.ffi.include_dir(), *flags))


@cache
def _register() -> cuda.Library:
    return register(str(build(recipe())), "CUDA")


def register(path: str, platform: str) -> cuda.Library:
    """Register the custom calls of a library for a platform, as XLA names it."""
    library, handles = cuda.Library(path), cpu.load(path)
    for name in CALLS:
        handler = jax.ffi.pycapsule(handles[f"obrl_jax_cuda_{name}"])
        jax.ffi.register_ffi_target(f"obrl_jax_cuda_{name}", handler, platform=platform)
    return library


def check(dtype: Any, num_labels: int) -> None:
    """Raise ValueError for float64, or too many labels."""
    if dtype != jnp.float32:
        raise ValueError(f'impl="fused" on a CUDA device computes in float32, got logits in {dtype}')
    prepare().pairs_bytes(num_labels)


def codes(code: Array, num_labels: int) -> Array:
    """The code of each pair, (num_labels, num_labels); rows begin at multiples of 16 bytes."""
    row = -(-num_labels // 16) * 16
    return code[: num_labels * row].reshape(num_labels, row)[:, :num_labels]


def count_pairs(targets: Array, observed: Array | None) -> Array:
    """The pair counts n, s and r of a batch, float32, (3, num_labels, num_labels)."""
    num_labels = targets.shape[1]
    shape = (3, num_labels, num_labels)
    (counts,) = _call("count", [(shape, np.float32)], (_nan_where_missing(targets, observed),))
    return counts


def move_relation(
    state: RelationState, targets: Array, observed: Array | None, settings: Settings
) -> tuple[RelationState, Array]:
    """Eq. 1 for a batch; the new state, and the coded pairs as bytes that the kernels read."""
    return _move("move", _nan_where_missing(targets, observed), state, settings)


def move_by_counts(state: RelationState, counts: Array, settings: Settings) -> tuple[RelationState, Array]:
    """What `move_relation` gives, for a batch of these counts."""
    return _move("move_by_counts", counts, state, settings)


def _move(name: str, batch: Array, state: RelationState, settings: Settings) -> tuple[RelationState, Array]:
    _check_state(state)
    results = [*((part.shape, part.dtype) for part in state), _pairs_of(state)]
    decay = np.float64(settings.decay)
    *moved, pairs = _call(name, results, (batch, *state), {1: 0, 2: 1}, decay=decay, **pair_attributes(settings))
    return RelationState(*moved), pairs


def code_pairs(state: RelationState, settings: Settings) -> Array:
    """The coded pairs of a relation that stays as it is."""
    _check_state(state)
    (pairs,) = _call("code", [_pairs_of(state)], state, **pair_attributes(settings))
    return pairs


def _check_state(state: RelationState) -> None:
    if state.relation_weight.dtype != jnp.float32:
        raise ValueError(f'impl="fused" on a CUDA device needs a state in float32, got {state.relation_weight.dtype}')


def _pairs_of(state: RelationState) -> tuple[tuple[int, ...], Any]:
    return (prepare().pairs_bytes(state.relation_weight.shape[0]),), np.uint8


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
    """The loss, and its gradient; as `native.loss_terms`, in float32."""
    joint = targets is not None
    rows, num_labels = logits.shape
    terms = 3 if joint and parts else 1
    results = _call(
        "loss",
        [((rows,), np.float32)] * terms + [(logits.shape, np.float32)] * cpu.GRADIENTS[gradients_of],
        (
            logits,
            np.zeros((), np.float32) if targets is None else _nan_where_missing(targets, observed),
            jnp.ones(rows, np.float32) if sample_weight is None else sample_weight,
            jnp.ones(num_labels, np.float32) if pos_weight is None else pos_weight,
            code,
        ),
        alpha=np.float64(alpha),
        gradients=np.int32(cpu.GRADIENTS[gradients_of]),
        joint=joint,
        parts=parts,
        active_pairs=normalization == "active_pairs",
    )
    share = 1.0 / max(rows, 1) if reduction == "mean" else 1.0
    values = results[:terms] if reduction == "none" else [term.sum() * share for term in results[:terms]]
    gradients = [gradient * share for gradient in results[terms:]]
    return spread(values, logits), spread(gradients, logits)


def _nan_where_missing(targets: Array, observed: Array | None) -> Array:
    single = targets.astype(np.float32)
    return single if observed is None else jnp.where(observed, single, np.float32(np.nan))


def _call(name: str, *arguments: Any, **attributes: Any) -> tuple[Array, ...]:
    prepare()
    return custom_call(f"obrl_jax_cuda_{name}", *arguments, **attributes)
