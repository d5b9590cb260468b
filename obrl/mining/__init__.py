"""Relation mining: what a table of labels says before, after and without training.

Importing this package imports NumPy alone; reading tables takes the extra `obrl[mining]`.
"""

from obrl.mining.assess import assess
from obrl.mining.assessment import Assessment, Comparison
from obrl.mining.changes.comparison import TableComparison, compare
from obrl.mining.cluster.engine_dask import mine_with_dask
from obrl.mining.errors import MiningError, MiningWarning, NoThresholds, TableError
from obrl.mining.miner import RelationMiner

__all__ = [
    "Assessment",
    "Comparison",
    "MiningError",
    "MiningWarning",
    "NoThresholds",
    "RelationMiner",
    "TableComparison",
    "TableError",
    "assess",
    "compare",
    "mine_with_dask",
]
