"""The methods of `RelationMiner` that say how sure its pairs are, and what they can supervise."""

from __future__ import annotations

from typing import Protocol

from obrl.mining.accumulate import TableCounts
from obrl.mining.pair_table import PairTable, pair_table
from obrl.mining.thresholds import Ladder, suggest_thresholds, threshold_ladder


class HasCounts(Protocol):
    """What the methods need.

    Attributes:
        measure: of the relation.
    """

    measure: str

    @property
    def table_counts_(self) -> TableCounts:
        """The counts of the whole table."""


class EvidenceMethods:
    """Statistics of `table_counts_`."""

    def pairs(self: HasCounts, *, correction: str = "bh") -> PairTable:
        """All pairs with intervals, tests and support; see `obrl.mining.pair_table`.

        Args:
            correction: for the number of pairs: `"bh"`, Benjamini-Hochberg, or `"by"`, Benjamini-Yekutieli.

        Raises:
            MiningError: nothing was mined, or the relation was read without counts.
        """
        return pair_table(self.table_counts_, correction=correction)

    def thresholds(self: HasCounts) -> Ladder:
        """What each threshold would select and charge; see `obrl.mining.thresholds.threshold_ladder`."""
        return threshold_ladder(self.table_counts_, measure=self.measure)

    def suggest_thresholds(self: HasCounts) -> dict[str, float]:
        """`positive_threshold` and `negative_threshold` for a loss, in this relation's measure.

        Raises:
            NoThresholds: the relation is too weak to supervise.
            MiningError: nothing was mined, or the relation was read without counts.

        Example:
            >>> from obrl import OBRLoss
            >>> from obrl.mining import RelationMiner
            >>> miner = RelationMiner().fit([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 1]] * 40)
            >>> criterion = OBRLoss(3, relation=miner.as_start(), **miner.suggest_thresholds())
        """
        return suggest_thresholds(self.table_counts_, measure=self.measure)
