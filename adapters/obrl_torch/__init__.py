"""obrl for PyTorch; imported by its users as `obrl.torch`."""

from obrl.algebra import LossTerms
from obrl_torch.loss import OBRLoss, RelationLoss
from obrl_torch.relation import OnlineBatchRelation
from obrl_torch.stateless import relation_loss

relation_loss.__module__ = "obrl.torch"

__all__ = ["LossTerms", "OBRLoss", "OnlineBatchRelation", "RelationLoss", "relation_loss"]
