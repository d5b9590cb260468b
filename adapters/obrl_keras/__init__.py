"""obrl for Keras 3 on any of its backends; imported by its users as `obrl.keras`."""

from obrl_keras.layer import OBRLossLayer
from obrl_keras.monitor import OBRMonitor

__all__ = ["OBRLossLayer", "OBRMonitor"]
