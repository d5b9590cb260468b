"""Command lines of tables for tests."""

from __future__ import annotations

from pathlib import Path

from reference_model.tables import main

TINY = {
    "images.size": 32,
    "images.crop_padding": 2,
    "net.width": 0.05,
    "net.strides": "[1,1]",
    "net.group_channels": 4,
    "net.group_hidden": 8,
    "train.epochs": 2,
    "train.batch_size": 16,
    "train.checkpoint_every": 1,
    "train.influence_every": 1,
    "train.threads": 1,
    "train.device": "cpu",
}


def arguments(table: str, faces: Path, out: Path, *more: str | Path) -> list[str]:
    """Return the arguments of a table whose cells take a second each."""
    settings = [f"--{name}={value}" for name, value in TINY.items()]
    return [table, "--data", "celeba", "--root", str(faces), "--out", str(out), *settings, *map(str, more)]


def tables(*words: str) -> int:
    """Run ``python -m reference_model.tables`` in this process."""
    return main(words)
