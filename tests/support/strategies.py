"""Bounded strategies for cases.

Labels are drawn so that degenerate columns are common: constant, duplicate and complementary ones. Thresholds are
put into gaps between the relations that the case attains (`THRESHOLD_MARGIN` away from each), since a relation within
rounding of a threshold may fall on either side of it in different precisions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

import obrl
from obrl.errors import REDUCTIONS
from obrl.settings import ESTIMATORS, NORMALIZATIONS
from tests.support import oracle
from tests.support.cases import LAYOUTS, Batch, Case
from tests.support.tolerances import THRESHOLD_MARGIN

MEASURES = tuple(sorted(obrl.MEASURES, key=lambda name: name != "unit_pearson"))
"""The default first, which hypothesis shrinks to."""
TARGET_TYPES = ("float64", "float32", "float16", "int64", "uint8", "bool")
DECAYS = (0.99, 1.0, 0.9, 0.5)
PRINTED_THRESHOLDS = (0.2, 0.8)
LABEL_COUNTS = (1, 2, 3, 4, 5, 6)
SIZES = tuple(range(10))
COLUMN_CHANGES = ("zeros", "ones", "copy", "opposite", "half")


def fractions(low: int, high: int, denominator: int) -> st.SearchStrategy[float]:
    """Whole numbers over a power of two, which every dtype holds exactly."""
    return st.integers(low, high).map(lambda number: number / denominator)


def logit_values() -> st.SearchStrategy[float]:
    """Ordinary logits, and some that saturate the sigmoid."""
    return st.one_of(fractions(-96, 96, 16), st.sampled_from([100.0, -100.0, 0.0, 30.0, -30.0]))


def arrays_of(shape: tuple[int, ...], elements: st.SearchStrategy[Any]) -> st.SearchStrategy[NDArray[np.float64]]:
    """Arrays whose every element is drawn by itself: a fill value would make most columns constant."""
    return hnp.arrays(np.float64, shape, elements=elements, fill=st.nothing())


def _bits(size: int, num_labels: int) -> st.SearchStrategy[NDArray[np.uint8]]:
    """0/1 arrays, a row a number."""
    rows = st.lists(st.integers(0, 2**num_labels - 1), min_size=size, max_size=size)
    powers = 2 ** np.arange(num_labels)
    return rows.map(lambda numbers: (np.array(numbers, np.int64).reshape(-1, 1) // powers % 2).astype(np.uint8))


@st.composite
def label_arrays(draw: st.DrawFn, size: int, num_labels: int) -> NDArray[np.float64]:
    """0/1 labels with columns that are constant, equal to another or its opposite, or that imply another."""
    labels = draw(_bits(size, num_labels)).astype(np.float64)
    columns = st.integers(0, num_labels - 1)
    changes = st.tuples(columns, st.sampled_from(COLUMN_CHANGES), columns)
    for column, change, source in draw(st.lists(changes, max_size=2)):
        labels[:, column] = {
            "zeros": np.zeros(size),
            "ones": np.ones(size),
            "copy": labels[:, source],
            "opposite": 1 - labels[:, source],
            "half": labels[:, source] * (np.arange(size) % 2),
        }[change]
    return labels


def masks(size: int, num_labels: int) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Which targets are observed: most of them, or none."""
    some = st.tuples(_bits(size, num_labels), _bits(size, num_labels)).map(lambda both: (both[0] | both[1]) > 0)
    nothing = st.just(np.zeros((size, num_labels), bool))
    return st.integers(0, 7).flatmap(lambda number: nothing if number == 7 else some)


