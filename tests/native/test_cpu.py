"""Pair counts and the relation in native code, compared with NumPy's; unknown numbers are errors."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import numpy as np
import pytest

from obrl.counts import count_pairs, pair_counts
from obrl.labels import read_labels
from obrl.measures import MEASURES
from obrl.namespace import NUMPY
from obrl.online import RelationState, select_pairs, update_state
from obrl.settings import Settings
from obrl_native import cpu
from obrl_native.build import SOURCES
from tests.native import calls
from tests.native.calls import KINDS, SIZES, Array, count, draw_targets, empty_state, loss, move

MANY_ROWS = (20_000, 4)
"""Float32 cannot hold the square of so many rows."""


def mask_of(observed: Array | None) -> Array | None:
    return None if observed is None else observed.astype(bool)


def numpy_counts(targets: Array, observed: Array | None, dtype: Any) -> Any:
    values = targets.astype(bool) if targets.dtype == np.uint8 else targets
    _, positive, known = read_labels(values, mask_of(observed))
    return pair_counts(NUMPY, positive.astype(dtype), None if known is None else known.astype(dtype), len(targets))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_counts_are_exact(library: ctypes.CDLL, size: tuple[int, int], kind: str) -> None:
    targets, observed = draw_targets(np.random.default_rng(1), *size, kind)
    expected = count_pairs(targets, observed=mask_of(observed))
    assert np.array_equal(count(library, targets, observed), np.stack(expected[:3]))


@pytest.mark.parametrize("words", [31, 32, 70])
def test_counts_of_ones_alone(library: ctypes.CDLL, words: int) -> None:
    """Bytes would overflow first where all labels are 1."""
    targets = np.ones((32 * words, 3), np.uint8)
    targets[:, 2] = 0
    expected = np.full((3, 3), len(targets)) * np.outer([1, 1, 0], [1, 1, 0])
    assert np.array_equal(count(library, targets, None)[1], expected)


def test_one_half_is_decided_in_the_dtype_of_the_targets(library: ctypes.CDLL) -> None:
    targets = np.array([[0.5, 0.49999999999]])
    assert count(library, targets, None)[1].tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_relation_is_that_of_numpy_to_the_bit(
    library: ctypes.CDLL, measure: str, estimator: str, dtype: Any
) -> None:
    settings = Settings(decay=0.9, measure=measure, estimator=estimator, positive_threshold=0.6, negative_threshold=0.3)
    rng = np.random.default_rng(2)
    for size in (*SIZES, MANY_ROWS):
        for kind in KINDS:
            state = empty_state(size[1], settings, dtype)
            moved = empty_state(size[1], settings, dtype)
            by_counts = empty_state(size[1], settings, dtype)
            for _ in range(3):
                targets, observed = draw_targets(rng, *size, kind)
                state = update_state(NUMPY, state, numpy_counts(targets, observed, dtype), settings)
                code = move(library, moved, settings, targets, observed)
                move(library, by_counts, settings, counts=count(library, targets, observed))
            positive, negative = (part.astype(np.uint8) for part in select_pairs(NUMPY, state, settings))
            assert all(map(np.array_equal, moved, state))
            assert np.array_equal(code, positive + positive.T + 4 * (negative + negative.T))
            assert np.array_equal(code, move(library, moved, settings))  # which moves nothing
            assert all(map(np.array_equal, moved, state))
            assert all(map(np.array_equal, by_counts, state))


def test_averaged_counts_are_active_where_both_directions_are(library: ctypes.CDLL) -> None:
    """Rounding may make the directions differ by little; here they differ by much."""
    settings = Settings(estimator="counts", positive_threshold=0.6, negative_threshold=0.4)
    rng = np.random.default_rng(4)
    s = rng.random((20, 20))
    r = s + rng.random((20, 20))
    n = 4 + rng.random((20, 20))
    state = RelationState(np.stack([n, s, r]), np.ones((20, 20)))
    positive, negative = (part.astype(np.uint8) for part in select_pairs(NUMPY, state, settings))
    code = move(library, state, settings)
    assert np.array_equal(code, 2 * positive + 8 * negative)
    assert code.any()


def test_the_native_list_of_measures_is_that_of_obrl() -> None:
    """It has the same order, which numbers the measures, and the same symmetry."""
    entries = re.findall(r"each\((\w+), (\w+), (true|false)\)", (SOURCES / "measures.h").read_text())
    assert entries == [(name.upper(), name, str(measure.symmetric).lower()) for name, measure in MEASURES.items()]
    assert list(cpu.MEASURES.items()) == [(name, number) for number, name in enumerate(MEASURES)]


UNKNOWN = (-1, 99)


@pytest.mark.parametrize("number", [*UNKNOWN, len(MEASURES)])
def test_an_unknown_measure_is_refused(library: ctypes.CDLL, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a batch, for counts and for codes alone; the relation stays as it is."""
    monkeypatch.setitem(cpu.MEASURES, "cosine", number)
    settings = Settings(measure="cosine")
    state = empty_state(2, settings, np.float32)
    targets = np.ones((3, 2), np.uint8)
    for batch in ({"targets": targets}, {"counts": count(library, targets, None)}, {}):
        with pytest.raises(ValueError, match="does not know this dtype, measure, reduction or choice of gradients"):
            move(library, state, settings, **batch)
    assert not state.relation_weight.any()


@pytest.mark.parametrize("number", UNKNOWN)
@pytest.mark.parametrize("name", ["UINT8", "FLOAT32", "mean", "total"])
def test_unknown_numbers_are_refused(
    library: ctypes.CDLL, name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dtypes of labels, of accumulators, of logits and of their targets; reductions and choices of gradients."""
    dtypes = {"UINT8": np.dtype(np.uint8), "FLOAT32": np.dtype(np.float32)}
    table, key = {"mean": (cpu.REDUCTIONS, "mean"), "total": (cpu.GRADIENTS, "total")}.get(
        name, (calls.DTYPES, dtypes.get(name))
    )
    monkeypatch.setitem(table, key, number)
    logits, targets, code = np.zeros((3, 2), np.float32), np.ones((3, 2), np.uint8), np.zeros((2, 2), np.uint8)
    refused = [lambda: loss(library, logits, targets, code)]
    if name in dtypes:
        values = targets.astype(dtypes[name])
        refused.append(lambda: count(library, values, None))
        refused.append(lambda: move(library, empty_state(2, Settings(), np.float32), Settings(), values))
    for call in refused:
        with pytest.raises(ValueError, match="does not know this dtype"):
            call()
