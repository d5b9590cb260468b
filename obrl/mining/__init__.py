"""Relation mining: what a table of labels says before, after and without training.

Importing this package imports NumPy alone; reading tables takes the extra `obrl[mining]`.
"""

from obrl.mining.assess import assess
from obrl.mining.assessment import Assessment, Comparison
from obrl.mining.changes.comparison import TableComparison, compare
from obrl.mining.cluster.engine_dask import mine_with_dask
from obrl.mining.errors import MiningError, MiningWarning, NoThresholds, TableError
from obrl.mining.label_studio import query_tasks, suspect_tasks, write_label_studio
from obrl.mining.label_studio_setup import label_studio_config
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
    "label_studio_config",
    "mine_with_dask",
    "query_tasks",
    "suspect_tasks",
    "write_label_studio",
]
