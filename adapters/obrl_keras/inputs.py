"""The arguments of a call: unmasked, checked, and split into known and missing labels."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from keras import KerasTensor, backend, ops

from obrl import labels
from obrl.arrays import check_dense
from obrl.counts import MAX_EXACT_COUNT
from obrl.errors import Metadata, check_batch
from obrl.labels import Labels
from obrl.logits import warn_of_probabilities, warn_of_sigmoid
from obrl_keras.compat import activation_of
from obrl_keras.namespace import KERAS, Tensor, dtype_name

FLOATS = ("float16", "bfloat16", "float32", "float64")


def kind_of(dtype: str) -> str:
    """The kind of a dtype, by its name."""
    if dtype == "bool":
        return "bool"
    if dtype in FLOATS:
        return "float"
    if dtype.startswith(("int", "uint")):
        return "int"
    return "complex" if dtype.startswith("complex") else "other"


def check_tensor(name: str, value: Any) -> None:
    """Raise TypeError for a sparse, ragged or masked array, before Keras would convert it to a dense one."""
    check_dense(name, value)
    framework = sys.modules[backend.backend()]
    kind = type(value)
    is_dense = True
    if isinstance(value, KerasTensor):
        is_dense = not (value.sparse or getattr(value, "ragged", False))
    elif backend.backend() == "tensorflow":
        is_dense = not isinstance(value, framework.SparseTensor | framework.RaggedTensor)
    elif backend.backend() == "torch":
        is_dense = not isinstance(value, framework.Tensor) or (
            value.layout == framework.strided and not value.is_nested
        )
    elif backend.backend() == "jax":
        is_dense = not kind.__module__.startswith("jax.experimental.sparse")
    if not is_dense:
        words = "a sparse or ragged KerasTensor" if isinstance(value, KerasTensor) else kind.__name__
        raise TypeError(f"{name} must be a dense tensor, got {getattr(value, 'layout', words)}")


def metadata(name: str, value: Any, known: tuple[int | None, ...]) -> Metadata:
    """The metadata of a tensor of Keras's backend, of a KerasTensor or of a NumPy array.

    Args:
        name: for the error.
        value: the tensor.
        known: what stands in for sizes that are not known yet.

    Raises:
        TypeError: `value` is none of these, or is sparse, ragged or masked.
    """
    check_tensor(name, value)
    if not (ops.is_tensor(value) or isinstance(value, KerasTensor | np.ndarray)):
        raise TypeError(
            f"{name} must be a tensor of Keras's {backend.backend()} backend, got {type(value).__name__}: use "
            f"keras.ops.convert_to_tensor({name})"
        )
    shape = tuple(value.shape)
    if None in shape and len(shape) == len(known):
        shape = tuple(instead if size is None else size for size, instead in zip(shape, known, strict=True))
    dtype = dtype_name(value)
    return Metadata(shape, kind_of(dtype), dtype)


def known_rows(*tensors: Any) -> int | None:
    """The size of the batch, from the first tensor that knows it."""
    sizes = [tensor.shape[0] for tensor in tensors if len(getattr(tensor, "shape", ()))]
    return next((size for size in sizes if size is not None), None)


def check_metadata(
    logits: Any,
    targets: Any,
    observed: Any,
    sample_weight: Any,
    *,
    num_labels: int,
    ignore_index: int | None = None,
) -> None:
    """Check what a loss takes, as far as it is known; raises TypeError or ValueError."""
    rows = known_rows(logits, targets, observed, sample_weight)
    check_batch(
        metadata("logits", logits, (rows, num_labels)),
        metadata("targets", targets, (rows, num_labels)),
        None if observed is None else metadata("observed", observed, (rows, num_labels)),
        None if sample_weight is None else metadata("sample_weight", sample_weight, (rows,)),
        num_labels=num_labels,
        ignore_index=ignore_index,
    )


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
    complete = read_values and labels.check_values(on_host(targets), None if observed is None else on_host(observed))
    kind = kind_of(dtype_name(targets))
    split = labels.split_labels(KERAS, targets, observed, kind=kind, complete=complete)
    return split._replace(positive=ops.cast(split.positive, _counting_dtype(ops.shape(targets)[0])))


def row_count(tensor: Tensor, like: Tensor) -> int | Tensor:
    """The size of a batch: an int, or a scalar tensor in the dtype of `like` where a graph does not know it."""
    rows = ops.shape(tensor)[0]
    return rows if isinstance(rows, int) else ops.cast(rows, dtype_name(like))


def _counting_dtype(rows: Any) -> str:
    if not isinstance(rows, int) or rows <= MAX_EXACT_COUNT:
        return "float32"
    if backend.backend() == "jax" and not sys.modules["jax"].config.read("jax_enable_x64"):
        raise ValueError(
            f"a batch of more than {MAX_EXACT_COUNT} rows can only be counted exactly under jax_enable_x64, got {rows}"
        )
    return "float64"


def on_host(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor as a NumPy array, with bfloat16, which NumPy does not know as a number, widened."""
    tensor = ops.cast(tensor, "float32") if dtype_name(tensor) == "bfloat16" else tensor
    if backend.backend() == "torch":
        tensor = tensor.detach().cpu()
    return np.asarray(tensor.numpy() if hasattr(tensor, "numpy") else tensor)


def may_read_values(validate: bool | None, *tensors: Any) -> bool:
    """Whether the values of these tensors may be looked at on the host; None stands for one that is absent.

    On the CPU yes, unless `validate=False`; elsewhere only with `validate=True`, since it makes the host wait. Never
    while a function is being traced.
    """
    present = [tensor for tensor in tensors if tensor is not None]
    if validate is False or any(isinstance(tensor, KerasTensor) or _is_traced(tensor) for tensor in present):
        return False
    return validate is True or all(_is_on_cpu(tensor) for tensor in present)


def warn_of_logits(logits: Any, validate: bool | None) -> None:
    """Warn of logits that are probabilities, as far as that shows: from the functional model, or from values in [0, 1].

    Values are read where those of targets would be, so not in `fit` on TensorFlow and JAX, which compile it.
    """
    if isinstance(logits, KerasTensor):
        if (activation := activation_of(logits)) in ("sigmoid", "softmax"):
            warn_of_sigmoid(activation)
    elif may_read_values(validate, logits):
        warn_of_probabilities(on_host(logits))


def _is_traced(tensor: Tensor) -> bool:
    framework = sys.modules[backend.backend()]
    if backend.backend() == "tensorflow":
        return not (framework.executing_eagerly() and hasattr(tensor, "numpy"))
    if backend.backend() == "jax":
        return isinstance(tensor, framework.core.Tracer) or not tensor.is_fully_addressable
    if backend.backend() == "torch":
        return bool(framework.compiler.is_compiling() or tensor.is_meta)
    return False


def _is_on_cpu(tensor: Tensor) -> bool:
    if backend.backend() == "tensorflow":
        return "CPU" in tensor.device
    if backend.backend() == "jax":
        return all(device.platform == "cpu" for device in tensor.devices())
    if backend.backend() == "torch":
        return bool(tensor.device.type == "cpu")
    return True