@st.composite
def target_arrays(draw: st.DrawFn, size: int, num_labels: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Targets of any dtype, and `observed`; missing ones may hold anything where `observed` says so."""
    labels = draw(label_arrays(size, num_labels))
    dtype = draw(st.sampled_from(TARGET_TYPES))
    observed = draw(st.one_of(st.none(), masks(size, num_labels)))
    floating = dtype.startswith("float")
    if floating and draw(st.booleans()):
        soft = draw(arrays_of((size, num_labels), fractions(0, 8, 16)))
        labels = np.abs(labels - soft)
    targets = labels.astype(dtype)
    if floating and draw(st.booleans()):
        targets[~draw(masks(size, num_labels))] = np.nan
    if observed is not None and dtype != "bool":
        targets[~observed] = draw(st.sampled_from([0, 1, 9, *([np.nan, np.inf, -3.5] if floating else [])]))
    return targets, observed


@st.composite
def batches(draw: st.DrawFn, num_labels: int, *, sizes: tuple[int, ...]) -> Batch:
    size = draw(st.one_of(*(st.sampled_from([size for size in sizes if size >= least]) for least in (4, 2, 0))))
    targets, observed = draw(target_arrays(size, num_labels))
    weights = arrays_of((size,), fractions(0, 12, 4))
    return Batch(
        logits=draw(arrays_of((size, num_labels), logit_values())),
        targets=targets,
        observed=observed,
        sample_weight=draw(st.one_of(st.none(), weights)),
        update=draw(st.sampled_from([None, None, None, None, True, False])),
        layout=draw(st.sampled_from(LAYOUTS)),
    )


def threshold_candidates(case: Case) -> list[float]:
    """Values at least `THRESHOLD_MARGIN` away from every relation that the case attains."""
    relations = [relation[np.isfinite(relation)] for relation in oracle.relations(case)]
    attained = np.unique(np.concatenate([*relations, [0.0]]))
    edges = np.concatenate([[attained[0] - 0.5], attained, [attained[-1] + 0.5]])
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        float(value)
        for value in sorted({*middles.tolist(), *PRINTED_THRESHOLDS})
        if np.abs(attained - value).min() >= THRESHOLD_MARGIN
    ]


@st.composite
def with_thresholds(draw: st.DrawFn, case: Case) -> Case:
    """The case, with two thresholds off everything it attains; the printed ones where they qualify."""
    values = threshold_candidates(case)
    if set(PRINTED_THRESHOLDS) <= set(values) and draw(st.integers(0, 3)) == 0:
        return case
    # The last value is above everything attained, so most draws leave it out and have some active pair.
    split = draw(st.integers(1, len(values) - 1))
    positive = values[min(split, max(1, len(values) - draw(st.sampled_from([2, 2, 2, 1]))))]
    negative = draw(st.sampled_from([value for value in values if value < positive]))
    return replace(case, positive_threshold=positive, negative_threshold=negative)


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    label_counts: tuple[int, ...] = LABEL_COUNTS,
    sizes: tuple[int, ...] = SIZES,
    max_batches: int = 3,
    measures: tuple[str, ...] = (*MEASURES, "conditional"),  # which alone relates pairs one way
    estimators: tuple[str, ...] = ESTIMATORS,
    reductions: tuple[str, ...] = REDUCTIONS,
) -> Case:
    """Any settings over any batches.

    Args:
        draw: hypothesis's.
        label_counts: the numbers of labels to choose from.
        sizes: the numbers of rows to choose from; a framework that compiles for every shape wants few.
        max_batches: at most so many batches.
        measures: to choose from.
        estimators: to choose from.
        reductions: to choose from.
    """
    several = [count for count in label_counts if count >= 3]
    num_labels = draw(st.one_of(st.sampled_from(several), st.sampled_from(label_counts)))
    positive_weights = arrays_of((num_labels,), fractions(0, 12, 4))
    case = Case(
        num_labels=num_labels,
        batches=tuple(draw(batches(num_labels, sizes=sizes)) for _ in range(draw(st.integers(1, max_batches)))),
        decay=draw(st.sampled_from(DECAYS)),
        alpha=draw(st.sampled_from([0.5, 0.0, 1.0, 40.0])),
        measure=draw(st.sampled_from(measures)),
        estimator=draw(st.sampled_from(estimators)),
        normalization=draw(st.sampled_from(NORMALIZATIONS)),
        reduction=draw(st.sampled_from(reductions)),
        pos_weight=draw(st.one_of(st.none(), positive_weights)),
    )
    return draw(with_thresholds(case))
