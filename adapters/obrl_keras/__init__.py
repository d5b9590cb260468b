"""obrl for Keras 3 on any of its backends; imported by its users as `obrl.keras`."""

try:
    import keras as _keras  # noqa: F401
except ImportError as error:
    if error.name == "keras":
        raise
    raise ImportError(
        f"Keras cannot import its backend: {error}. It takes TensorFlow unless the environment variable KERAS_BACKEND "
        "(or keras.json in Keras's folder) names another: set KERAS_BACKEND to jax, torch or tensorflow, whichever is "
        "installed, before Python starts"
    ) from error

from obrl_keras.layer import OBRLossLayer
from obrl_keras.monitor import OBRMonitor

__all__ = ["OBRLossLayer", "OBRMonitor"]
