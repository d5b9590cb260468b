"""obrl for Keras 3, on any of its backends."""

try:
    import keras as _keras  # noqa: F401
except ImportError as error:
    if error.name != "keras":
        raise  # Keras is installed; the error names the backend that is missing
    raise ImportError('obrl.keras needs Keras, which is not installed: pip install "obrl[keras]"') from error

from obrl_keras import OBRLossLayer, OBRMonitor

__all__ = ["OBRLossLayer", "OBRMonitor"]
