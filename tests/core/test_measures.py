"""Every measure on every fourfold table of small n, and the pair counts."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, note
from hypothesis import strategies as st
from numpy.typing import NDArray

from obrl import MEASURES, count_pairs, counts, spec
from obrl.counts import PairCounts, pair_counts
from obrl.measures import apply_measure
from obrl.namespace import NUMPY
from obrl.online import RelationState, update_state
from obrl.settings import Settings
from tests.support import strategies
from tests.support.cases import Case, laid_out
from tests.support.tolerances import assert_close, assert_exact, band

LARGEST = 7
TERMS_OF_A_MEASURE = 4


def tables(size: int) -> Iterator[tuple[int, int, int, int]]:
    """Both, only i, only j, neither."""
    for both, only_i, only_j in product(range(size + 1), repeat=3):
        if both + only_i + only_j <= size:
            yield both, only_i, only_j, size - both - only_i - only_j


def labels_of(table: tuple[int, int, int, int]) -> NDArray[np.int64]:
    """Two labels with this table."""
    both, only_i, only_j, neither = table
    rows = [[1, 1]] * both + [[1, 0]] * only_i + [[0, 1]] * only_j + [[0, 0]] * neither
    return np.array(rows, np.int64).reshape(-1, 2)


def measured(name: str, pairs: counts.PairCounts, dtype: type[np.floating] = np.float64) -> NDArray[np.float64]:
    value, defined = apply_measure(NUMPY, name, counts.PairCounts(*(part.astype(dtype) for part in pairs)))
    assert value.dtype == dtype
    assert not np.isnan(value).any()
    return np.where(defined, value, np.nan)


def test_the_documentation_lists_every_measure_with_its_range() -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "relation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)`[^|]*\|[^|]*\| (-?\d) to (\d) \|", page, flags=re.MULTILINE)
    ranges = {name: (float(low), float(high)) for name, low, high in rows}
    assert ranges == {name: (measure.low, measure.high) for name, measure in MEASURES.items()}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", strategies.MEASURES)
def test_every_small_table(name: str, dtype: type[np.floating]) -> None:
    seen, undefined = 0, 0
    for size in range(LARGEST + 1):
        for table in tables(size):
            targets = labels_of(table)
            expected = spec.measure_pairs(name, spec.pair_counts(targets))
            result = measured(name, count_pairs(targets), dtype)
            bound = band(TERMS_OF_A_MEASURE, 1.0, np.dtype(dtype).name)
            assert_close(f"{name} of {table}", result, expected, bound)
            known = result[~np.isnan(result)]
            assert ((known >= MEASURES[name].low - bound) & (known <= MEASURES[name].high + bound)).all()
            if MEASURES[name].symmetric:
                np.testing.assert_array_equal(result, result.T)
            seen, undefined = seen + 1, undefined + int(np.isnan(result[0, 1]))
    assert seen == sum(len(list(tables(size))) for size in range(LARGEST + 1))
    assert 0 < undefined < seen


@pytest.mark.parametrize("name", strategies.MEASURES)
@example(table=(25_571, 11, 10, 8))  # where n s - r c in float32 gives a phi that is wrong by 1e-4
@given(table=st.tuples(*[st.integers(0, 2**22)] * 4))
def test_large_tables_in_float32(name: str, table: tuple[int, int, int, int]) -> None:
    both, only_i, only_j, neither = (float(cell) for cell in table)
    n = both + only_i + only_j + neither
    exact = spec.PairCounts(
        np.full((2, 2), n),
        np.array([[both + only_i, both], [both, both + only_j]]),
        np.array([[both + only_i, both + only_i], [both + only_j, both + only_j]]),
    )
    expected = spec.measure_pairs(name, exact)
    result = measured(name, counts.PairCounts(*exact, exact.r.T), np.float32)
    assert_close(name, result, expected, band(TERMS_OF_A_MEASURE, 1.0, "float32"))


@given(strategies.cases())
def test_counts_are_exact(case: Case) -> None:
    note(case.snippet())
    for batch in case.batches:
        result = count_pairs(laid_out(batch.targets, batch.layout), observed=batch.observed)
        expected = spec.pair_counts(batch.targets, batch.observed)
        for name, actual, exact in zip("nsrc", result, (*expected, expected.r.T), strict=True):
            assert actual.dtype == np.int64
            assert_exact(name, actual, exact)


@given(case=strategies.cases(max_batches=1), rows=st.integers(1, 4))
def test_counting_in_blocks(case: Case, rows: int) -> None:
    (batch,) = case.batches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "MAX_EXACT_COUNT", rows)
        result = count_pairs(batch.targets, observed=batch.observed)
    for name, actual, exact in zip("nsrc", result, count_pairs(batch.targets, observed=batch.observed), strict=True):
        assert_exact(name, actual, exact)


def test_counts_beyond_what_float32_adds_up() -> None:
    rows = 2**24 + 3
    result = count_pairs(np.ones((rows, 1), bool))
    assert int(result.n[0, 0]) == rows
    assert int(result.s[0, 0]) == rows


@pytest.mark.parametrize("rows", [4096, 4097])
def test_both_forms_of_phi_in_float32(rows: int) -> None:
    """Up to 4096 rows n s - r c is exact in float32; above, ad - bc takes its place."""
    random = np.random.default_rng(rows)
    labels = random.random((rows, 4)) < [0.5, 0.999, 0.001, 0.3]
    labels[:, 3] = labels[:, 2]
    labels[0], labels[1] = [True, True, True, False], [False, False, False, True]
    counts = pair_counts(NUMPY, labels.astype(np.float32), None, rows)
    assert isinstance(counts.n, int)
    value, defined = apply_measure(NUMPY, "pearson", counts)
    assert value.dtype == np.float32
    assert defined.all()
    exact = spec.measure_pairs("pearson", spec.pair_counts(labels))
    assert_close("phi", value, exact, band(1, 1.0, "float32"))


@pytest.mark.parametrize("measure", MEASURES)
def test_counts_that_rounding_has_spoilt_do_not_move_an_undefined_pair(measure: str) -> None:
    """Above 2^24 rows float32 counts are rounded, and a numerator may stand over a denominator of 0."""
    n, r, c, s = (np.full((2, 2), number, np.float32) for number in (2e7, 2e7 - 1, 5, 4))
    zero = np.zeros((2, 2), np.float32)
    state = update_state(NUMPY, RelationState(zero, zero), PairCounts(n, s, r, c), Settings(measure=measure))
    unknown = state.relation_weight == 0
    assert np.array_equal(state.relation_sum[unknown], zero[unknown])
    assert np.isfinite(state.relation_sum).all()
