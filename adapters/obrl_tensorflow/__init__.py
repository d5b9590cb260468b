"""obrl for TensorFlow and Keras's TensorFlow backend; imported by its users as `obrl.tensorflow`."""

from obrl.algebra import LossTerms
from obrl_tensorflow.callback import OBRLossCallback
from obrl_tensorflow.loss import OBRLoss, RelationLoss
from obrl_tensorflow.relation import OnlineBatchRelation
from obrl_tensorflow.stateless import relation_loss

relation_loss.__module__ = "obrl.tensorflow"

__all__ = ["LossTerms", "OBRLoss", "OBRLossCallback", "OnlineBatchRelation", "RelationLoss", "relation_loss"]
