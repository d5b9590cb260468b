"""Every pair of labels of a table, with how sure its relation is."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from obrl.errors import check_choice
from obrl.evidence import estimate_phi, phi_coefficients, phi_interval
from obrl.mining.accumulate import MOST_LABELS_WITH_PARTS, TableCounts
from obrl.mining.errors import MiningWarning
from obrl.mining.jackknife import FEWEST_GROUPS, Jackknife, jackknife, pairs_of
from obrl.mining.result_tables import shown_pairs
from obrl.report.words import counted
from obrl.significance import FEWEST_JOINT, RELATED_Q, benjamini_hochberg, benjamini_yekutieli, mid_p

FloatArray = npt.NDArray[np.float64]

PAIRS_SHOWN = 10
CORRECTIONS = {"bh": benjamini_hochberg, "by": benjamini_yekutieli}


@dataclass(frozen=True, slots=True, repr=False)
class PairTable:
    """All pairs i < j in the order of their indices, one entry each; NaN where a label is constant.

    Printing it gives the surest of the related ones.

    Attributes:
        i: index of the first label, int64.
        j: index of the second, int64.
        phi: the phi coefficient, float64.
        phi_low: the lower end of its 95 % interval.
        phi_high: the upper end.
        p: of the test that the labels are unrelated.
        q: the share of false discoveries among all pairs with a p at most as large.
        samples: the rows in which both labels are known, int64.
        both: those in which both are 1, int64.
        expected: how many those would be if the labels were unrelated, float64.
        supported: whether the rows suffice to call the pair related at all: five in which both labels are 1, or, for a
            phi below 0, five in which both are expected to be 1; bool.
        standard_error: of phi.
        sign: 1, -1 or, for phi 0 or undefined, 0; int8.
        lower: the end of the interval that is nearer 0, with the sign of phi removed: at least so strong is the pair;
            below 0 where the interval reaches over 0.
        grouped: whether p and the interval are those for dependent rows, by a jackknife over groups.
        label_names: num_labels names, or None.
    """

    i: npt.NDArray[np.int64]
    j: npt.NDArray[np.int64]
    phi: FloatArray
    phi_low: FloatArray
    phi_high: FloatArray
    p: FloatArray
    q: FloatArray
    samples: npt.NDArray[np.int64]
    both: npt.NDArray[np.int64]
    expected: FloatArray
    supported: npt.NDArray[np.bool_]
    standard_error: FloatArray
    sign: npt.NDArray[np.int8]
    lower: FloatArray
    grouped: bool
    label_names: tuple[str, ...] | None

    def __len__(self) -> int:
        return len(self.i)

    def __repr__(self) -> str:
        order = self.order()
        order = order[self.related()[order]]
        names = self.label_names or tuple(map(str, range(int(self.j.max(initial=0)) + 1)))
        by = ", by groups" if self.grouped else ""
        are = "is" if len(order) == 1 else "are"
        lines = [f"{len(order):,} of {counted(len(self), 'pair')} {are} related (q <= {RELATED_Q:g}{by})"]
        lines += [shown_pairs(self, names, order[:PAIRS_SHOWN])] if len(order) else []
        lines += [f"... and {len(order) - PAIRS_SHOWN:,} more"] if len(order) > PAIRS_SHOWN else []
        return "\n".join(lines)

    def related(self, q: float = RELATED_Q) -> npt.NDArray[np.bool_]:
        """The pairs that may be called related: supported, with a q at most as large as this; bool."""
        return self.supported & (self.q <= q)

    def order(self, by: str = "lower") -> npt.NDArray[np.intp]:
        """The positions of all pairs in order.

        Args:
            by: `"lower"`, `"phi"` (by its magnitude) and `"both"` with the largest first, or `"q"` and `"p"` with the
                smallest first; undefined pairs come last.

        Raises:
            ValueError: another column.
        """
        check_choice("by", by, ("lower", "phi", "both", "q", "p"))
        column = np.asarray(getattr(self, by), np.float64)
        key = column if by in ("q", "p") else -np.abs(column) if by == "phi" else -column
        return np.lexsort((-np.abs(self.phi), key))


def pair_table(counts: TableCounts, *, correction: str = "bh") -> PairTable:
    """Test every pair of labels.

    For rows that are independent, p is that of the exact mid-p test and the interval that of `obrl.evidence`. With
    groups, rows of a group may resemble each other: p and the interval come from a jackknife over the groups, and are
    never surer than for independent rows.

    Args:
        counts: of a table.
        correction: for the number of pairs: `"bh"`, Benjamini-Hochberg, or `"by"`, Benjamini-Yekutieli, which holds
            however the pairs depend on each other.

    Returns:
        All pairs i < j.

    Raises:
        ValueError: another correction.

    Warns:
        MiningWarning: there are groups that the jackknife cannot use, or few of them.

    Example:
        >>> from obrl.mining.miner import RelationMiner
        >>> miner = RelationMiner().fit([[1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]] * 10)
        >>> pairs = pair_table(miner.table_counts_)
        >>> pairs.related().tolist()  # of (0, 1), (0, 2) and (1, 2)
        [True, False, False]
        >>> pairs.lower.round(1).tolist()
        [0.9, -0.3, -0.3]
    """
    check_choice("correction", correction, tuple(CORRECTIONS))
    i, j = np.triu_indices(counts.num_labels, 1)
    pairs = pairs_of(counts.counts, i, j)
    phi = phi_coefficients(pairs)
    low, high = phi_interval(pairs)
    p = mid_p(pairs)
    error = estimate_phi(pairs).standard_error
    sure = jackknife_of_groups(counts, i, j)
    if sure is not None:
        ends = sure.interval()
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])  # NaN of the jackknife goes through
        p = np.maximum(p, sure.p())
        error = np.maximum(error, sure.standard_error)
    low, high, p, error = (np.where(np.isnan(phi), np.nan, part) for part in (low, high, p, error))
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(pairs.n > 0, pairs.r * pairs.c / pairs.n, 0.0)
    negative = phi < 0
    return PairTable(
        i=i.astype(np.int64),
        j=j.astype(np.int64),
        phi=phi,
        phi_low=low,
        phi_high=high,
        p=p,
        q=CORRECTIONS[correction](p),
        samples=pairs.n.astype(np.int64),
        both=pairs.s.astype(np.int64),
        expected=expected,
        supported=(np.where(negative, expected, pairs.s) >= FEWEST_JOINT) & ~np.isnan(p),
        standard_error=error,
        sign=np.sign(np.nan_to_num(phi)).astype(np.int8),
        lower=np.where(negative, -high, low),
        grouped=sure is not None,
        label_names=counts.label_names,
    )


def jackknife_of_groups(counts: TableCounts, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]) -> Jackknife | None:
    """What leaving out groups says of the pairs (i, j), or None where the table has none that can be used.

    Warns:
        MiningWarning: there are groups that the jackknife cannot use, or few of them.
    """
    if not counts.grouped:
        return None
    sure = jackknife(counts, i, j)
    if sure is None:
        warnings.warn(unused_groups(counts), MiningWarning, stacklevel=3)
    elif counts.num_groups is not None and counts.num_groups < FEWEST_GROUPS:
        few = f"intervals and q-values rest on {counts.num_groups} groups alone; below {FEWEST_GROUPS} they are rough"
        warnings.warn(few, MiningWarning, stacklevel=3)
    return sure


def unused_groups(counts: TableCounts) -> str:
    """Why the jackknife cannot use the groups."""
    many = counts.num_labels > MOST_LABELS_WITH_PARTS
    reason = f"more than {MOST_LABELS_WITH_PARTS} labels" if many else "all rows in a single group"
    return f"groups are not used, for there are {reason}: intervals and q-values are those for independent rows"
