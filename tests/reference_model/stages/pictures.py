"""Pictures of one colour, in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from reference_model.config import HeadConfig, NetConfig, RunConfig
from reference_model.data.catalogue import Catalogue, Labels, Rows
from reference_model.stages.stage import Evaluation, Outputs, Stage

SIZE = 32
CONFIG = RunConfig(
    net=NetConfig(width=0.05, depth=0, strides=(1, 1)), head=HeadConfig(hidden=(8,), embedding=4), loss="ce"
)


@dataclass(frozen=True)
class Colours:
    """Pictures of one colour each, encoded as PNG.

    Args:
        colours: (N, 3) uint8.
        names: Their names.
    """

    colours: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.colours)

    def read(self, row: int) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(np.full((SIZE, SIZE, 3), self.colours[row], dtype=np.uint8)).save(stream, "PNG")
        return stream.getvalue()

    def name(self, row: int) -> str:
        return self.names[row]

    def describe(self, row: int) -> str:
        return f"memory:{self.names[row]}"

    def take(self, rows: Rows) -> Colours:
        return replace(self, colours=self.colours[rows], names=tuple(self.names[row] for row in rows))


def colour_catalogue(
    labels: dict[str, Labels], *, brightness: Sequence[float], split: Sequence[str], person: Sequence[int] | None = None
) -> Catalogue:
    """Grey pictures with a little noise in colour.

    Args:
        labels: Of the pictures.
        brightness: (N,) in [0, 1].
        split: (N,).
        person: (N,).
    """
    noise = np.random.default_rng(0).integers(-6, 7, size=(len(brightness), 3))
    colours = np.clip(20 + 215 * np.asarray(brightness)[:, None] + noise, 0, 255).astype(np.uint8)
    pictures = Colours(colours, tuple(f"{row:04d}.png" for row in range(len(colours))))
    people = None if person is None else np.asarray(person, dtype=np.int64)
    return Catalogue("colours", pictures, labels, np.array(split), people)


def thirds(count: int) -> list[str]:
    """A partition of rows: three of five for training."""
    return [("train", "train", "train", "valid", "test")[row % 5] for row in range(count)]


def evaluate(stage: Stage, catalogue: Catalogue, outputs: Outputs, config: RunConfig = CONFIG) -> Evaluation:
    """What the engine gives a report, for outputs (of all rows) that stand in for a net's."""
    targets = stage.targets(catalogue, config)
    collected = {}
    for partition in stage.partitions:
        rows = torch.from_numpy(np.flatnonzero(catalogue.split == partition))
        part = outputs[rows] if isinstance(outputs, Tensor) else tuple(output[rows] for output in outputs)
        collected[partition] = stage.collect(part, torch.from_numpy(targets.values)[rows])
    return Evaluation(catalogue, targets, config, collected, stage.loss(targets, config), nn.Identity())
