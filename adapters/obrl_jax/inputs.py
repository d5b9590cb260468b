"""Arrays of a caller: their metadata, whether their values may be read, and their targets split."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from obrl.arrays import check_dense
from obrl.errors import Metadata, check_target_range
from obrl.labels import Labels, check_ignored, check_ignored_counts, check_values, without_ignored
from obrl.labels import split_labels as split
from obrl.logits import warn_of_probabilities, warn_of_sigmoid
from obrl.namespace import NUMPY
from obrl_jax.compat import is_traced, primal_value, traced_operation
from obrl_jax.namespace import JAX

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def metadata(name: str, value: Any) -> Metadata:
    """The metadata of a JAX or NumPy array.

    Raises:
        TypeError: `value` is neither, or is a masked array with masked entries.
    """
    check_dense(name, value)
    if not isinstance(value, jax.Array | np.ndarray):
        raise TypeError(f"{name} must be a JAX or NumPy array, got {type(value).__name__}: use jnp.asarray({name})")
    return Metadata(tuple(value.shape), kind_of(value.dtype), str(value.dtype))


def optional_metadata(name: str, value: Any) -> Metadata | None:
    """The metadata of an array that may be absent."""
    return None if value is None else metadata(name, value)


def kind_of(dtype: Any) -> str:
    """`Metadata.kind` of a dtype."""
    if dtype == np.bool_:
        return "bool"
    if str(dtype) in _FLOATS:
        return "float"
    if jnp.issubdtype(dtype, np.integer):
        return "int"
    return "complex" if jnp.issubdtype(dtype, np.complexfloating) else "other"


def split_labels(targets: Any, observed: Any, *, complete: bool) -> Labels:
    """Say which targets are observed and which are positive.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        complete: whether no target is missing, from `known_targets`.

    Returns:
        As `obrl.labels.split_labels`; NumPy arrays where both arguments are, else JAX arrays.
    """
    # NumPy targets are split in NumPy: `jax_debug_nans` would stop at the NaN of a missing target.
    in_numpy = isinstance(targets, np.ndarray) and (observed is None or isinstance(observed, np.ndarray))
    return split(NUMPY if in_numpy else JAX, targets, observed, kind=kind_of(targets.dtype), complete=complete)


def known_targets(validate: bool | None, targets: Any, observed: Any, ignore_index: int | None) -> tuple[Any, bool]:
    """Say which targets are known, and check the values where they may be read.

    With `validate=True` a program that is being traced checks them when it runs, and JAX then raises its own error,
    with the message of this one.

    Returns:
        `observed`, and False where checked targets equal `ignore_index` (in NumPy where both arguments are); and
        whether the values were read and none is missing.

    Raises:
        ValueError: an observed target outside [0, 1], or targets that `obrl.labels.check_ignored` refuses.
    """
    known = without_ignored(targets, observed, ignore_index)
    if _may_read_values(validate, targets, observed):
        values = on_host(targets)
        check_ignored(values, on_host(observed), ignore_index)
        return known, check_values(values, on_host(known))
    if validate is True and kind_of(targets.dtype) != "bool":
        _check_in_program(targets, observed, known, ignore_index)
    return known, False


def _check_in_program(targets: Any, observed: Any, known: Any, ignore_index: int | None) -> None:
    """Let a compiled program stop at targets that `known_targets` refuses: a few numbers go to the host.

    Args:
        targets: (batch, num_labels), integer or floating point.
        observed: the same shape, bool, or None, as the caller of the loss gave it.
        known: the same, and False where a target is `ignore_index`.
        ignore_index: as in `known_targets`.
    """
    everywhere = jnp.ones(targets.shape, np.bool_)
    known = everywhere if known is None else jnp.asarray(known)
    if kind_of(targets.dtype) == "float":
        known = known & ~jnp.isnan(targets)
    low, high = (reduce(targets, where=known, initial=0) for reduce in (jnp.min, jnp.max))
    outside = known & ((targets < 0) | (targets > 1))
    one_number = jnp.all(~outside | (targets == jnp.where(low < 0, low, high)))
    counts: list[Any] = []
    if ignore_index == -1:
        missing = (everywhere if observed is None else observed) & (targets == -1)
        counts = [jnp.count_nonzero(part) for part in (missing, known, known & (targets == 1))]
    jax.debug.callback(_check_numbers, low, high, one_number, *counts)


def _check_numbers(low: Any, high: Any, one_number: Any, *counts: Any) -> None:
    """What the host checks of a program's targets."""
    check_target_range(float(low), float(high), one_number=bool(one_number))
    if counts:
        check_ignored_counts(*map(int, counts))


def warn_of_logits(logits: Any, validate: bool | None) -> None:
    """Warn of logits that are probabilities, as far as that shows: from the program traced, or from values in [0, 1].

    Values are read where those of targets would be, also where `jax.grad` differentiates outside of `jax.jit`.
    """
    logits = primal_value(logits)
    operation = traced_operation(logits)
    if operation in ("logistic", "softmax"):
        warn_of_sigmoid("a softmax" if operation == "softmax" else "a sigmoid")
    elif _may_read_values(validate, logits):
        warn_of_probabilities(on_host(logits))


def _may_read_values(validate: bool | None, *arrays: Any) -> bool:
    """Whether the values of these arrays may be read on the host; None stands for an absent array.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    while a function is being traced, nor of an array of which other hosts hold a part.
    """
    present = [array for array in arrays if array is not None]
    if validate is False or not all(_is_readable(array) for array in present):
        return False
    return validate is True or all(_is_on_cpu(array) for array in present)


def _is_readable(array: Any) -> bool:
    return isinstance(array, np.ndarray) or (not is_traced(array) and array.is_fully_addressable)


def _is_on_cpu(array: Any) -> bool:
    return isinstance(array, np.ndarray) or all(device.platform == "cpu" for device in array.devices())


def on_host(value: Any) -> Any:
    """A JAX array as NumPy's; bfloat16 is widened, which NumPy does not know as a number. Other values unchanged."""
    array = np.asarray(value) if isinstance(value, jax.Array) else value
    widened = isinstance(array, np.ndarray) and str(array.dtype) == "bfloat16"
    return array.astype(np.float32) if widened else array


def concrete(name: str, value: Any) -> Any:
    """An argument of a constructor, as `on_host`.

    Raises:
        TypeError: it is traced, so that it has no values yet.
    """
    if is_traced(value):
        raise TypeError(f"{name} must hold values, got a traced array: construct outside of jit, grad and vmap")
    return on_host(value)


def computation_dtype(logits: Any) -> Any:
    """The dtype the loss is computed and returned in: float32, or float64 for float64 logits under `jax_enable_x64`."""
    return jnp.dtype(jnp.float64 if logits.dtype == np.float64 and has_float64() else jnp.float32)


def has_float64() -> bool:
    """Whether JAX computes in float64 now (`jax_enable_x64`)."""
    return jax.dtypes.canonicalize_dtype(np.float64) == np.float64
