"""Segments against the miner that reads a table from its first to its last row, wherever the table is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from obrl.mining import RelationMiner
from obrl.mining.accumulate import TableCounter, rows_of_parts
from obrl.mining.blocks import DenseLabels
from obrl.mining.cluster.segments import (
    Cuts,
    Segment,
    SegmentCounter,
    cuts_of_table,
    merge,
    merge_all,
    relation_of_segment,
    table_counts_of,
)
from obrl.mining.counting import as_sparse, count_labels
from obrl.mining.tables import open_tables
from obrl.settings import Settings
from tests.mining.same_counts import MOST_DIFFERENCE, assert_same_counts
from tests.mining.shared_data import shared_labels

PARTITIONS = 200
SETTINGS = [
    Settings(decay=decay, estimator=estimator)
    for decay in (1.0, 0.99, 0.9)
    for estimator in ("counts", "batch")
    if (decay, estimator) != (1.0, "counts")
]
PLAIN = Settings(decay=1.0, estimator="counts")


def drawn_codes(rows: int, num_labels: int, *, missing: float, rng: np.random.Generator) -> np.ndarray:
    """Codes of related labels, (num_labels, rows), of which one ends halfway, so that its counts fade away."""
    cause = rng.random(rows) < 0.5
    codes = (rng.random((num_labels, rows)) < np.where(cause, 0.6, 0.2)).astype(np.int8)
    codes[0, rows // 2 :] = codes[1, rows // 2 :] = 0
    codes[2] = 0
    codes[2, ::97] = 1
    codes[rng.random(codes.shape) < missing] = -1
    return codes


def labels_of(codes: np.ndarray, start: int, stop: int) -> DenseLabels:
    part = codes[:, start:stop]
    return DenseLabels(part, bool((part >= 0).all()))


def segment_of(
    codes: np.ndarray, cuts: Cuts, start: int, stop: int, groups: np.ndarray | None, rng: np.random.Generator
) -> Segment:
    """The segment of some rows, which come in blocks of any size."""
    counter = SegmentCounter(cuts, start)
    ends = [*sorted(rng.integers(start, stop + 1, 2).tolist()), stop]
    for first, last in zip([start, *ends], ends, strict=False):
        counter.add(labels_of(codes, first, last), None if groups is None else groups[first:last])
    return counter.result()


def merged_at_random(segments: list[Segment], cuts: Cuts, rng: np.random.Generator) -> Segment:
    """All segments merged, neighbours in any order."""
    left = list(segments)
    while len(left) > 1:
        at = int(rng.integers(len(left) - 1))
        left[at : at + 2] = [merge(left[at], left[at + 1], cuts)]
    return left[0]


def random_segments(
    codes: np.ndarray, cuts: Cuts, rng: np.random.Generator, groups: np.ndarray | None = None
) -> list[Segment]:
    """Segments of a random partition, of which some are empty or lie inside one batch."""
    rows = codes.shape[1]
    near = rng.integers(0, rows + 1, int(rng.integers(1, 6)))
    ends = np.concatenate([near, np.minimum(rows, near + rng.integers(0, 30, len(near)))])
    edges = [0, *sorted(ends.tolist()), rows]
    return [segment_of(codes, cuts, start, stop, groups, rng) for start, stop in pairwise(edges)]


def mined_whole(codes: np.ndarray, settings: Settings, batch_size: int, groups: np.ndarray | None) -> RelationMiner:
    """What one process mines from the same rows."""
    miner = RelationMiner(decay=settings.decay, estimator=settings.estimator, batch_size=batch_size)
    targets = np.where(codes < 0, np.nan, codes).T
    return miner.fit(targets, groups)


def check(codes: np.ndarray, settings: Settings, groups: np.ndarray | None, *, partitions: int, seed: int) -> None:
    """Random partitions, merged in random orders, against one process."""
    rng = np.random.default_rng(seed)
    for _ in range(partitions):
        batch_size = int(rng.choice([1, 7, 64, 300]))
        whole = mined_whole(codes, settings, batch_size, groups)
        rows = codes.shape[1]
        cuts = cuts_of_table(
            num_labels=len(codes),
            rows=rows,
            first_block_rows=rows,
            grouped=groups is not None,
            settings=settings,
            batch_size=batch_size,
        )
        segment = merged_at_random(random_segments(codes, cuts, rng, groups), cuts, rng)
        assert_same_counts(
            table_counts_of(segment, cuts, grouped=groups is not None, label_names=None), whole.table_counts_
        )
        relation = relation_of_segment(segment, cuts, None)
        if settings == PLAIN:
            assert relation is None
            continue
        assert relation is not None
        value, expected = relation.relation, whole.relation_
        assert np.array_equal(np.isnan(value), np.isnan(expected))
        np.testing.assert_allclose(value, expected, rtol=0, atol=MOST_DIFFERENCE, equal_nan=True)
        np.testing.assert_allclose(relation.relation_weight, whole.to_numpy().relation_weight, rtol=1e-12)


@pytest.mark.parametrize("settings", [PLAIN, *SETTINGS], ids=lambda s: f"{s.estimator}-{s.decay}")
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_random_partitions_give_what_one_process_gives(settings: Settings, missing: float) -> None:
    rng = np.random.default_rng(3)
    codes = drawn_codes(900, 6, missing=missing, rng=rng)
    check(codes, settings, None, partitions=PARTITIONS // 10, seed=5)


@pytest.mark.parametrize("grouped", [False, True])
def test_two_hundred_partitions_give_the_same_bits_without_decay(grouped: bool) -> None:
    rng = np.random.default_rng(4)
    codes = drawn_codes(1_200, 5, missing=0.05, rng=rng)
    groups = np.array([f"person {number}" for number in rng.integers(0, 90, 1_200)], object) if grouped else None
    check(codes, PLAIN, groups, partitions=PARTITIONS, seed=6)


@pytest.mark.parametrize("decay", [0.9, 0.99])
def test_counts_that_faded_long_ago_do_not_cancel(decay: float) -> None:
    """Labels that a table has at its beginning alone: the weight of the rest is full to a rounding."""
    rng = np.random.default_rng(0)
    codes = drawn_codes(8_000, 4, missing=0, rng=rng)
    codes[:2, 1_000:] = 0
    settings = Settings(decay=decay, estimator="counts")
    whole = mined_whole(codes, settings, 8, None)
    cuts = Cuts(4, 8_000, settings, 8)
    segments = [segment_of(codes, cuts, start, start + 500, None, rng) for start in range(0, 8_000, 500)]
    relation = relation_of_segment(merged_at_random(segments, cuts, rng), cuts, None)
    assert relation is not None
    assert whole.to_numpy().relation_sum[1, 0, 0] < 0.1
    np.testing.assert_allclose(relation.relation_sum, whole.to_numpy().relation_sum, rtol=1e-12)
    np.testing.assert_allclose(relation.relation, whole.relation_, rtol=0, atol=MOST_DIFFERENCE)


@pytest.mark.parametrize("decay", [1.0, 0.9])
def test_a_segment_of_everything_has_the_bits_of_one_process(decay: float) -> None:
    rng = np.random.default_rng(1)
    codes = drawn_codes(700, 4, missing=0.1, rng=rng)
    settings = Settings(decay=decay, estimator="batch")
    cuts = Cuts(4, 22, settings, 64)
    relation = relation_of_segment(segment_of(codes, cuts, 0, 700, None, rng), cuts, None)
    assert relation is not None
    assert np.array_equal(relation.relation, mined_whole(codes, settings, 64, None).relation_, equal_nan=True)


def test_the_tree_has_one_shape_and_reads_each_segment_once() -> None:
    rng = np.random.default_rng(2)
    codes = drawn_codes(1_000, 4, missing=0, rng=rng)
    settings = Settings(decay=0.9, estimator="batch")
    cuts = Cuts(4, 32, settings, 10)
    edges = np.linspace(0, 1_000, 14).astype(int).tolist()
    segments = [segment_of(codes, cuts, a, b, None, rng) for a, b in pairwise(edges)]
    asked: list[int] = []

    def segment(number: int) -> Segment:
        asked.append(number)
        return segments[number]

    first, second = (relation_of_segment(merge_all(13, segment, cuts), cuts, None) for _ in range(2))
    assert first is not None and second is not None and asked == [*range(13)] * 2
    assert np.array_equal(first.relation_sum, second.relation_sum)


def test_segments_that_do_not_meet_are_refused() -> None:
    rng = np.random.default_rng(0)
    codes = drawn_codes(100, 3, missing=0, rng=rng)
    cuts = Cuts(3, 10, None, 8)
    first, last = (segment_of(codes, cuts, start, start + 40, None, rng) for start in (0, 60))
    with pytest.raises(ValueError, match="must begin after 40 rows, where the earlier one ends, got one after 60"):
        merge(first, last, cuts)
    with pytest.raises(ValueError, match="must begin after 100 rows"):
        merge(last, first, cuts)


@pytest.mark.parametrize("block", [1, 31, 32, 33, 100, 999])
@pytest.mark.parametrize("rows", [1_000, 1_024, 4_097, 64 * 32, 64 * 32 + 1])
def test_parts_have_the_rows_that_a_counter_comes_to_by_merging(rows: int, block: int) -> None:
    codes = drawn_codes(rows, 3, missing=0, rng=np.random.default_rng(0))
    counter = TableCounter(3)
    for start in range(0, rows, block):
        counter.add(labels_of(codes, start, start + block))
    groups = counter.result().groups
    part_rows = rows_of_parts(rows, block)
    expected = [count_labels(labels_of(codes, start, start + part_rows)).s for start in range(0, rows, part_rows)]
    assert groups is not None and np.array_equal(groups.s, expected)


def test_sparse_rows_are_cut_as_dense_ones() -> None:
    codes = drawn_codes(900, 7, missing=0, rng=np.random.default_rng(8))
    dense = labels_of(codes, 100, 900)
    cuts = Cuts(7, 50, Settings(decay=0.9, estimator="counts"), 64)
    results = []
    for labels in (dense, as_sparse(dense)):
        counter = SegmentCounter(cuts, 100)
        counter.add(labels)
        results.append(counter.result())
    first, second = results
    assert first.parts.keys() == second.parts.keys() == {*range(2, 18)}
    assert first.whole is not None and second.whole is not None
    assert np.array_equal(first.whole.state.relation_sum, second.whole.state.relation_sum)


def test_more_labels_than_the_jackknife_takes_leave_one_part() -> None:
    def cuts(num_labels: int, *, grouped: bool) -> Cuts:
        return cuts_of_table(
            num_labels=num_labels, rows=5_000, first_block_rows=5_000, grouped=grouped, settings=PLAIN, batch_size=8
        )

    assert cuts(2_001, grouped=True).part_rows == cuts(2_001, grouped=False).part_rows == 5_000
    assert cuts(2_000, grouped=True).part_rows is None and cuts(2_000, grouped=False).part_rows == 157


def test_groups_are_asked_for() -> None:
    with pytest.raises(ValueError, match="groups must name the group of every row"):
        SegmentCounter(Cuts(2, None, None, 8), 0).add(DenseLabels(np.zeros((2, 3), np.int8), complete=True))


@pytest.mark.shared
@pytest.mark.parametrize("settings", [PLAIN, *SETTINGS], ids=lambda s: f"{s.estimator}-{s.decay}")
def test_celeba_in_pieces(settings: Settings) -> None:
    path = shared_labels("celeba/list_attr_celeba.txt")
    blocks = [block.labels for block in open_tables([path]).blocks()]
    codes = np.concatenate([block.codes for block in blocks if isinstance(block, DenseLabels)], axis=1)
    people = None
    if settings == PLAIN:  # bits are counted faster than batches
        people = np.random.default_rng(0).integers(0, 10_177, codes.shape[1]).astype(str).astype(object)
    else:
        codes = codes[:, :30_000]
    check(codes, settings, people, partitions=2, seed=9)
