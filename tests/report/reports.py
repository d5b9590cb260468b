"""Reports to test with: of drawn tables, of a loss, and with everything that a report can hold."""

from __future__ import annotations

import dataclasses

import numpy as np

from obrl.counts import PairCounts
from obrl.evidence import phi_interval
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.report import Drift, Finding, PairEvidence, Report, SuspectLabel, SuspectRow, Suspects
from obrl.significance import benjamini_hochberg, mid_p

CODE = "OBRLoss({size}, positive_threshold={{positive_threshold}}, negative_threshold={{negative_threshold}})"
HOSTILE = (
    "<script>document.title = 'run'</script>",
    "</script><img src=x onerror=\"document.title='run'\">",
    "quotes \" and ' & ampersands",
    "\u202eright to left\u202c \u05e2\u05d1\u05e8\u05d9\u05ea",
    "x" * 10_000,
    "\ud800 alone",
    "<!-- {{script}}",
    "",
)
"""Names of labels that would harm a page that trusted them."""


def drawn_table(rows: int, size: int, seed: int, *, missing: float = 0.0, groups: int = 6) -> np.ndarray:
    """Labels that hang together in groups, of which every third excludes its neighbour; NaN where missing."""
    rng = np.random.default_rng(seed)
    causes = rng.random((rows, groups)) < 0.3
    labels = np.where(
        rng.random((rows, size)) < 0.8, causes[:, np.arange(size) % groups], rng.random((rows, size)) < 0.2
    )
    labels[:, 2::3] = labels[:, 2::3] & ~labels[:, 1 : 1 + len(labels[0, 2::3])]
    table = labels.astype(float)
    table[rng.random((rows, size)) < missing] = np.nan
    return table


def sparse_table(rows: int, size: int, seed: int) -> np.ndarray:
    """Many labels of which each row has few, like the tags of a page."""
    rng = np.random.default_rng(seed)
    popularity = 0.15 / (1 + np.arange(size)) ** 0.6
    table = rng.random((rows, size)) < popularity
    topics = rng.integers(0, size // 12, rows)
    table |= (np.arange(size) // 12 == topics[:, None]) & (rng.random((rows, size)) < 0.25)
    return table.astype(float)


def counts_of(table: np.ndarray) -> PairCounts:
    """The counts of all pairs, int64, each field (size, size)."""
    known = ~np.isnan(table)
    present = np.nan_to_num(table)
    fields = (known.T.astype(float) @ known, present.T @ present, present.T @ known, known.T.astype(float) @ present)
    return PairCounts(*(np.rint(field).astype(np.int64) for field in fields))


def relation_of(counts: PairCounts, measure: str) -> np.ndarray:
    """The relation of counts, NaN where undefined."""
    relation, defined = apply_measure(NUMPY, measure, PairCounts(*(field.astype(float) for field in counts)))
    return np.where(defined > 0, relation, np.nan)


def evidence_of(counts: PairCounts) -> PairEvidence:
    """The evidence of all pairs, for independent rows."""
    i, j = np.triu_indices(len(counts.s), 1)
    pairs = PairCounts(*(field[i, j] for field in counts))
    undefined = np.isnan(relation_of(counts, "pearson")[i, j])
    low, high = (np.where(undefined, np.nan, end) for end in phi_interval(pairs))
    q = benjamini_hochberg(np.where(undefined, np.nan, mid_p(pairs)))
    return PairEvidence(low, high, q, (q <= 0.05) & (pairs.s >= 5))


def report_of(
    table: np.ndarray, *, measure: str = "unit_pearson", names: tuple[str, ...] | None = None, **changes: object
) -> Report:
    """A report of a table, without findings; `changes` replace its fields."""
    counts = counts_of(table)
    size = len(counts.s)
    low, high = MEASURES[measure].low, MEASURES[measure].high
    report = Report(
        title=f"Relations of {size} labels",
        label_names=names or tuple(f"label {k}" for k in range(size)),
        findings=(),
        facts=(("rows", str(len(table))), ("labels", str(size))),
        measure=measure,
        relation=relation_of(counts, measure),
        counts=counts,
        weight=None,
        thresholds=(low + 0.65 * (high - low), low + 0.35 * (high - low)),
        evidence=evidence_of(counts),
        code=CODE.format(size=size),
    )
    return dataclasses.replace(report, **changes)


def loss_report(size: int, *, measure: str = "unit_pearson") -> Report:
    """A report of a loss, whose relation is float32 and has no counts."""
    report = report_of(drawn_table(300, size, 7), measure=measure)
    rng = np.random.default_rng(1)
    relation = report.relation.astype(np.float32).astype(np.float64)
    relation[0, 1] = relation[1, 0] = np.nan
    weight = rng.uniform(20, 100, (size, size))
    weight = np.where(np.isnan(relation), 0.0, (weight + weight.T) / 2)
    return dataclasses.replace(report, relation=relation, counts=None, evidence=None, weight=weight)


def full_report(size: int = 40, rows: int = 1_500) -> Report:
    """A report with everything in it: hostile names, missing entries, suspects, drift and a chart."""
    names = (*HOSTILE, *(f"label {k}" for k in range(size - len(HOSTILE))))
    labels = tuple(SuspectLabel(k, rows - k, 12.5 / (1 + k)) for k in range(size))
    entries = tuple(
        SuspectRow(HOSTILE[k % 4], k + 1, HOSTILE[(k + 1) % 5][:40], k % size, k % 2, 0.1 + k / 200, HOSTILE[k % 6])
        for k in range(120)
    )
    steps = tuple(range(0, 1_000, 100))
    lines = tuple(
        (name[:300], tuple(float("nan") if k == 3 else float(np.sin(k / 3 + shift)) for k in range(len(steps))))
        for shift, name in enumerate(HOSTILE[:4])
    )
    drift = Drift(
        title=HOSTILE[1],
        note=HOSTILE[0],
        columns=("pair", "then", "now"),
        rows=tuple((f"{HOSTILE[k % 4]} and more", 0.1 * k, float("nan") if k == 2 else 0.2) for k in range(30)),
        steps=steps,
        series=lines,
        step="Last row",
    )
    return report_of(
        drawn_table(rows, size, 3, missing=0.1),
        names=names,
        title=HOSTILE[0],
        findings=(Finding("12 of 780 pairs are related."), Finding(HOSTILE[1], warning=True)),
        facts=((HOSTILE[2], HOSTILE[3]), ("rows", f"{rows:,}")),
        suspects=Suspects(labels, entries),
        drift=(drift,),
    )
