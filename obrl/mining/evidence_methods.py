"""The methods of `RelationMiner` that say how sure its pairs are, and what they can supervise."""

from __future__ import annotations

import os
from typing import Protocol

from obrl.mining.accumulate import TableCounts
from obrl.mining.errors import MiningError
from obrl.mining.pair_table import PairTable, pair_table
from obrl.mining.report import report_of_table
from obrl.mining.thresholds import Ladder, suggest_thresholds, threshold_ladder
from obrl.relation import OnlineBatchRelation
from obrl.settings import with_thresholds


class HasCounts(Protocol):
    """What the methods need.

    Attributes:
        measure: of the relation.
    """

    measure: str

    @property
    def table_counts_(self) -> TableCounts:
        """The counts of the whole table."""


class HasRelation(HasCounts, Protocol):
    """What the report needs besides."""

    def to_numpy(self) -> OnlineBatchRelation:
        """The relation."""


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

    def report(self: HasRelation, path: str | os.PathLike[str]) -> None:
        """Write one HTML file on what was mined: findings in words, the matrix, thresholds, pairs and labels.

        The page loads nothing, and shows no row of the table.

        Args:
            path: the file, which appears whole or not at all.

        Raises:
            MiningError: nothing was mined.
            OSError: the file cannot be written; one that exists stays as it was.
        """
        from obrl.report.page import write_report  # so that `import obrl.mining` does without it

        relation = self.to_numpy()
        try:
            counts = self.table_counts_
        except MiningError:  # a relation that a loss has saved
            relation._write_report(path, with_thresholds(relation.settings), saved="miner.save({file})")
        else:
            write_report(path, report_of_table(counts, mined=relation))
