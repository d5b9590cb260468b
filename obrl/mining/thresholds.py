"""Which thresholds a relation can supervise with, and whether any are worth it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc

import numpy as np
import numpy.typing as npt

from obrl.errors import check_choice
from obrl.measures import MEASURES
from obrl.mining.accumulate import TableCounts
from obrl.mining.errors import NoThresholds
from obrl.mining.jackknife import pairs_of
from obrl.mining.pair_table import PairTable, pair_table
from obrl.mining.result_tables import as_text_table

FloatArray = npt.NDArray[np.float64]

WEAKEST_PHI = 0.3
STRONGEST_PHI = 0.95
STEP = 0.05
MOST_CHARGE = 0.15
MOST_CHANGES = 0.25
FROM_PHI: dict[str, Callable[[float], float]] = {"pearson": lambda phi: phi, "unit_pearson": lambda phi: (1 + phi) / 2}
"""The measures that follow from phi, and how."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What one threshold does.

    Attributes:
        phi: the threshold as a phi coefficient, above 0 for pairs that occur together, below 0 for those apart.
        threshold: the same on the scale of the relation's measure.
        pairs: how many pairs i < j it selects.
        changes: how many of those would be expected on its other side in a second sample of as many rows.
        charge: the mean, over the selected pairs, of the share of rows whose true labels contradict the pair: unequal
            for pairs that occur together, equal for those apart. The loss charges for these rows even where the
            predictions are the true labels. NaN without pairs.
    """

    phi: float
    threshold: float
    pairs: int
    changes: float
    charge: float

    @property
    def is_good(self) -> bool:
        """Whether it selects pairs, with a charge of at most .15, of which at most 25 % change sides."""
        return self.pairs > 0 and self.charge <= MOST_CHARGE and self.changes <= MOST_CHANGES * self.pairs


@dataclass(frozen=True, slots=True, repr=False)
class Ladder:
    """Thresholds from weak to strong, on either side; printing it gives a table of those that select pairs.

    Attributes:
        together: thresholds for pairs that occur together, phi .30, .35 to .95.
        apart: thresholds for pairs that exclude each other, phi -.30 to -.95.
        measure: on whose scale `Rung.threshold` is.
    """

    together: tuple[Rung, ...]
    apart: tuple[Rung, ...]
    measure: str

    def __repr__(self) -> str:
        sides = (("together (>=)", self.together), ("apart (<=)", self.apart))
        return "\n\n".join(f"{title}\n{_table(rungs)}" for title, rungs in sides)

    def suggested(self) -> tuple[Rung | None, Rung | None]:
        """The weakest good threshold of either side, or None."""
        return _first_good(self.together), _first_good(self.apart)

    def suggestion(self) -> dict[str, float]:
        """The thresholds for a loss: `suggest_thresholds` says what they are, and when it raises NoThresholds."""
        together, apart = self.suggested()
        if together is None and apart is None:
            raise NoThresholds(
                f"none: too weak to supervise; no threshold of |phi| >= {WEAKEST_PHI} selects pairs that on average "
                f"at most {MOST_CHARGE:.0%} of the rows contradict and of which at most {MOST_CHANGES:.0%} change "
                "sides in a second sample"
            )
        measure = MEASURES[self.measure]
        return {
            "positive_threshold": float(measure.high) if together is None else together.threshold,
            "negative_threshold": float(measure.low) if apart is None else apart.threshold,
        }


def threshold_ladder(counts: TableCounts, *, measure: str = "unit_pearson", pairs: PairTable | None = None) -> Ladder:
    """What each threshold would select, how stable that is, and what it would charge.

    A pair with estimate phi and standard error e is on the other side of the threshold t in a second sample with
    probability Phi(-abs(phi - t) / (sqrt(2) e)). With groups, e is that for dependent rows.

    Args:
        counts: of a table.
        measure: `"pearson"` or `"unit_pearson"`, the measure that the loss will have.
        pairs: those of the counts, where they have been tested already.

    Raises:
        ValueError: another measure, which does not follow from phi.

    Example:
        >>> from obrl.mining.miner import RelationMiner
        >>> miner = RelationMiner().fit([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1]] * 40)
        >>> ladder = threshold_ladder(miner.table_counts_)
        >>> ladder.together[0].pairs, ladder.together[0].charge
        (1, 0.0)
        >>> ladder.suggestion()
        {'positive_threshold': 0.65, 'negative_threshold': 0.0}
    """
    check_choice("measure", measure, tuple(FROM_PHI))
    pairs = pair_table(counts) if pairs is None else pairs
    n, s, r, c = pairs_of(counts.counts, pairs.i, pairs.j)
    unequal = np.divide(r + c - 2 * s, n, out=np.zeros(len(n)), where=n > 0)
    steps = np.arange(round(WEAKEST_PHI / STEP), round(STRONGEST_PHI / STEP) + 1)
    levels = [round(float(step) * STEP, 2) for step in steps]
    together = tuple(_rung(pairs, level, unequal, measure) for level in levels)
    apart = tuple(_rung(pairs, -level, 1 - unequal, measure) for level in levels)
    return Ladder(together, apart, measure)


def suggest_thresholds(counts: TableCounts, *, measure: str = "unit_pearson") -> dict[str, float]:
    """The weakest thresholds of |phi| >= .3 that are worth supervising with.

    Of either side, the weakest whose pairs are contradicted by at most 15 % of the rows in the mean, and of which at
    most 25 % are expected to change sides in a second sample. A side where there is none gets the end of the measure's
    range, which only duplicates reach.

    Args:
        counts: of a table.
        measure: `"pearson"` or `"unit_pearson"`, the measure that the loss will have.

    Returns:
        `positive_threshold` and `negative_threshold` for a loss.

    Raises:
        NoThresholds: neither side has one: the relation is too weak to supervise.
        ValueError: another measure, which does not follow from phi.
    """
    return threshold_ladder(counts, measure=measure).suggestion()


def _rung(pairs: PairTable, phi: float, contradicted: FloatArray, measure: str) -> Rung:
    selected = pairs.phi >= phi if phi > 0 else pairs.phi <= phi
    distance = np.abs(pairs.phi[selected] - phi) / (np.sqrt(2) * pairs.standard_error[selected])
    chances = [0.5 * erfc(z / np.sqrt(2)) for z in np.where(np.isnan(distance), 0.0, distance).tolist()]
    charge = float(contradicted[selected].mean()) if len(chances) else float("nan")
    threshold = round(FROM_PHI[measure](phi), 4)
    return Rung(phi, threshold, len(chances), float(sum(chances)), charge)


def _first_good(rungs: tuple[Rung, ...]) -> Rung | None:
    return next((rung for rung in rungs if rung.is_good), None)


def _table(rungs: tuple[Rung, ...]) -> str:
    """The thresholds down to the first that selects nothing."""
    rows = [
        (
            f"{rung.threshold:g}",
            f"{rung.phi:+.2f}",
            f"{rung.pairs:,}",
            f"{rung.changes:,.1f}",
            f"{rung.charge:.2f}",
            "*" if rung.is_good else "",
        )
        for rung in rungs
        if rung.pairs
    ]
    if not rows:
        return f"no pair has a phi of {rungs[0].phi:+.2f} or stronger"
    return as_text_table(("threshold", "phi", "pairs", "change sides", "charge", "good"), rows, left=0)
