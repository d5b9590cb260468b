"""obrl for Keras 3 on any of its backends; imported by its users as `obrl.keras`."""

from obrl_keras.layer import OBRLossLayer

__all__ = ["OBRLossLayer"]
