"""obrl for JAX; imported by its users as `obrl.jax`."""

from obrl.algebra import LossTerms
from obrl.online import RelationState
from obrl_jax.loss import OBRLoss, RelationLoss
from obrl_jax.relation import OnlineBatchRelation, update_relation
from obrl_jax.stateless import relation_loss

for _public in (relation_loss, update_relation):
    _public.__module__ = "obrl.jax"
del _public

__all__ = [
    "LossTerms",
    "OBRLoss",
    "OnlineBatchRelation",
    "RelationLoss",
    "RelationState",
    "relation_loss",
    "update_relation",
]
