"""Online Batch Relation: learn how labels relate while a model trains, and use it as supervision.

The names here are the NumPy version, which is the specification; `obrl.torch` and `obrl.jax` are the same for PyTorch
and JAX.
"""

from obrl._version import __version__
from obrl.algebra import LossTerms
from obrl.counts import PairCounts, count_pairs
from obrl.loss import OBRLoss
from obrl.measures import MEASURES
from obrl.namespace import Array  # noqa: F401 - what the annotations of LossTerms and PairCounts name
from obrl.pairs import Pair, Pairs
from obrl.relation import OnlineBatchRelation
from obrl.relation_loss import RelationLoss, relation_loss
from obrl.settings import Settings

# What users see in a message or a pickle is the name they import; the losses say so in their own bodies, which a
# NamedTuple cannot.
for _public in (LossTerms, Pair, PairCounts, Pairs, Settings, count_pairs, relation_loss):
    _public.__module__ = "obrl"
del _public

__all__ = [
    "MEASURES",
    "LossTerms",
    "OBRLoss",
    "OnlineBatchRelation",
    "Pair",
    "PairCounts",
    "Pairs",
    "RelationLoss",
    "Settings",
    "__version__",
    "count_pairs",
    "relation_loss",
]
