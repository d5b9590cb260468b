"""Count how often labels occur together in a block of rows: in bits, by sparse rows, or by matrix products.

All three give the same integers. Bits win up to some hundred labels: 64 rows lie in a word, and a pair of labels costs
an AND and a population count. With more labels a matrix product of float32 wins, which is exact up to 2^24 rows; and
where rows have few labels, listing the pairs of each row costs less than either.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.mining.blocks import DenseLabels, SparseLabels

MOST_LABELS_IN_BITS = 256
SPARSE_RATIO = 600
"""Rows are counted sparsely where M^2 exceeds this many times the mean square of a row's number of labels."""
ROWS_PER_PRODUCT = 8_192
PAIRS_AT_ONCE = 2**20

Integers = npt.NDArray[np.int64]


def count_labels(labels: DenseLabels | SparseLabels) -> PairCounts:
    """Count pairs exactly.

    Args:
        labels: rows of labels, dense or sparse.

    Returns:
        int64 counts. Without missing labels n has the shape (1, 1), r (num_labels, 1) and c (1, num_labels), as
        `PairCounts` allows; s, and with missing labels all, are (num_labels, num_labels).

    Example:
        >>> codes = np.array([[1, 1, 0], [1, 0, 0]], np.int8)
        >>> count_labels(DenseLabels(codes, complete=True)).s
        array([[2, 1],
               [1, 1]])
    """
    if isinstance(labels, SparseLabels):
        together = _count_sparse(labels) if _is_sparse(labels) else _count_products(_dense_parts(labels))
        return _complete_counts(together, labels.rows)
    num_labels, rows = labels.codes.shape
    if num_labels <= MOST_LABELS_IN_BITS and hasattr(np, "bitwise_count"):
        return _count_bits(labels)
    if labels.complete:
        sparse = as_sparse(labels)
        together = _count_sparse(sparse) if _is_sparse(sparse) else _count_products(_positives(labels.codes))
        return _complete_counts(together, rows)
    positive, observed = labels.codes == 1, labels.codes >= 0
    return _incomplete_counts(
        _count_products((part, part) for part in _parts(observed)),
        _count_products((part, part) for part in _parts(positive)),
        _count_products(zip(_parts(positive), _parts(observed), strict=True)),
    )


def full_counts(counts: PairCounts) -> PairCounts:
    """The same counts with each field (num_labels, num_labels), as views where they have to be repeated."""
    return PairCounts(*(np.broadcast_to(field, counts.s.shape) for field in counts))


def as_sparse(labels: DenseLabels) -> SparseLabels:
    """The same rows as compressed sparse rows; the labels must be complete."""
    rows, indices = np.nonzero(labels.codes.T == 1)
    num_labels, total = labels.codes.shape
    indptr = np.zeros(total + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=total), out=indptr[1:])
    return SparseLabels(indptr, indices.astype(np.int32), num_labels)


def as_dense(labels: DenseLabels | SparseLabels) -> DenseLabels:
    """The same rows as codes."""
    if isinstance(labels, DenseLabels):
        return labels
    codes = np.zeros((labels.num_labels, labels.rows), np.int8)
    codes[labels.indices, np.repeat(np.arange(labels.rows), np.diff(labels.indptr))] = 1
    return DenseLabels(codes, complete=True)


def some_rows(labels: DenseLabels | SparseLabels, rows: slice | npt.NDArray[np.intp]) -> DenseLabels | SparseLabels:
    """Some of the rows: those of a slice without a step, or those with these numbers."""
    if isinstance(labels, DenseLabels):
        return DenseLabels(labels.codes[:, rows], labels.complete)
    if isinstance(rows, slice):
        indptr = labels.indptr[rows.start : rows.stop + 1]
        return SparseLabels(indptr - indptr[0], labels.indices[indptr[0] : indptr[-1]], labels.num_labels)
    sizes = np.diff(labels.indptr)[rows]
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    entries = np.arange(indptr[-1]) + np.repeat(labels.indptr[rows] - indptr[:-1], sizes)
    return SparseLabels(indptr, labels.indices[entries], labels.num_labels)


