"""A loss and a relation of TensorFlow condition on known labels."""

import numpy as np
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OnlineBatchRelation
from tests.support.conditioned import assert_conditions
from tests.support.start import LABELS, table


def test_a_loss_and_a_relation_condition_tensors() -> None:
    criterion = OBRLoss(LABELS, estimator="counts")
    criterion(table(), np.zeros((400, LABELS), np.float32))
    relation = OnlineBatchRelation(LABELS, estimator="counts")
    relation.update(table())
    for holder in (criterion, relation):
        assert_conditions(holder, tf.constant)
