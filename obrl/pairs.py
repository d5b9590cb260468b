"""The active pairs of a relation, by name, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from obrl.measures import MEASURES
from obrl.namespace import NUMPY
from obrl.online import RelationState, is_symmetric, known_relation, select_pairs
from obrl.settings import Settings


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
    positive, negative = select_pairs(NUMPY, state, settings)
    relation, _ = known_relation(NUMPY, state, settings)
    phi = _phi(state, settings, relation)
    size = relation.shape[0]
    names = [str(index) for index in range(size)] if label_names is None else list(label_names)
    found = []
    for sign, selected in ((1, positive), (-1, negative)):
        if is_symmetric(settings):
            selected = np.triu(selected, k=1)
        rows = [
            Pair(
                i=int(i),
                j=int(j),
                names=(names[i], names[j]),
                relation=float(relation[i, j]),
                phi=float(phi[i, j]),
                evidence=float(state.relation_weight[i, j]),
                sign=sign,
            )
            for i, j in np.argwhere(selected)
        ]
        found += sorted(rows, key=lambda pair: -pair.sign * pair.relation)
    return Pairs(found)


def count_active(state: RelationState, settings: Settings) -> tuple[int, int, int]:
    """How many pairs are positive, how many negative, and of how many (unordered for a symmetric measure)."""
    positive, negative = select_pairs(NUMPY, state, settings)
    size = positive.shape[0]
    share = 2 if is_symmetric(settings) else 1
    return int(positive.sum()) // share, int(negative.sum()) // share, size * (size - 1) // share


def describe_active(state: RelationState, settings: Settings) -> str:
    """The active pairs in a few words.

    Example:
        >>> zero = np.zeros((40, 40))
        >>> describe_active(RelationState(zero, zero), Settings())
        'active pairs: 0 together, 0 apart of 780'
    """
    positive, negative, total = count_active(state, settings)
    return f"active pairs: {positive} together, {negative} apart of {total}"


def describe_criterion(state: RelationState, settings: Settings, *extra: str, reduction: str, freeze: bool) -> str:
    """The settings of a loss, what they mean and what they select, for `repr`; `state` holds NumPy arrays."""
    words = describe_settings(len(state.relation_weight), settings, *extra, reduction=reduction, freeze=freeze)
    return f"{words}, {describe_active(state, settings)}"


def describe_settings(num_labels: int, settings: Settings, *extra: str, reduction: str, freeze: bool) -> str:
    """The settings of a loss and what they mean."""
    parts = [
        str(num_labels),
        f"decay={settings.decay:g}",
        *extra,
        f"measure={settings.measure!r}",
        f"estimator={settings.estimator!r}",
        f"normalization={settings.normalization!r}",
        f"reduction={reduction!r}",
        *(["freeze=True"] if freeze else []),
        settings.describe_thresholds(),
    ]
    return ", ".join(parts)


def _phi(state: RelationState, settings: Settings, relation: npt.NDArray[Any]) -> npt.NDArray[Any]:
    to_phi = MEASURES[settings.measure].to_phi
    if to_phi is not None:
        return np.vectorize(to_phi, otypes=[float])(relation)
    if settings.estimator == "counts":
        value, defined = known_relation(NUMPY, state, replace(settings, measure="pearson"))
        return np.where(defined, value, np.nan)
    return np.full(relation.shape, np.nan)
