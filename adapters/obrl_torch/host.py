"""Small matrices on a CPU: NumPy works on the same memory, and a call costs it a fraction of torch's.

Eq. 1, Eq. 3 and the Laplacians take some fifty operations on (num_labels, num_labels) matrices. At 40 labels the time
of each is the time of calling it, and NumPy halves the sum; from about 500 labels torch's threads win. The functions
are the same, and the results equal to the bit.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from obrl.algebra import PairLaplacians
from obrl.counts import PairCounts
from obrl.online import RelationState

SMALL_LABELS = 256
"""Up to this many labels NumPy is faster, measured on two cores of an AMD EPYC."""

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
_Arrays = TypeVar("_Arrays", PairCounts, RelationState)


def numpy_views(arrays: _Arrays) -> _Arrays | None:
    """The same memory as NumPy arrays; None where torch is better or its tensors must be seen by something else.

    That is on another device, above `SMALL_LABELS` labels, in a dtype that NumPy lacks, in a compiled or traced graph,
    under a dispatch mode or the transforms of `torch.func`, and for a subclass of Tensor. Numbers stay as they are.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing() or is_in_torch_dispatch_mode():  # type: ignore[attr-defined]
        return None
    parts = []
    for array in arrays:
        if not isinstance(array, Tensor):
            parts.append(array)
            continue
        plain = type(array) is Tensor and array.device.type == "cpu" and array.dtype in _DTYPES
        if not plain or array.shape[-1] > SMALL_LABELS:
            return None
        try:
            parts.append(array.numpy())
        except RuntimeError:  # inside a transform of torch.func
            return None
    return type(arrays)(*parts)


def state_to_torch(state: RelationState) -> RelationState:
    """Tensors that share the memory of a NumPy state."""
    return RelationState(*(torch.from_numpy(array) for array in state))


def pairs_to_torch(pairs: PairLaplacians, dtype: torch.dtype) -> PairLaplacians:
    """The pair weights as tensors; the matrices share the memory of NumPy's."""

    def scalar(value: Any) -> Tensor | float:
        # A number stays one, as in torch, where a tensor's products are rounded to its dtype.
        return value if type(value) is float else torch.tensor(float(value), dtype=dtype, device="cpu")

    return PairLaplacians(
        mixed=torch.from_numpy(pairs.mixed),
        negative=torch.from_numpy(pairs.negative),
        negative_total=scalar(pairs.negative_total),
        scale=scalar(pairs.scale),
    )


def numpy_like(dtype: torch.dtype) -> np.ndarray[tuple[()], np.dtype[np.floating]]:
    """A scalar NumPy array of float32 or float64, to say which."""
    return np.empty((), _DTYPES[dtype])