def _complete_counts(together: Integers, rows: int) -> PairCounts:
    ones = together.diagonal()
    return PairCounts(np.full((1, 1), rows, np.int64), together, ones[:, None].copy(), ones[None].copy())


def _incomplete_counts(n: Integers, s: Integers, r: Integers) -> PairCounts:
    return PairCounts(n, s, r, r.T)


def _count_bits(labels: DenseLabels) -> PairCounts:
    positive = _packed(labels.codes == 1)
    if labels.complete:
        return _complete_counts(_common_bits(positive), labels.codes.shape[1])
    observed = _packed(labels.codes >= 0)
    mixed = np.empty((len(positive), len(positive)), np.int64)
    for i, word in enumerate(positive):
        mixed[i] = _ones(word & observed)
    return _incomplete_counts(_common_bits(observed), _common_bits(positive), mixed)


def _packed(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Bits of each array row, in words of 64."""
    flat = np.packbits(flags, axis=1)
    padded = np.zeros((len(flat), -(-flat.shape[1] // 8) * 8), np.uint8)
    padded[:, : flat.shape[1]] = flat
    return padded.view(np.uint64)


def _common_bits(words: npt.NDArray[np.uint64]) -> Integers:
    """How many bits each pair of array rows has in common."""
    common = np.empty((len(words), len(words)), np.int64)
    for i, word in enumerate(words):
        common[i, i:] = common[i:, i] = _ones(word & words[i:])
    return common


def _ones(words: npt.NDArray[np.uint64]) -> Integers:
    ones: Integers = np.add.reduce(np.bitwise_count(words), axis=1, dtype=np.int64)
    return ones


def _is_sparse(labels: SparseLabels) -> bool:
    sizes = np.diff(labels.indptr)
    squares = float(np.mean(sizes * sizes)) if len(sizes) else 0.0
    return labels.num_labels**2 > SPARSE_RATIO * squares


def _count_sparse(labels: SparseLabels) -> Integers:
    """List the pairs of every row, some rows at a time, and count each."""
    num_labels = labels.num_labels
    sizes = np.diff(labels.indptr)
    total = np.zeros(num_labels * num_labels, np.int64)
    pairs_before = np.concatenate([[0], np.cumsum(sizes * sizes)])
    start = 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(pairs_before, pairs_before[start] + PAIRS_AT_ONCE, "right")) - 1)
        size = sizes[start:stop]
        entries = labels.indices[labels.indptr[start] : labels.indptr[stop]].astype(np.int64)
        partners = np.repeat(size, size)  # of each entry: the number of labels in its row
        left = np.repeat(entries, partners)
        first = np.repeat(labels.indptr[start:stop] - labels.indptr[start], size)  # where its row starts
        ends = np.cumsum(partners)
        offsets = np.arange(len(left)) - np.repeat(ends - partners, partners)
        right = entries[np.repeat(first, partners) + offsets]
        total += np.bincount(left * num_labels + right, minlength=len(total))
        start = stop
    return total.reshape(num_labels, num_labels)


def _parts(flags: npt.NDArray[np.bool_]) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, flags.shape[1], ROWS_PER_PRODUCT):
        yield flags[:, start : start + ROWS_PER_PRODUCT].astype(np.float32)


def _positives(codes: npt.NDArray[np.int8]) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    return ((part, part) for part in _parts(codes == 1))


def _dense_parts(labels: SparseLabels) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    for start in range(0, labels.rows, ROWS_PER_PRODUCT):
        stop = min(start + ROWS_PER_PRODUCT, labels.rows)
        part = as_dense(some_rows(labels, slice(start, stop))).codes.astype(np.float32)
        yield part, part


def _count_products(parts: Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]) -> Integers:
    total: Integers | None = None
    with _one_thread():
        for left, right in parts:
            product = np.rint(left @ right.T).astype(np.int64)
            total = product if total is None else total + product
    return np.zeros((0, 0), np.int64) if total is None else total


def _one_thread() -> AbstractContextManager[object]:
    """One thread for matrix products, where threadpoolctl can say so: two on busy cores wait for each other."""
    if find_spec("threadpoolctl") is None:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
