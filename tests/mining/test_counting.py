"""Counts of pairs, each way of counting against the plain counts of NumPy's relation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from obrl import PairCounts, count_pairs
from obrl.mining.accumulate import PARTS, TableCounter
from obrl.mining.blocks import DenseLabels, SparseLabels
from obrl.mining.counting import as_dense, as_sparse, count_labels, some_rows

Flags = npt.NDArray[np.bool_]


def drawn(rows: int, labels: int, rate: float, seed: int = 0) -> Flags:
    return np.random.default_rng(seed).random((rows, labels)) < rate


def codes_of(targets: Flags, observed: Flags | None = None) -> DenseLabels:
    codes = np.ascontiguousarray(targets.T).astype(np.int8)
    if observed is not None:
        codes[~observed.T] = -1
    return DenseLabels(codes, complete=observed is None)


def assert_same(counts: PairCounts, expected: PairCounts) -> None:
    for field, other in zip(counts, expected, strict=True):
        np.testing.assert_array_equal(np.broadcast_to(field, other.shape), other)


# 40 labels are counted in bits, 300 sparsely or by products, as their number a row says.
@pytest.mark.parametrize(("labels", "rate"), [(2, 0.5), (40, 0.2), (300, 0.01), (300, 0.4)])
@pytest.mark.parametrize("rows", [1, 63, 64, 65, 1000])
def test_every_way_of_counting_counts_the_same(rows: int, labels: int, rate: float) -> None:
    targets = drawn(rows, labels, rate)
    dense = codes_of(targets)
    for form in (dense, as_sparse(dense)):
        assert_same(count_labels(form), count_pairs(targets))


@pytest.mark.parametrize("labels", [40, 300])
def test_missing_labels_are_counted_pair_by_pair(labels: int) -> None:
    targets, observed = drawn(500, labels, 0.3), drawn(500, labels, 0.7, seed=1)
    assert_same(count_labels(codes_of(targets, observed)), count_pairs(targets, observed=observed))


def test_counting_without_bitwise_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with NumPy 1, which has no population count."""
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    targets, observed = drawn(500, 20, 0.3), drawn(500, 20, 0.7, seed=1)
    assert_same(count_labels(codes_of(targets)), count_pairs(targets))
    assert_same(count_labels(codes_of(targets, observed)), count_pairs(targets, observed=observed))


def test_rows_can_be_chosen_from_both_forms() -> None:
    dense = codes_of(drawn(50, 6, 0.3))
    sparse = as_sparse(dense)
    for rows in (slice(7, 31), np.array([3, 1, 40])):
        expected = dense.codes[:, rows]
        np.testing.assert_array_equal(as_dense(some_rows(dense, rows)).codes, expected)
        np.testing.assert_array_equal(as_dense(some_rows(sparse, rows)).codes, expected)


def cut(labels: DenseLabels | SparseLabels, rows: int, size: int) -> Iterator[tuple[int, DenseLabels | SparseLabels]]:
    for start in range(0, rows, size):
        yield start, some_rows(labels, slice(start, min(rows, start + size)))


@pytest.mark.parametrize("size", [1, 17, 100, 5000])
def test_any_blocks_add_up_to_the_table(size: int) -> None:
    targets = drawn(1003, 5, 0.4)
    counter = TableCounter(5)
    for _, part in cut(codes_of(targets), 1003, size):
        counter.add(part)
    counts = counter.result(("a", "b", "c", "d", "e"))
    assert_same(counts.counts, count_pairs(targets))
    assert counts.groups is not None
    assert len(counts.groups.s) <= PARTS
    np.testing.assert_array_equal(counts.groups.s.sum(axis=0), counts.counts.s)
    assert counts.groups.n[:, 0, 0].sum() == counts.rows == 1003
    np.testing.assert_array_equal(counts.rates, targets.mean(axis=0))


def test_consecutive_parts_hold_consecutive_rows() -> None:
    targets = drawn(3200, 3, 0.5)
    counter = TableCounter(3)
    for _, part in cut(codes_of(targets), 3200, 640):
        counter.add(part)
    groups = counter.result().groups
    assert groups is not None
    start = 0
    for n, s in zip(groups.n[:, 0, 0], groups.s, strict=True):
        np.testing.assert_array_equal(s, count_pairs(targets[start : start + n]).s)
        start += int(n)
    assert start == 3200


def test_a_group_lies_in_one_part_whatever_the_order() -> None:
    targets = drawn(600, 4, 0.4)
    names = np.array([f"person {k % 90}" for k in range(600)], object)
    order = np.random.default_rng(3).permutation(600)
    results = []
    for rows in (np.arange(600), order):
        counter = TableCounter(4, grouped=True)
        for start, part in cut(codes_of(targets[rows]), 600, 100):
            counter.add(part, names[rows][start : start + 100])
        results.append(counter.result())
    assert results[0].groups is not None
    assert results[1].groups is not None
    for field, other in zip(results[0].groups, results[1].groups, strict=True):
        np.testing.assert_array_equal(field, other)
    one = TableCounter(4, grouped=True)
    one.add(codes_of(targets), np.full(600, "the same", object))
    assert one.result().groups is None  # one part cannot be left out
    with pytest.raises(ValueError, match="groups must name"):
        one.add(codes_of(targets))


def test_many_labels_have_no_parts() -> None:
    counter = TableCounter(2001)
    counter.add(SparseLabels(np.array([0, 2, 3]), np.array([0, 2000, 5], np.int32), 2001))
    counts = counter.result()
    assert counts.groups is None
    assert counts.counts.s[0, 2000] == 1
    assert counts.counts.n[7, 8] == 2
