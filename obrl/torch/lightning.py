"""obrl for PyTorch Lightning."""

try:
    import lightning as _lightning  # noqa: F401
except ImportError as error:
    raise ImportError("obrl.torch.lightning needs Lightning, which is not installed: pip install lightning") from error

from obrl_torch.lightning import OBRMonitor

__all__ = ["OBRMonitor"]
