"""obrl for JAX."""

try:
    import jax as _jax  # noqa: F401
except ImportError as error:
    raise ImportError('obrl.jax needs JAX, which is not installed: pip install "obrl[jax]"') from error

from obrl_jax import (
    LossTerms,
    OBRLoss,
    OnlineBatchRelation,
    RelationLoss,
    RelationState,
    relation_loss,
    update_relation,
)

__all__ = [
    "LossTerms",
    "OBRLoss",
    "OnlineBatchRelation",
    "RelationLoss",
    "RelationState",
    "relation_loss",
    "update_relation",
]
