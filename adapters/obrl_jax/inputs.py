"""What comes in: its metadata, the checks of its values, and the form that the algebra takes it in."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from obrl.counts import MAX_EXACT_COUNT, split_targets
from obrl.errors import Metadata

_FLOATS = ("float16", "bfloat16", "float32", "float64")


def metadata(name: str, value: Any) -> Metadata:
    """The metadata of a JAX or NumPy array.

    Raises:
        TypeError: `value` is neither.
    """
    if not isinstance(value, jax.Array | np.ndarray):
        raise TypeError(f"{name} must be a JAX or NumPy array, got {type(value).__name__}")
    return Metadata(tuple(value.shape), _kind(value.dtype), str(value.dtype))


def optional_metadata(name: str, value: Any) -> Metadata | None:
    """The metadata of an array that may be absent."""
    return None if value is None else metadata(name, value)


def _kind(dtype: Any) -> str:
    if dtype == np.bool_:
        return "bool"
    if str(dtype) in _FLOATS:
        return "float"
    if np.issubdtype(dtype, np.integer):
        return "int"
    return "complex" if np.issubdtype(dtype, np.complexfloating) else "other"


class Labels(NamedTuple):
    """Targets, split into what each part needs.

    Attributes:
        positive: (batch, num_labels) 0/1 in the dtype to count in: observed, and at least 0.5.
        observed: (batch, num_labels) bool, or None where all are known to be.
        targets: as they came, with 0 where they are missing.
    """

    positive: Array
    observed: Array | None
    targets: Array


def split_labels(targets: Any, observed: Any, *, read_values: bool) -> Labels:
    """Say which targets are known and which are 1.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        read_values: whether values may be read on the host: the range is then checked, and a batch without a missing
            target is recognised, which spares the counting of observed pairs.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read.
    """
    known: Any
    if read_values:
        positive, known = split_targets(on_host(targets), on_host(observed))
    else:
        known = observed
        if jnp.issubdtype(targets.dtype, jnp.floating):
            not_nan = targets == targets  # NaN alone differs from itself
            known = not_nan if observed is None else observed & not_nan
        positive = targets if targets.dtype == bool else targets >= 0.5
        positive = positive if known is None else positive & known
    if known is not None:
        # In NumPy where it is NumPy's, for `jax_debug_nans` would stop at the NaN of a missing target.
        in_numpy = isinstance(targets, np.ndarray) and isinstance(known, np.ndarray)
        namespace = np if in_numpy else jnp
        targets = namespace.where(known, targets, np.zeros((), targets.dtype))
    return Labels(
        positive=jnp.asarray(positive, _counting_dtype(len(targets))),
        observed=None if known is None else jnp.asarray(known),
        targets=jnp.asarray(targets),
    )


def _counting_dtype(rows: int) -> Any:
    if rows <= MAX_EXACT_COUNT:
        return jnp.float32
    if not jax.config.read("jax_enable_x64"):
        raise ValueError(
            f"a batch of more than {MAX_EXACT_COUNT} rows can only be counted exactly under jax_enable_x64, got {rows}"
        )
    return jnp.float64


def on_host(array: Any) -> Any:
    """A JAX array as NumPy's, with bfloat16, which NumPy does not know as a number, widened; others as they are."""
    if not isinstance(array, jax.Array | np.ndarray):
        return array
    values = np.asarray(array)
    return values.astype(np.float32) if str(values.dtype) == "bfloat16" else values


def may_read_values(validate: bool | None, *arrays: Any) -> bool:
    """Whether the values of these arrays may be looked at on the host; None stands for one that is absent.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    while a function is being traced, nor of an array whose parts lie on other hosts.
    """
    present = [array for array in arrays if array is not None]
    if validate is False or not all(_is_at_hand(array) for array in present):
        return False
    return validate is True or all(_is_on_cpu(array) for array in present)


def _is_at_hand(array: Any) -> bool:
    return isinstance(array, np.ndarray) or (not is_traced(array) and array.is_fully_addressable)


def _is_on_cpu(array: Any) -> bool:
    return isinstance(array, np.ndarray) or all(device.platform == "cpu" for device in array.devices())


def is_traced(array: Any) -> bool:
    """Whether the array stands for values that are not there yet."""
    return isinstance(array, jax.core.Tracer)


def computation_dtype(logits: Any) -> Any:
    """The dtype the loss is computed and returned in: float32, or float64 for float64 logits under `jax_enable_x64`."""
    return jnp.asarray(logits).dtype if logits.dtype == np.float64 else jnp.dtype(jnp.float32)
