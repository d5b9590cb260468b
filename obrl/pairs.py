"""The active pairs of a relation, by name, for people."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.evidence import effective_counts, nan_as_one, phi_interval
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.online import RelationState, is_symmetric, known_relation, select_pairs
from obrl.settings import OPTION_DEFAULTS, Settings
from obrl.significance import benjamini_hochberg, mid_p


class Pair(NamedTuple):
    """Two labels that the relation loss acts on.

    Attributes:
        i: index of the first label.
        j: index of the second; above i, except for a measure that is not symmetric.
        names: the names of both, or their indices as words.
        relation: the relation, on the scale of its measure.
        phi: the phi coefficient, NaN where it does not follow from what the state holds.
        evidence: the pair's relation weight: the decayed number of batches that spoke for it.
        sign: +1 for a positive pair (pulled together), -1 for a negative one (pushed apart).
        samples: how many samples the pair is worth (`obrl.evidence.effective_samples`). This field and the next four
            are NaN for the estimator `"batch"`, which does not know how many samples its batches had.
        both: in how many of them both labels are 1.
        phi_low: the lower end of the 95 % interval of phi (`obrl.evidence.phi_interval`).
        phi_high: the upper end.
        q: of the test that the labels are unrelated (`obrl.significance.mid_p` on counts rounded to whole numbers), by
            Benjamini-Hochberg over all pairs of the relation.

    Example:
        >>> from obrl import OnlineBatchRelation
        >>> relation = OnlineBatchRelation(3, label_names=["lipstick", "make-up", "beard"])
        >>> first, *_ = relation.update([[1, 1, 0], [0, 0, 1], [1, 1, 0]]).pairs()
        >>> first.names, first.relation, first.phi, first.sign
        (('lipstick', 'make-up'), 1.0, 1.0, 1)
    """

    i: int
    j: int
    names: tuple[str, str]
    relation: float
    phi: float
    evidence: float
    sign: int
    samples: float
    both: float
    phi_low: float
    phi_high: float
    q: float


class _Columns(NamedTuple):
    """The fields of `Pair` that follow from counts, a list each."""

    phi: list[float]
    samples: list[float]
    both: list[float]
    phi_low: list[float]
    phi_high: list[float]
    q: list[float]


class Pairs(tuple[Pair, ...]):
    """The active pairs, strongest first within each sign; printing it gives a table, or says that there is none.

    Example:
        >>> from obrl import OnlineBatchRelation
        >>> relation = OnlineBatchRelation(2, label_names=["bald", "bangs"])
        >>> print(relation.pairs())
        no active pair: no relation reaches a threshold, so the relation loss has no effect
        >>> print(relation.update([[1, 0], [0, 1]]).pairs())
        sign     label label relation    phi evidence
        apart    bald  bangs    0.000  -1.00      1.0
    """

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "no active pair: no relation reaches a threshold, so the relation loss has no effect"
        width = max(len("label"), *(len(name) for pair in self for name in pair.names))
        intervals = not all(math.isnan(pair.phi_low) for pair in self)
        head = f"{'phi':>6} {'95 % interval':>14}" if intervals else f"{'phi':>6}"
        lines = [f"{'sign':8} {'label':{width}} {'label':{width}} {'relation':>8} {head} {'evidence':>8}"]
        for pair in self:
            sign = "together" if pair.sign > 0 else "apart"
            phi = _phi_in_words(pair, intervals)
            first, second = pair.names
            lines.append(f"{sign:8} {first:{width}} {second:{width}} {pair.relation:8.3f} {phi} {pair.evidence:8.1f}")
        return "\n".join(lines)


def _phi_in_words(pair: Pair, interval: bool) -> str:
    """Phi, and its interval if asked for; a dash where it is unknown."""
    phi = f"{'-':>6}" if math.isnan(pair.phi) else f"{pair.phi:6.2f}"
    if not interval:
        return phi
    ends = "-" if math.isnan(pair.phi_low) else f"{pair.phi_low:.2f} to {pair.phi_high:.2f}"
    return f"{phi} {ends:>14}"


def active_pairs(state: RelationState, settings: Settings, label_names: Sequence[str] | None = None) -> Pairs:
    """List the pairs that Eq. 3 selects.

    Args:
        state: accumulators as NumPy arrays, in the dtype in which the loss holds them (so that a relation at a
            threshold falls on the same side here).
        settings: thresholds, measure and estimator count.
        label_names: num_labels names.

    Returns:
        The pairs with i < j, or ordered pairs for a measure that is not symmetric.
    """
    listed: list[Pair] = []
    for sign, selected in zip((1, -1), select_pairs(NUMPY, state, settings), strict=True):
        if selected.any():
            i, j = np.nonzero(np.triu(selected) if is_symmetric(settings) else selected)
            pairs = _describe_pairs(state, settings, label_names, i, j, sign)
            listed += sorted(pairs, key=lambda pair: -pair.sign * pair.relation)
    return Pairs(listed)


def _describe_pairs(
    state: RelationState,
    settings: Settings,
    label_names: Sequence[str] | None,
    i: npt.NDArray[np.intp],
    j: npt.NDArray[np.intp],
    sign: int,
) -> list[Pair]:
    """Name the pairs (i, j) of one sign and look up their numbers."""
    relation = known_relation(NUMPY, state, settings)[0][i, j]
    columns = _columns_of_counts(state, settings, i, j) if settings.estimator == "counts" else _unknown(len(i))
    to_phi = MEASURES[settings.measure].to_phi
    if to_phi is not None:
        columns = columns._replace(phi=[to_phi(value) for value in relation.tolist()])
    evidence = state.relation_weight[i, j].tolist()
    names = [str(index) for index in range(len(state.relation_weight))] if label_names is None else label_names
    return [
        Pair(first, second, (names[first], names[second]), value, phi, weight, sign, *numbers)
        for first, second, value, weight, phi, *numbers in zip(
            i.tolist(), j.tolist(), relation.tolist(), evidence, *columns, strict=True
        )
    ]


def _unknown(pairs: int) -> _Columns:
    return _Columns(*([math.nan] * pairs for _ in _Columns._fields))


def _columns_of_counts(
    state: RelationState, settings: Settings, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]
) -> _Columns:
    """What the counts say of the pairs (i, j); NaN where phi is undefined, since a label is constant."""
    counts = effective_counts(state, settings)
    phi, defined = apply_measure(NUMPY, "pearson", counts)
    q = _all_q(counts, defined > 0)
    n, s, r, c = (part[i, j] for part in counts)
    low, high = phi_interval(PairCounts(n, s, r, c))
    unknown = defined[i, j] == 0
    numbers = (phi[i, j], n, s, low, high, q[i, j])
    blank = (unknown, False, False, unknown, unknown, unknown)
    return _Columns(*(nan_as_one(np.where(no, np.nan, part)) for no, part in zip(blank, numbers, strict=True)))


def _all_q(counts: PairCounts, defined: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The q-values of all pairs, (num_labels, num_labels), NaN where phi is undefined."""
    i, j = np.nonzero(np.triu(defined, 1))
    q = np.full(defined.shape, np.nan)
    q[i, j] = q[j, i] = benjamini_hochberg(mid_p(PairCounts(*(part[i, j] for part in counts))))
    return q


