"""A layer of Keras conditions on known labels, with the tensors of its backend."""

import keras
import numpy as np

from obrl.keras import OBRLossLayer
from tests.support.conditioned import assert_conditions
from tests.support.start import LABELS, table


def test_a_layer_conditions_tensors() -> None:
    layer = OBRLossLayer(LABELS, estimator="counts")
    layer(np.zeros((400, LABELS), np.float32), table(), training=True)
    assert_conditions(layer, keras.ops.convert_to_tensor)
