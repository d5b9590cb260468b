"""obrl for PyTorch."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('obrl.torch needs PyTorch, which is not installed: pip install "obrl[torch]"') from error

from obrl_torch import Condition, LossTerms, OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss

__all__ = ["Condition", "LossTerms", "OBRLoss", "OnlineBatchRelation", "RelationLoss", "relation_loss"]
