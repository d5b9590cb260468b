"""What the page computes from: a header of JSON, and columns of numbers.

The page computes the relation, intervals and charges from the counts, with the same float64 operations in the same
order as `obrl.measures`, so that a threshold selects the same pairs there. Where a relation is not what its counts
give, as one that a loss learned, or one that was rounded otherwise, it travels along; so does that of a measure that
the page does not compute.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.evidence import phi_interval
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.report.clustering import clustered_order
from obrl.report.content import FloatArray, PairEvidence, Report

COMPUTED_BY_PAGE = frozenset(
    ("pearson", "unit_pearson", "matching", "cosine", "jaccard", "conditional", "yule_q", "phi_ratio")
)
"""The measures with a formula in `assets/statistics.js`. The relation of any other one is in the file."""
MOST_PAIRS_WITH_Q = 100_000
"""With more pairs, q and intervals that do not follow from counts are in the file for related pairs alone."""
INTERVAL_STEPS = 10_000
"""Ends of intervals that the page cannot compute are stored in units of 1/10,000: the lower one is rounded down, the
upper one up."""
NO_END = -32_768
DIGITS = 100
"""q is a number of two digits and an exponent, in one integer: 100 times the exponent plus the digits."""


class Payload(NamedTuple):
    """The two parts of a page that hold its data.

    Attributes:
        header: JSON in ASCII, without `<`, `>` and `&`.
        columns: numbers, one column after the other; `column` of `payload.js` reads them.
    """

    header: str
    columns: bytes


class _Columns:
    """Columns of numbers one after the other, each with all its first bytes, then all its second ones, and so on."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str, int]] = []
        self._parts: list[bytes] = []

    def add(self, name: str, values: npt.NDArray[Any]) -> None:
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        self.names.append((name, f"{little.dtype.kind}{little.dtype.itemsize}", little.size))
        self._parts.append(little.reshape(-1, 1).view(np.uint8).T.tobytes())

    def add_counts(self, name: str, values: npt.NDArray[Any]) -> None:
        """Add whole numbers in the smallest type that holds them; beyond 32 bits in float64, exact up to 2^53."""
        largest = int(values.max(initial=0))
        fitting = [kind for kind in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(kind).max]
        self.add(name, values.astype(fitting[0] if fitting else np.float64))

    def add_json(self, name: str, value: Any) -> None:
        """Add anything that JSON can say."""
        self.add(name, np.frombuffer(_json(value).encode("ascii"), np.uint8))

    def joined(self) -> bytes:
        return b"".join(self._parts)


def pack(report: Report) -> Payload:
    """Everything of a report that the page needs.

    Args:
        report: one that `obrl.report.checks.check_report` lets pass.
    """
    columns = _Columns()
    num_labels = len(report.label_names)
    measure = MEASURES[report.measure]
    i, j = np.triu_indices(num_labels, 1)
    relation = np.asarray(report.relation, np.float64)
    columns.add_counts("order", clustered_order(centred(relation, report.measure)))
    pairs = None if report.counts is None else _add_counts(columns, report.counts, i, j)
    _add_relation(columns, in_order(relation, i, j, measure.symmetric), pairs, report.measure)
    if report.weight is not None:
        columns.add("weight", _narrow(in_order(np.asarray(report.weight, np.float64), i, j, measure.symmetric)))
    if report.evidence is not None and pairs is not None:
        _add_evidence(columns, report.evidence, pairs)
    if report.suspects is not None:
        columns.add_json("suspects", asdict(report.suspects))
    if report.drift:
        columns.add_json("drift", [asdict(drift) for drift in report.drift])
    header = {
        "title": report.title,
        "labels": report.label_names,
        "findings": [asdict(finding) for finding in report.findings],
        "facts": report.facts,
        "measure": {
            "name": report.measure,
            "formula": measure.formula,
            "low": measure.low,
            "high": measure.high,
            "symmetric": measure.symmetric,
            "follows_phi": measure.to_phi is not None,
        },
        "thresholds": report.thresholds,
        "code": report.code,
        "q_for_related_only": len(i) > MOST_PAIRS_WITH_Q,
        "columns": columns.names,
    }
    return Payload(_json(header), columns.joined())


