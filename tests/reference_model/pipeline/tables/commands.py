"""Command lines of tables for tests."""

from __future__ import annotations

from pathlib import Path

from reference_model.runs import read_json, write_json
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


def without_right(cells: Path, folder: Path) -> Path:
    """Copy finished cells without which predictions were right, and return the folder of the copies."""
    for path in cells.glob("*.json"):
        write_json(folder / path.name, {name: value for name, value in read_json(path).items() if name != "right"})
    return folder


def check_made_again(name: str, out: Path, cells: Path | None = None) -> None:
    """Check that a table's files are made again, byte for byte, from its record and its finished cells.

    The cells that it is made of do not say which predictions were right.

    Args:
        name: The table's name.
        out: Its folder.
        cells: The folder of finished cells; None for the one in the table's.
    """
    again = out.with_name(f"{out.name}-{name}-again")
    bare = without_right(cells or out / "cells-done", out.with_name(f"{out.name}-{name}-bare"))
    record = out / f"{name}.record.json"
    assert str(out.parent) not in record.read_text(), "a record names no place"
    assert tables("again", str(record), f"--cells={bare}", f"--out={again}") == 0
    before = {path.name: path.read_bytes() for path in out.glob(f"{name}*") if path != record}
    assert len(before) >= 2
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
