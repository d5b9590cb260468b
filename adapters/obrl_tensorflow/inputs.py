"""What comes in: its metadata, the checks of its values, and the form that the algebra takes it in."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from obrl import errors
from obrl.counts import MAX_EXACT_COUNT, split_targets
from obrl.errors import Metadata
from obrl_keras.graphs import with_rows_of, with_shape
from obrl_keras.inputs import Labels, known_rows
from obrl_tensorflow.namespace import Tensor


def as_tensor(name: str, value: Any) -> Tensor:
    """A tf.Tensor, from one, a variable of TensorFlow or Keras, or a NumPy array.

    Raises:
        TypeError: `value` is none of these.
    """
    if not isinstance(value, tf.Tensor | tf.Variable | keras.Variable | np.ndarray):
        raise TypeError(f"{name} must be a TensorFlow tensor or NumPy array, got {type(value).__name__}")
    return tf.convert_to_tensor(value)


def metadata(name: str, value: Any, *, rows: int | None = None) -> Metadata:
    """The metadata of what `as_tensor` takes; `rows` stands in for the size of a batch that is not known yet."""
    tensor = as_tensor(name, value)
    shape = tuple(tensor.shape)
    if shape and shape[0] is None:
        shape = (rows, *shape[1:])
    return Metadata(shape, _kind(tensor.dtype), tensor.dtype.name)


def _kind(dtype: tf.DType) -> str:
    if dtype.is_bool:
        return "bool"
    if dtype in (tf.float16, tf.bfloat16, tf.float32, tf.float64):
        return "float"
    if dtype.is_integer and not dtype.is_quantized:
        return "int"
    return "complex" if dtype.is_complex else "other"


class Batch(NamedTuple):
    """What a call was given, as tensors whose shapes are known as far as they can be."""

    logits: Tensor
    targets: Tensor
    observed: Tensor | None
    sample_weight: Tensor | None


def check_batch(logits: Any, targets: Any, observed: Any, sample_weight: Any, *, num_labels: int) -> Batch:
    """The arguments of a loss as tensors; raises TypeError or ValueError where one is not as it must be."""
    width = (None, num_labels)
    batch = Batch(
        _shaped("logits", logits, width),
        _shaped("targets", targets, width),
        None if observed is None else _shaped("observed", observed, width),
        None if sample_weight is None else _shaped("sample_weight", sample_weight, (None,)),
    )
    rows = known_rows(*batch)
    errors.check_batch(
        metadata("logits", batch.logits, rows=rows),
        metadata("targets", batch.targets, rows=rows),
        None if batch.observed is None else metadata("observed", batch.observed, rows=rows),
        None if batch.sample_weight is None else metadata("sample_weight", batch.sample_weight, rows=rows),
        num_labels=num_labels,
    )
    others = (None if part is None else with_rows_of(tf, part, batch.logits) for part in batch[1:])
    return Batch(batch.logits, *others)


def check_labels(targets: Any, observed: Any, *, num_labels: int) -> tuple[Tensor, Tensor | None]:
    """The arguments of an update as tensors; raises TypeError or ValueError where one is not as it must be."""
    width = (None, num_labels)
    y = _shaped("targets", targets, width)
    mask = None if observed is None else _shaped("observed", observed, width)
    rows = known_rows(y, mask)
    errors.check_labels(
        metadata("targets", y, rows=rows),
        None if mask is None else metadata("observed", mask, rows=rows),
        num_labels=num_labels,
    )
    return y, None if mask is None else with_rows_of(tf, mask, y)


def _shaped(name: str, value: Any, shape: tuple[int | None, ...]) -> Tensor:
    return with_shape(tf, as_tensor(name, value), shape)


def split_labels(targets: Tensor, observed: Tensor | None, *, read_values: bool) -> Labels:
    """Say which targets are known and which are 1.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        read_values: whether values may be read on the host: the range is then checked, and a batch without a missing
            target is recognised, which spares the counting of observed pairs.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read.
    """
    rows = targets.shape[0]
    counting = tf.float64 if rows is not None and rows > MAX_EXACT_COUNT else tf.float32
    known: Any
    if read_values:
        positive, known = split_targets(on_host(targets), None if observed is None else on_host(observed))
    else:
        known = observed
        if targets.dtype.is_floating:
            not_nan = targets == targets  # NaN alone differs from itself
            known = not_nan if observed is None else observed & not_nan
        positive = targets
        if not targets.dtype.is_bool:
            positive = targets >= 0.5 if targets.dtype.is_floating else targets > 0
        positive = positive if known is None else positive & known
    if known is not None:
        targets = tf.where(known, targets, tf.zeros_like(targets))
    return Labels(
        positive=tf.cast(positive, counting),
        observed=None if known is None else tf.convert_to_tensor(known),
        targets=targets,
        rows=tf.cast(tf.shape(targets)[0], counting) if rows is None else rows,
    )


def check_values(targets: Tensor, observed: Tensor | None) -> None:
    """Raise ValueError where an observed target, whose values may be read, is outside [0, 1]."""
    split_targets(on_host(targets), on_host(observed))


def on_host(tensor: Any) -> Any:
    """A tensor as NumPy's, with bfloat16, which NumPy does not know as a number, widened; others as they are."""
    if not isinstance(tensor, tf.Tensor | tf.Variable):
        return tensor
    return (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()


def may_read_values(validate: bool | None, *tensors: Tensor | None) -> bool:
    """Whether the values of these tensors may be looked at on the host; None stands for one that is absent.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    while a graph is being made.
    """
    present = [tensor for tensor in tensors if tensor is not None]
    if validate is False or not tf.executing_eagerly() or not all(hasattr(tensor, "numpy") for tensor in present):
        return False
    return validate is True or all("CPU" in tensor.device for tensor in present)


def computation_dtype(logits: Tensor) -> tf.DType:
    """The dtype the loss is computed and returned in: float64 for float64 logits, else float32."""
    return tf.float64 if logits.dtype == tf.float64 else tf.float32
