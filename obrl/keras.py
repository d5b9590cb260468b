"""obrl for Keras 3, on any of its backends."""

try:
    from obrl_keras import OBRLossLayer, OBRMonitor
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise
    raise ImportError('obrl.keras needs Keras, which is not installed: pip install "obrl[keras]"') from error

__all__ = ["OBRLossLayer", "OBRMonitor"]
