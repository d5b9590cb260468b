"""What `obrl env` says of Keras."""

import keras

from obrl_keras.environment import facts


def test_the_backend_is_named():
    report = facts()
    assert (report["version"], report["backend"]) == (keras.__version__, keras.config.backend())
    assert f"on {keras.config.backend()}" in report["OBRLossLayer"]
