"""The active pairs of a relation, by name, for people."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts
from obrl.measures import MEASURES, apply_measure
from obrl.namespace import NUMPY
from obrl.online import RelationState, is_symmetric, known_relation, select_pairs
from obrl.settings import OPTION_DEFAULTS, Settings


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
    """

    i: int
    j: int
    names: tuple[str, str]
    relation: float
    phi: float
    evidence: float
    sign: int


class Pairs(tuple[Pair, ...]):
    """The active pairs, strongest first within each sign; printing it gives a table, or says that there is none."""

    __slots__ = ()

    def __str__(self) -> str:
        if not self:
            return "no active pair: no relation reaches a threshold, so the relation loss has no effect"
        width = max(len("label"), *(len(name) for pair in self for name in pair.names))
        lines = [f"{'sign':8} {'label':{width}} {'label':{width}} {'relation':>8} {'phi':>6} {'evidence':>8}"]
        for pair in self:
            sign = "together" if pair.sign > 0 else "apart"
            phi = "     -" if math.isnan(pair.phi) else f"{pair.phi:6.2f}"
            first, second = pair.names
            lines.append(f"{sign:8} {first:{width}} {second:{width}} {pair.relation:8.3f} {phi} {pair.evidence:8.1f}")
        return "\n".join(lines)


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
    columns = zip(i.tolist(), j.tolist(), relation.tolist(), _phi(state, settings, relation, i, j), strict=True)
    evidence = state.relation_weight[i, j].tolist()
    names = [str(index) for index in range(len(state.relation_weight))] if label_names is None else label_names
    return [
        Pair(first, second, (names[first], names[second]), value, phi, weight, sign)
        for (first, second, value, phi), weight in zip(columns, evidence, strict=True)
    ]


def _phi(
    state: RelationState,
    settings: Settings,
    relation: npt.NDArray[Any],
    i: npt.NDArray[np.intp],
    j: npt.NDArray[np.intp],
) -> list[float]:
    """The phi coefficients of pairs with these relations; NaN where they do not follow from what the state holds."""
    to_phi = MEASURES[settings.measure].to_phi
    if to_phi is not None:
        return [to_phi(value) for value in relation.tolist()]
    if settings.estimator == "batch":
        return [math.nan] * len(relation)
    n, s, r = state.relation_sum
    phi, defined = apply_measure(NUMPY, "pearson", PairCounts(n, s, r, r.T))
    return np.where(defined > 0, phi, np.nan)[i, j].tolist()


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
    words = (f"{name}={reprlib.repr(value)}" for name, value in (settings.changed() | changed).items())
    parts = [str(num_labels), *words]
    return ", ".join([*parts, *([settings.describe_thresholds()] if thresholds else [])])
