"""Online Batch Relation: learn how labels relate while a model trains; use it in the loss and after training.

The NumPy losses and relation. `obrl.torch`, `obrl.jax`, `obrl.keras` and `obrl.tensorflow` offer them for those
frameworks; all are tested against `obrl.spec`.
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

# Set `__module__`, so that messages and pickles name `obrl.LossTerms`, not `obrl.algebra.LossTerms`. The losses set it
# in their class body; a NamedTuple cannot.
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
