"""Arrays on a CPU: where NumPy is faster on the same memory, and blocks that its caches hold.

Eq. 1, Eq. 3 and the Laplacians take some fifty operations on (num_labels, num_labels) matrices. At 40 labels the time
of each is the time of calling it, and NumPy halves the sum; from about 500 labels torch's threads win at arithmetic,
not at comparisons, and the time is that of the memory. The functions are the same, and the results equal to the bit,
but for sums and products, which NumPy adds up in another order, and some square roots, off by a rounding where torch
calls MKL.

The loss takes some thirty more on (batch, num_labels). As long as one thread does them, NumPy halves their time, too;
sigmoids stay torch's, and so do products of many numbers, for the threads of NumPy's BLAS get in torch's way. Of
torch's functions those are taken that keep a small batch to one thread: the others of its pool have gone to sleep
between two losses, and where other programs run too, waking one takes longer than all of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from obrl.algebra import Columns, PairLaplacians, PairWeights, Products
from obrl.namespace import Namespace, NumPyNamespace
from obrl.online import RelationState
from obrl_torch.namespace import TORCH

SMALL_LABELS = 256
"""Up to this many labels NumPy is faster, measured on two cores of an AMD EPYC."""

BLOCK_ELEMENTS = 2**17
"""Eq. 1 goes through blocks of rows of about this many elements: half the time of whole matrices at 1,000 labels."""

COMPARED_ELEMENTS = 2**16
"""Eq. 3 goes through smaller blocks, which a processor's own cache holds."""

MULTIPLIED_ELEMENTS = 2**20
"""Products with pair weights go through larger ones: at 4,000 labels two thirds of the time of `BLOCK_ELEMENTS`."""

WHOLE_ELEMENTS = 2**21
"""Up to so many a compiled graph takes a relation whole: it fuses what blocks of rows do one by one."""

SMALL_BATCH = 2**15
"""Up to this many elements torch computes with one thread, and NumPy is faster at arithmetic."""

SMALL_PRODUCT = 410_000
"""Up to so many multiplications NumPy takes a product, for its OpenBLAS keeps to one thread (in NumPy 2.4 on x86; in
older ones up to 2^18). MKL, torch's, wakes a second from a fifth of that, which costs more than it saves, and spins on.
"""

DTYPES = {torch.float32: np.float32, torch.float64: np.float64, torch.bool: np.bool_}
"""What NumPy computes in."""


def _graph_is_made() -> bool:
    return torch.compiler.is_compiling() or torch._C._is_tracing()


def is_hidden() -> bool:
    """Whether something else must see every operation: a graph that is compiled or traced, a mode, or forward AD."""
    if _graph_is_made() or is_in_torch_dispatch_mode():
        return True
    return forward_ad._current_level >= 0


def arrays(tensors: Iterable[Any]) -> list[Any] | None:
    """The same memory as NumPy arrays, for all or none; what is no tensor stays as it is.

    None where something else must see the operations or NumPy cannot take a tensor: on another device, in a dtype that
    NumPy lacks, in a compiled or traced graph, under a dispatch mode or the transforms of `torch.func`, where a
    gradient is needed, and for a subclass of Tensor.
    """
    if is_hidden():
        return None
    found: list[Any] = []
    try:
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                found.append(tensor)
            elif type(tensor) is Tensor and tensor.dtype in DTYPES and tensor.is_cpu:
                found.append(tensor.numpy())
            else:
                return None
    except RuntimeError:  # inside a transform of torch.func, or where a gradient is needed
        return None
    return found


def state_arrays(state: RelationState) -> RelationState | None:
    """As `arrays`, of the accumulators."""
    found = arrays(state)
    return None if found is None else RelationState(*found)


def state_to_torch(state: RelationState) -> RelationState:
    """Tensors that share the memory of a NumPy state."""
    return RelationState(*(torch.from_numpy(array) for array in state))


