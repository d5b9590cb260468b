"""The arguments of a call: converted to tensors, checked, and split into known and missing labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from obrl import errors, labels
from obrl.arrays import check_dense, unmask_labels
from obrl.counts import MAX_EXACT_COUNT
from obrl.errors import Metadata
from obrl.labels import Labels
from obrl.logits import warn_of_probabilities, warn_of_sigmoid
from obrl_keras.graphs import with_rows_of, with_shape
from obrl_keras.inputs import known_rows
from obrl_tensorflow.namespace import TENSORFLOW, Tensor


def as_tensor(name: str, value: Any) -> Tensor:
    """A tf.Tensor, from one, a variable of TensorFlow or Keras, or a NumPy array.

    Raises:
        TypeError: `value` is none of these, or is sparse, ragged or masked.
    """
    check_dense(name, value)
    if isinstance(value, tf.SparseTensor | tf.RaggedTensor | tf.IndexedSlices):
        raise TypeError(f"{name} must be a dense tensor, got {type(value).__name__}")
    if not isinstance(value, tf.Tensor | tf.Variable | keras.Variable | np.ndarray):
        raise TypeError(
            f"{name} must be a TensorFlow tensor or NumPy array, got {type(value).__name__}: use np.asarray({name})"
        )
    return tf.convert_to_tensor(value)


def metadata(tensor: Tensor, *, rows: int | None = None) -> Metadata:
    """The metadata of a tensor; `rows` stands in for the size of a batch that a graph does not know."""
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
    """The arguments of a call, as tensors whose shapes are known as far as they can be."""

    logits: Tensor
    targets: Tensor
    observed: Tensor | None
    sample_weight: Tensor | None


def check_batch(
    logits: Any, targets: Any, observed: Any, sample_weight: Any, *, num_labels: int, ignore_index: int | None
) -> Batch:
    """The arguments of a loss as tensors; raises TypeError or ValueError where one is not as it must be."""
    targets, observed = unmask_labels(targets, observed)
    width = (None, num_labels)
    batch = Batch(
        _with_shape("logits", logits, width),
        _with_shape("targets", targets, width),
        None if observed is None else _with_shape("observed", observed, width),
        None if sample_weight is None else _with_shape("sample_weight", sample_weight, (None,)),
    )
    rows = known_rows(*batch)
    metadata_of: list[Any] = [None if tensor is None else metadata(tensor, rows=rows) for tensor in batch]
    errors.check_batch(*metadata_of, num_labels=num_labels, ignore_index=ignore_index)
    others = (None if tensor is None else with_rows_of(tf, tensor, batch.logits) for tensor in batch[1:])
    return Batch(batch.logits, *others)


def check_labels(
    targets: Any, observed: Any, *, num_labels: int, ignore_index: int | None
) -> tuple[Tensor, Tensor | None]:
    """The arguments of an update as tensors; raises TypeError or ValueError where one is not as it must be."""
    targets, observed = unmask_labels(targets, observed)
    width = (None, num_labels)
    y = _with_shape("targets", targets, width)
    mask = None if observed is None else _with_shape("observed", observed, width)
    rows = known_rows(y, mask)
    known = None if mask is None else metadata(mask, rows=rows)
    errors.check_labels(metadata(y, rows=rows), known, num_labels=num_labels, ignore_index=ignore_index)
    return y, None if mask is None else with_rows_of(tf, mask, y)


def _with_shape(name: str, value: Any, shape: tuple[int | None, ...]) -> Tensor:
    """The argument as a tensor, of this shape where a graph does not know it; that is checked when the graph runs."""
    return with_shape(tf, as_tensor(name, value), shape)


def split_labels(targets: Tensor, observed: Tensor | None, *, read_values: bool) -> Labels:
    """Say which targets are known and which are 1; `positive` comes in the dtype to count in.

    Args:
        targets: (batch, num_labels), bool, integer or floating point; NaN is missing.
        observed: the same shape, bool; False is missing, whatever the target holds.
        read_values: whether values may be read on the host: the range is then checked, and a batch without a missing
            target is recognised, which spares the counting of observed pairs.

    Raises:
        ValueError: an observed target outside [0, 1], where values are read.
    """
    complete = read_values and check_values(targets, observed)
    split = labels.split_labels(TENSORFLOW, targets, observed, kind=_kind(targets.dtype), complete=complete)
    rows = targets.shape[0]
    counting = tf.float64 if rows is not None and rows > MAX_EXACT_COUNT else tf.float32
    return split._replace(positive=tf.cast(split.positive, counting))


def check_values(targets: Tensor, observed: Tensor | None) -> bool:
    """Read targets on the host: whether none is missing; raises ValueError where one lies outside [0, 1]."""
    return labels.check_values(on_host(targets), on_host(observed))


def row_count(tensor: Tensor, dtype: tf.DType) -> int | Tensor:
    """The size of a batch: an int, or a scalar tensor of this dtype where a graph does not know it."""
    rows: int | None = tensor.shape[0]
    return tf.cast(tf.shape(tensor)[0], dtype) if rows is None else rows


def on_host(tensor: Any) -> Any:
    """A tensor as a NumPy array; bfloat16, which NumPy does not count as a number, as float32. Others as they are."""
    if not isinstance(tensor, tf.Tensor | tf.Variable):
        return tensor
    return (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()


def may_read_values(validate: bool | None, *tensors: Tensor | None) -> bool:
    """Whether the values of these tensors may be read on the host; None stands for one that is absent.

    On a CPU unless `validate=False`; on other devices only with `validate=True`, since the host has to wait. Never
    while a graph is traced.
    """
    present = [tensor for tensor in tensors if tensor is not None]
    if validate is False or not tf.executing_eagerly() or not all(hasattr(tensor, "numpy") for tensor in present):
        return False
    return validate is True or all("CPU" in tensor.device for tensor in present)


_PASSING = ("Cast", "EnsureShape", "ExpandDims", "Identity", "Reshape", "Squeeze", "StridedSlice", "Transpose")
"""Operations of a graph that change no value."""


def warn_of_logits(logits: Tensor, validate: bool | None) -> None:
    """Warn of logits that are probabilities, as far as that shows: from the graph, or from values in [0, 1].

    Values are read where those of targets would be.
    """
    if not tf.executing_eagerly():
        operation = logits.op
        while operation.type in _PASSING:
            operation = operation.inputs[0].op
        if operation.type in ("Sigmoid", "Softmax"):
            warn_of_sigmoid(operation.type.lower())
    elif may_read_values(validate, logits):
        warn_of_probabilities(on_host(logits))


def computation_dtype(logits: Tensor) -> tf.DType:
    """The dtype the loss is computed and returned in: float64 for float64 logits, else float32."""
    return tf.float64 if logits.dtype == tf.float64 else tf.float32
