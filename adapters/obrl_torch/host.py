"""Matrices on a CPU: where NumPy is faster on the same memory, and blocks that its caches hold.

Eq. 1, Eq. 3 and the Laplacians take some fifty operations on (num_labels, num_labels) matrices. At 40 labels the time
of each is the time of calling it, and NumPy halves the sum; from about 500 labels torch's threads win at arithmetic,
not at comparisons, and the time is that of the memory. The functions are the same, and the results equal to the bit,
square roots aside: where torch calls MKL, some are off by a rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from obrl.algebra import PairLaplacians
from obrl.counts import PairCounts
from obrl.online import RelationState

SMALL_LABELS = 256
"""Up to this many labels NumPy is faster, measured on two cores of an AMD EPYC."""

BLOCK_ELEMENTS = 2**17
"""Eq. 1 goes through blocks of rows of about this many elements: half the time of whole matrices at 1,000 labels."""

_DTYPES = {torch.float32: np.float32, torch.float64: np.float64}
_Arrays = TypeVar("_Arrays", PairCounts, RelationState)


def _graph_is_made() -> bool:
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined]


def array(tensor: Tensor) -> NDArray[Any] | None:
    """The same memory as a NumPy array; None where it must be seen by something else or NumPy cannot take it.

    That is on another device, in a dtype that NumPy lacks, in a compiled or traced graph, under a dispatch mode or the
    transforms of `torch.func`, and for a subclass of Tensor.
    """
    if type(tensor) is not Tensor or tensor.device.type != "cpu" or tensor.dtype not in _DTYPES:
        return None
    if _graph_is_made() or is_in_torch_dispatch_mode():
        return None
    try:
        return tensor.numpy()
    except RuntimeError:  # inside a transform of torch.func
        return None


def arrays(tensors: _Arrays) -> _Arrays | None:
    """As `array`, for all or none; numbers stay as they are."""
    parts = [array(part) if isinstance(part, Tensor) else part for part in tensors]
    return None if any(part is None for part in parts) else type(tensors)(*parts)


def small_arrays(tensors: _Arrays) -> _Arrays | None:
    """As `arrays`, and None above `SMALL_LABELS` labels, where torch is faster."""
    small = all(not isinstance(tensor, Tensor) or tensor.shape[-1] <= SMALL_LABELS for tensor in tensors)
    return arrays(tensors) if small else None


def blocks(labels: int, elements: int) -> Iterator[slice]:
    """The rows of a (labels, labels) matrix, in blocks of about this many elements."""
    rows = max(1, elements // labels)
    for start in range(0, labels, rows):
        yield slice(start, start + rows)


def row_blocks(state: RelationState, counts: PairCounts) -> Iterator[tuple[RelationState, PairCounts]]:
    """The same rows of a state and of the counts of a batch, as views; all at once unless in eager mode on a CPU."""
    labels = state.relation_weight.shape[0]
    if _graph_is_made() or state.relation_weight.device.type != "cpu" or labels**2 <= BLOCK_ELEMENTS:
        yield state, counts
        return
    for rows in blocks(labels, BLOCK_ELEMENTS):
        yield (
            RelationState(*(part[..., rows, :] for part in state)),
            PairCounts(*(part[rows] if isinstance(part, Tensor) and len(part) == labels else part for part in counts)),
        )


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