def blocks(labels: int, elements: int, *, count: int | None = None) -> Iterator[slice]:
    """The rows of a (count, labels) matrix, in blocks of about this many elements; without `count` it is square."""
    rows = max(1, elements // labels)
    for start in range(0, labels if count is None else count, rows):
        yield slice(start, start + rows)


def small_batch(tensor: Tensor) -> NDArray[Any] | None:
    """The same memory as an array, of a batch at which NumPy is faster; None of any other."""
    views = arrays((tensor.detach(),)) if tensor.numel() <= SMALL_BATCH else None
    return None if views is None else views[0]


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
    return np.empty((), DTYPES[dtype])


class _Host(NumPyNamespace):
    """NumPy's arithmetic and small products; torch's sigmoids and large products on the same memory.

    Large products are as precise as torch is set to; the loss takes them where that is full precision.
    """

    def matmul(self, a: Any, b: Any, /) -> Any:
        if a.size * b.shape[1] <= SMALL_PRODUCT:
            return super().matmul(a, b)
        return torch.mm(torch.from_numpy(a), torch.from_numpy(b)).numpy()

    def sum(self, a: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
        # Row by row: how a batch lies in memory does not change its sums.
        return super().sum(np.ascontiguousarray(a), axis=axis, keepdims=keepdims)

    def sigmoid(self, a: Any, /) -> Any:
        return TORCH.sigmoid(torch.from_numpy(a)).numpy()

    def log_sigmoid(self, a: Any, /) -> Any:
        return TORCH.log_sigmoid(torch.from_numpy(a)).numpy()


HOST: Namespace = _Host()


class TorchColumns:
    """Some columns of a batch, as the algebra takes them.

    Args:
        columns: their numbers.
    """

    def __init__(self, columns: NDArray[np.intp]) -> None:
        self.columns = columns
        self.index = torch.from_numpy(columns)

    def take(self, a: Tensor, /) -> Tensor:
        """These columns."""
        return a.index_select(1, self.index)

    def add(self, a: Tensor, part: Tensor, /) -> Tensor:
        """A new tensor: `a` with `part` added to these columns."""
        return a.index_add(1, self.index, part)

    def place(self, part: Tensor, /, *, like: Tensor) -> Tensor:
        """A tensor of the shape of `like`: `part` in these columns, 0 in the others."""
        return self.add(torch.zeros_like(like), part)


class SharedPairs(NamedTuple):
    """Pair weights that are kept from step to step, in both forms.

    Attributes:
        tensors: the pair weights.
        arrays: the same memory.
    """

    tensors: PairLaplacians
    arrays: PairLaplacians

    @property
    def columns(self) -> Columns | None:
        """The labels that the products are of."""
        return self.tensors.columns

    def products(self, ns: Namespace, q: Any, q2: Any) -> Products:
        """The products of tensors."""
        return self.tensors.products(ns, q, q2)


def share_pairs(pairs: PairLaplacians, columns: NDArray[np.intp] | None) -> SharedPairs:
    """Pair weights as tensors, of the labels of these numbers, or of all, with the same memory as arrays."""
    parts: list[Any] = [part.numpy() if isinstance(part, Tensor) else part for part in pairs]
    views = PairLaplacians(*parts)
    if columns is None:
        return SharedPairs(pairs, views)
    of_tensors = TorchColumns(columns)
    return SharedPairs(pairs._replace(columns=of_tensors), views._replace(columns=HostColumns(of_tensors)))


def pair_arrays(pairs: PairWeights) -> PairLaplacians | None:
    """As `arrays`, of pair weights of all labels, or those that were kept; None for others."""
    if isinstance(pairs, SharedPairs):
        return pairs.arrays
    found = arrays(pairs) if isinstance(pairs, PairLaplacians) and pairs.columns is None else None
    return None if found is None else PairLaplacians(*found)


class HostColumns:
    """The same columns, of arrays."""

    def __init__(self, columns: TorchColumns) -> None:
        self._columns = columns

    def take(self, a: Any, /) -> Any:
        """These columns."""
        return a.take(self._columns.columns, axis=1)

    def add(self, a: Any, part: Any, /) -> Any:
        """`a`, which nothing else may need, with `part` added to these columns in its memory."""
        torch.from_numpy(a).index_add_(1, self._columns.index, torch.from_numpy(part))
        return a

    def place(self, part: Any, /, *, like: Any) -> Any:
        """An array of the shape of `like`: `part` in these columns, 0 in the others."""
        return self.add(np.zeros_like(like), part)
