"""obrl for the Trainer of Hugging Face Transformers; nothing of Transformers is imported."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        'obrl.torch.transformers needs PyTorch, which is not installed: pip install "obrl[torch]"'
    ) from error

from obrl_torch.transformers import trainer_loss

__all__ = ["trainer_loss"]
