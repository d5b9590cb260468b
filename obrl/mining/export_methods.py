"""The methods of `RelationMiner` that hand the relation to other programs."""

from __future__ import annotations

from typing import Any

from obrl.mining.evidence_methods import HasCounts
from obrl.mining.export import FloatArray, to_adjacency, to_networkx


class ExportMethods:
    """Forms of `table_counts_` for other programs."""

    def to_adjacency(self: HasCounts, *, threshold: float = 0.4, weight: float = 0.25) -> FloatArray:
        """The matrix that ML-GCN's `gen_A` makes of these counts; see `obrl.mining.export.to_adjacency`."""
        return to_adjacency(self.table_counts_, threshold=threshold, weight=weight)

    def to_networkx(self: HasCounts) -> Any:
        """A `networkx.Graph` with an edge for each related pair; see `obrl.mining.export.to_networkx`."""
        return to_networkx(self.table_counts_)
