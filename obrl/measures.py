"""What relates two labels: measures of a fourfold table.

A measure is a numerator over a denominator, and undefined where the denominator is zero. The tables of two labels i
and j are written a, b, c, d: both 1, only i, only j, neither. In that form every measure is accurate to a few
roundings whatever the counts: n s - r c cancels badly when written so (in float32 it puts phi wrong by 1e-4 at
n = 25,600), but equals ad - bc, whose two products are each bounded by the denominator. Where n is a plain int, the
size of a batch without missing labels, and float32 holds n^2, n s - r c is exact as it stands. With
`estimator="counts"` the moving sums are rounded too: in float32, after about a thousand batches in which a label is
constant, they look as if it had always been constant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from obrl.counts import MAX_EXACT_COUNT, PairCounts
from obrl.namespace import Array, Namespace


class FourfoldTable:
    """The tables of all pairs, and their margins; arrays broadcast to (num_labels, num_labels)."""

    def __init__(self, ns: Namespace, counts: PairCounts) -> None:
        self.ns = ns
        self.n = counts.n
        self.i = counts.r
        self.j = counts.c
        self.not_i = counts.n - self.i
        self.not_j = counts.n - self.j
        self.both = counts.s

    def cells(self) -> tuple[Array, Array, Array, Array]:
        """Return a, b, c and d."""
        only_j = self.j - self.both
        return self.both, self.i - self.both, only_j, self.not_i - only_j

    def cross_difference(self) -> Array:
        """Return ad - bc, which is n s - r c."""
        if isinstance(self.n, int) and self.n**2 <= MAX_EXACT_COUNT:
            difference = self.n * self.both
            difference -= self.i * self.j
            return difference  # exact, and three operations fewer
        both, only_i, only_j, neither = self.cells()
        return both * neither - only_i * only_j

    def minimum(self, a: Array, b: Array) -> Array:
        """Return the smaller of two arrays, elementwise."""
        return self.ns.where(a < b, a, b)


Fraction = tuple[Array, Array]


def _pearson(table: FourfoldTable) -> Fraction:
    # One square root of the product, not two roots: it is exact for two equal labels.
    spread = table.ns.sqrt((table.i * table.not_i) * (table.j * table.not_j))
    return table.cross_difference(), spread


def _unit_pearson(table: FourfoldTable) -> Fraction:
    difference, spread = _pearson(table)
    difference += spread
    spread += spread
    return difference, spread  # (1 + phi) / 2


def _matching(table: FourfoldTable) -> Fraction:
    both, only_i, only_j, neither = table.cells()
    agree = both + neither
    return agree, agree + (only_i + only_j)


def _cosine(table: FourfoldTable) -> Fraction:
    return table.both, table.ns.sqrt(table.i * table.j)


def _jaccard(table: FourfoldTable) -> Fraction:
    return table.both, (table.i - table.both) + table.j


def _conditional(table: FourfoldTable) -> Fraction:
    return table.both, table.j  # P(i | j)


def _yule_q(table: FourfoldTable) -> Fraction:
    both, only_i, only_j, neither = table.cells()
    concordant, discordant = both * neither, only_i * only_j
    return concordant - discordant, concordant + discordant


def _phi_ratio(table: FourfoldTable) -> Fraction:
    # With the margins held, n s - r c is largest at s = min(r, c) and smallest at s = max(0, r + c - n).
    difference = table.cross_difference()
    largest = table.minimum(table.i * table.not_j, table.j * table.not_i)
    smallest = table.minimum(table.i * table.j, table.not_i * table.not_j)
    return difference, table.ns.where(difference < 0, smallest, largest)


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to relate two labels.

    Attributes:
        fraction: numerator and denominator for all pairs of a `FourfoldTable`.
        formula: the formula in words, with n, s, r, c as in `PairCounts`.
        low: the smallest value.
        high: the largest value.
        symmetric: whether (i, j) and (j, i) always agree.
        to_phi: the phi coefficient from a value, where it follows from it.
    """

    fraction: Callable[[FourfoldTable], Fraction]
    formula: str
    low: float
    high: float
    symmetric: bool = True
    to_phi: Callable[[float], float] | None = None


MEASURES = MappingProxyType(
    {
        "pearson": Measure(_pearson, "phi = (n s - r c) / sqrt(r (n-r) c (n-c))", -1, 1, to_phi=lambda value: value),
        "unit_pearson": Measure(_unit_pearson, "(1 + phi) / 2", 0, 1, to_phi=lambda value: 2 * value - 1),
        "matching": Measure(_matching, "P(y_i = y_j) = (n - r - c + 2 s) / n", 0, 1),
        "cosine": Measure(_cosine, "s / sqrt(r c)", 0, 1),
        "jaccard": Measure(_jaccard, "s / (r + c - s)", 0, 1),
        "conditional": Measure(_conditional, "P(i | j) = s / c", 0, 1, symmetric=False),
        "yule_q": Measure(_yule_q, "(ad - bc) / (ad + bc) of the fourfold table", -1, 1),
        "phi_ratio": Measure(_phi_ratio, "phi over the largest phi of its sign that the margins allow", -1, 1),
    }
)
"""The measures by name. The values are `Measure`."""


def apply_measure(ns: Namespace, measure: str, counts: PairCounts) -> tuple[Array, Array]:
    """Relate every pair of labels.

    Args:
        ns: the framework's functions.
        measure: a key of `MEASURES`.
        counts: of a batch, or averages of them (every measure is a ratio, so the scale does not matter).

    Returns:
        The relation, finite but arbitrary where it is undefined, and an array of its dtype that is 1 where it is
        defined and 0 elsewhere; both broadcast to (num_labels, num_labels). There is no NaN.
    """
    numerator, denominator = MEASURES[measure].fraction(FourfoldTable(ns, counts))
    defined = ns.cast(denominator > 0, like=denominator)
    divisor = 1.0 - defined
    divisor += denominator
    return numerator / divisor, defined
