"""Command lines for tests."""

from __future__ import annotations

from pathlib import Path

from reference_model import predict as prediction
from reference_model.train import main

STEPS_PER_EPOCH = 6  # 96 faces in batches of 16
EPOCHS = 3


def tiny_arguments(faces: Path, out: Path) -> list[str]:
    """Return arguments for a run of a few seconds on ``faces``, with dropout and augmentation on."""
    settings = {
        "data": "celeba",
        "root": faces,
        "out": out,
        "images.size": 32,
        "images.crop_padding": 2,
        "net.nets": "[net_0,net_2]",
        "net.width": 0.05,
        "net.strides": "[1,1]",
        "net.group_channels": 4,
        "net.group_hidden": 8,
        "net.dropout": 0.3,
        "train.epochs": EPOCHS,
        "train.batch_size": 16,
        "train.checkpoint_every": 2,
        "train.influence_every": 2,
        "train.threads": 1,
        "train.device": "cpu",
    }
    return [f"--{key}={value}" for key, value in settings.items()]


def train(*arguments: str | Path) -> int:
    """Run ``python -m reference_model.train`` in this process."""
    return main([str(argument) for argument in arguments])


def predict(*arguments: str | Path) -> int:
    """Run ``python -m reference_model.predict`` in this process."""
    return prediction.main([str(argument) for argument in arguments])