def describe(num_labels: int, settings: Settings, *, thresholds: bool = True, **options: Any) -> str:
    """What a `repr` says between its parentheses: whatever differs from its default, and what the thresholds mean.

    Args:
        num_labels: M.
        settings: those of the relation or its loss.
        thresholds: whether to say what the thresholds mean; a relation by itself has none.
        options: what the constructor takes beside the settings, by the names of `obrl.settings.OPTION_DEFAULTS`.

    Example:
        >>> describe(40, Settings(decay=0.995), impl="fused", reduction="mean")
        "40, decay=0.995, impl='fused', together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6)"
    """
    in_order = sorted(options.items(), key=lambda option: list(OPTION_DEFAULTS).index(option[0]))
    changed = {name: value for name, value in in_order if value != OPTION_DEFAULTS[name]}
    words = (f"{name}={_in_words(value)}" for name, value in (settings.changed() | changed).items())
    parts = [str(num_labels), *words]
    return ", ".join([*parts, *([settings.describe_thresholds()] if thresholds else [])])


def _in_words(value: Any) -> str:
    """What a `repr` shows of an option; a function, and one that `functools.partial` binds, shows its name."""
    if not callable(value):
        return reprlib.repr(value)
    function = getattr(value, "func", value)
    return str(getattr(function, "__name__", type(function).__name__))
