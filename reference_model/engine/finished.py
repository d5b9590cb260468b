"""A finished run's net as it leaves this program: loaded again, with what its inputs and outputs mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from obrl import __version__
from reference_model.config import RunConfig, StageName
from reference_model.engine.module import build_net
from reference_model.nets.weights import read_weights
from reference_model.runs import RunError, RunFolder, read_figures
from reference_model.settings.files import load_config
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Stage, Targets

INPUT = "pixels"
BATCH_SIZES = (1, 2, 7)
"""The sizes of batches with which an exported net is compared to torch's."""


class Output(NamedTuple):
    """An output of an exported net.

    Attributes:
        name: Its name.
        meaning: What it holds, and what to do with it.
    """

    name: str
    meaning: str


_CLASSES = Output("logits", "one number a class, in the order of names; their softmax gives probabilities")
OUTPUTS: Mapping[StageName, tuple[Output, ...]] = MappingProxyType(
    {
        "pretrain": (_CLASSES,),
        "face": (_CLASSES,),
        "identity": (
            Output("logits", "one number for each person trained on, in the order of names"),
            Output("embedding", "a vector a picture; the cosine of two of them is high for the same person"),
        ),
        "age": (Output("age_by_100", "one number a picture; 100 times it is the age in years"),),
        "race": (_CLASSES,),
        "attributes": (
            Output("logits", "one number a label, in the order of names; its sigmoid is the label's probability"),
        ),
    }
)
"""What the net of each stage gives out."""


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run's net.

    Args:
        run: The run's folder.
        config: Its settings.
        stage: Its stage.
        model: The net, in evaluation mode, on the CPU.
        labels: What labels.json holds.
        metadata: What the file of weights says of itself, and of inputs and outputs.
    """

    run: RunFolder
    config: RunConfig
    stage: Stage
    model: nn.Module
    labels: Mapping[str, Any]
    metadata: Mapping[str, str]

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs of the net."""
        return OUTPUTS[self.config.stage]


def load_finished(folder: Path) -> Finished:
    """Load the net of a finished run, with the weights that its report is on.

    Args:
        folder: The run's folder.

    Raises:
        ValueError: If the run's files are damaged or do not belong together.
    """
    run = RunFolder(folder)
    config, labels = load_config(run.config), read_figures(run.labels)
    stage = load_stage(config.stage)
    tensors, metadata = read_weights(run.weights)
    targets = Targets(values=np.empty(0), names=tuple(labels["names"]), details=labels["details"])
    model = build_net(stage, targets, config)
    load_exactly(model, tensors, run.weights)
    metadata |= describe_interface(config)
    return Finished(run, config, stage, model.eval(), labels, metadata)


def load_exactly(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load every tensor of a net from those of a file.

    Raises:
        RunError: If one is missing, too many, or of another shape.
    """
    try:
        model.load_state_dict(dict(tensors))
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise RunError(f"{path} holds another net than the run's settings describe: {first[0].strip()}") from error


def describe_interface(config: RunConfig) -> dict[str, str]:
    """Return what a user of the file must know of inputs and outputs, as metadata."""
    size = config.images.size
    return {
        "input": f"{INPUT}: uint8 RGB (batch, 3, {size}, {size}); the whole upright picture, scaled to a square by "
        "bilinear interpolation; the net scales the values itself",
        "outputs": json.dumps({output.name: output.meaning for output in OUTPUTS[config.stage]}),
        "obrl_version": __version__,
    }


def example_pixels(batch: int, size: int) -> Tensor:
    """Return random pixels (batch, 3, size, size), the same for every call."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8, generator=generator)


@torch.inference_mode()
def torch_outputs(model: nn.Module, pixels: Tensor) -> list[Tensor]:
    """Return what the net gives out for pictures, as a list also where it is one tensor."""
    result = model(pixels)
    return list(result) if isinstance(result, tuple) else [result]
