"""obrl for the Trainer of Hugging Face Transformers; nothing of Transformers is imported."""

from obrl_torch.transformers import trainer_loss

__all__ = ["trainer_loss"]
