"""obrl for PyTorch; users import it as `obrl.torch`."""

from obrl.algebra import LossTerms
from obrl_torch.condition import Condition
from obrl_torch.loss import OBRLoss
from obrl_torch.relation import OnlineBatchRelation
from obrl_torch.relation_loss import RelationLoss, relation_loss

relation_loss.__module__ = "obrl.torch"

__all__ = ["Condition", "LossTerms", "OBRLoss", "OnlineBatchRelation", "RelationLoss", "relation_loss"]
