"""Relation mining: what a table of labels says before, after and without training.

Importing this package imports NumPy alone; reading tables takes the extra `obrl[mining]`.
"""

from obrl.mining.errors import MiningError, MiningWarning, NoThresholds, TableError
from obrl.mining.miner import RelationMiner

__all__ = ["MiningError", "MiningWarning", "NoThresholds", "RelationMiner", "TableError"]