def _json(value: Any) -> str:
    text = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: Any) -> Any:
    """The same value with None for each number that is not finite, which JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def centred(relation: FloatArray, measure: str) -> FloatArray:
    """A symmetric matrix from -1 to 1 with 0 for unrelated labels, or for those that never meet; NaN stays.

    Args:
        relation: (num_labels, num_labels) on the scale of the measure.
        measure: a key of `MEASURES`.
    """
    symmetric = (relation + relation.T) / 2
    return 2 * symmetric - 1 if measure in ("unit_pearson", "matching") else symmetric


def in_order(matrix: FloatArray, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp], symmetric: bool) -> FloatArray:
    """The entries (i, j), then, where (j, i) may differ, those too."""
    return matrix[i, j] if symmetric else np.concatenate([matrix[i, j], matrix[j, i]])


def relation_of_counts(pairs: PairCounts, measure: str) -> FloatArray:
    """The relation as the page computes it: (i, j), then, for a measure that is not symmetric, (j, i)."""
    both = [pairs] if MEASURES[measure].symmetric else [pairs, PairCounts(pairs.n, pairs.s, pairs.c, pairs.r)]
    parts = []
    for counts in both:
        values, defined = apply_measure(NUMPY, measure, counts)
        parts.append(np.where(defined > 0, values, np.nan))
    return np.concatenate(parts)


def _add_counts(columns: _Columns, counts: PairCounts, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]) -> PairCounts:
    """Add the counts; returns those of the pairs i < j in float64.

    Complete tables need s above the diagonal, the margins and the number of rows; others n and both r besides.
    """
    n, s, r, c = (np.broadcast_to(np.asarray(field), np.shape(counts.s)) for field in counts)
    columns.add_counts("s", s[i, j])
    columns.add_counts("known", n.diagonal())
    columns.add_counts("present", s.diagonal())
    if n.size and (n != n[0, 0]).any():
        columns.add_counts("n", n[i, j])
        columns.add_counts("r", r[i, j])
        columns.add_counts("c", c[i, j])
    return PairCounts(*(field[i, j].astype(np.float64) for field in (n, s, r, c)))


def _add_relation(columns: _Columns, relation: FloatArray, pairs: PairCounts | None, measure: str) -> None:
    """Add the relation where the page cannot compute it: last bits that differ, or all of it."""
    if pairs is None or measure not in COMPUTED_BY_PAGE:
        columns.add("relation", _narrow(relation))
        return
    computed = relation_of_counts(pairs, measure)
    undefined = np.isnan(computed)
    if not np.array_equal(undefined, np.isnan(relation)):
        columns.add("relation", _narrow(relation))
        return
    expected, actual = (np.where(undefined, 0.0, values).view(np.int64) for values in (computed, relation))
    with np.errstate(over="ignore"):
        steps = actual - expected
    if not steps.any():
        return
    if (
        np.abs(steps).max() <= np.iinfo(np.int8).max
        and (np.signbit(computed) == np.signbit(relation))[~undefined].all()
    ):
        columns.add("last_bits", steps.astype(np.int8))
    else:
        columns.add("relation", _narrow(relation))


def _narrow(values: FloatArray) -> npt.NDArray[Any]:
    """The same values in float32 where it holds them exactly, as those of a loss in float32."""
    narrow = values.astype(np.float32)
    return narrow if np.array_equal(narrow.astype(np.float64), values, equal_nan=True) else values


def _add_evidence(columns: _Columns, evidence: PairEvidence, pairs: PairCounts) -> None:
    related = np.asarray(evidence.related, bool)
    columns.add("related", np.packbits(related, bitorder="little"))
    shown = related if len(related) > MOST_PAIRS_WITH_Q else np.ones(len(related), bool)
    columns.add("q", encode_q(np.asarray(evidence.q, np.float64)[shown]))
    low, high = (np.asarray(end, np.float64) for end in (evidence.phi_low, evidence.phi_high))
    defined = ~np.isnan(relation_of_counts(pairs, "pearson"))
    expected = np.full((2, len(low)), np.nan)
    expected[:, defined] = phi_interval(PairCounts(*(field[defined] for field in pairs)))
    if np.allclose(expected, (low, high), rtol=0, atol=1e-9, equal_nan=True):
        return
    for name, ends, away in (("phi_low", low, np.floor), ("phi_high", high, np.ceil)):
        steps = away(np.round(ends[shown] * INTERVAL_STEPS, 6))
        columns.add(name, np.where(np.isnan(steps), NO_END, steps).astype(np.int16))


def encode_q(q: FloatArray) -> npt.NDArray[np.uint16]:
    """Round q to two digits, as an integer.

    q = digits 10^-exponent with digits from 10 to 99 is 100 exponent + digits; 0 stands for NaN and 1 for a q of 0.

    Args:
        q: from 0 to 1, of any shape, or NaN.

    Example:
        >>> encode_q(np.array([1.0, 0.05, 0.000123, 0.0, np.nan])).tolist()
        [110, 350, 512, 1, 0]
    """
    codes = np.zeros(np.shape(q), np.uint16)
    codes[q == 0] = 1
    positive = q > 0
    values = q[positive]
    exponent = 1 - np.floor(np.log10(values)).astype(np.int64)
    # In two steps, for 10^exponent overflows where q is subnormal.
    digits = np.rint(values * 10.0 ** np.minimum(exponent, 300) * 10.0 ** np.maximum(exponent - 300, 0)).astype(
        np.int64
    )
    carried = digits == DIGITS
    codes[positive] = DIGITS * (exponent - carried) + np.where(carried, 10, digits)
    return codes
