"""``model.safetensors``: what the file of a whole net says of itself, written and read in one place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from reference_model.config import STAGES, HeadConfig, ImagesConfig, NetConfig, RunConfig
from reference_model.engine.building import build_net
from reference_model.nets.weights import SCALING, WeightError, product_metadata, read_weights
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Stage, Targets

CALIBRATION = "calibration"
"""The key of what the validation partition says of the outputs: `reference_model.stages.stage.Stage.calibrate`."""

_TEXT = ("size", "scaling", "stage", "data")
_MORE_TEXT = ("scenes_data", "shuffled")
_PARTS = ("net", "head", "names", CALIBRATION)


@dataclass(frozen=True, eq=False)
class ModelFile:
    """A net as its file describes it.

    Args:
        path: The file.
        stage: The stage that trained it.
        data: The data set that it was trained on.
        size: Side of its pictures in pixels.
        names: Names of its outputs.
        details: What else the outputs mean, as `reference_model.stages.stage.Targets` has it.
        calibration: What the validation partition says of the outputs; empty where the file does not say.
        model: The net, in evaluation mode.
    """

    path: Path
    stage: Stage
    data: str
    size: int
    names: tuple[str, ...]
    details: Mapping[str, Any]
    calibration: Mapping[str, Any]
    model: nn.Module


def model_metadata(
    config: RunConfig, targets: Targets, *, starts_from: Mapping[str, str], calibration: Mapping[str, Any]
) -> dict[str, str]:
    """Return what the file of a whole net says of itself: all that `load_model` needs, and where its weights come from.

    Args:
        config: The settings.
        targets: What the net predicts.
        starts_from: Where the weights come from that the training started from.
        calibration: What the validation partition says of the outputs; empty where the stage has nothing to say.
    """
    return {
        **product_metadata(config),
        **starts_from,
        "head": json.dumps(asdict(config.head)),
        "names": json.dumps(targets.names),
        **({CALIBRATION: json.dumps(calibration)} if calibration else {}),
        **{name: json.dumps(value) for name, value in targets.details.items()},
    }


def load_model(path: Path) -> ModelFile:
    """Load a whole net from its file alone.

    Args:
        path: A run's model.safetensors, or the same file elsewhere.

    Raises:
        WeightError: If the file cannot be read, does not say how its net is built and what its outputs are, or holds
            other tensors than that net has.
    """
    tensors, metadata = read_weights(path)
    absent = [name for name in (*_TEXT, "net", "head", "names") if name not in metadata]
    if absent:
        raise WeightError(
            f"{path} does not say its {', '.join(absent)}; a run's model.safetensors does, net_0.safetensors and its "
            "sisters hold convolutions only, and a file of an earlier version has to be trained anew"
        )
    if metadata["scaling"] != SCALING:
        raise WeightError(f"{path}: its pixels are scaled as {metadata['scaling']}, and only {SCALING} is known here")
    if metadata["stage"] not in STAGES:
        raise WeightError(f"{path}: unknown stage {metadata['stage']!r}; the stages are {', '.join(STAGES)}")
    stage = load_stage(metadata["stage"])
    try:
        parts = _parse(metadata)
        config = RunConfig(
            stage=metadata["stage"],
            loss="ce",
            images=ImagesConfig(size=int(metadata["size"])),
            net=NetConfig(**_lists_as_tuples(parts["net"])),
            head=HeadConfig(**_lists_as_tuples(parts["head"])),
        )
        details = {name: value for name, value in parts.items() if name not in _PARTS}
        targets = Targets(values=np.empty(0), names=tuple(parts["names"]), details=details)
        model = build_net(stage, targets, config)
    except (TypeError, ValueError, KeyError) as error:
        raise WeightError(f"{path} describes a net that this version cannot build: {error}") from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise WeightError(f"{path} holds other tensors than the net that it describes: {first[0].strip()}") from error
    calibration = parts.get(CALIBRATION, {})
    return ModelFile(
        path, stage, metadata["data"], config.images.size, targets.names, details, calibration, model.eval()
    )


def _parse(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts and details of a file; text that other programs added is passed over."""
    parts: dict[str, Any] = {}
    for name in metadata.keys() - {*_TEXT, *_MORE_TEXT}:
        try:
            parts[name] = json.loads(metadata[name])
        except ValueError:
            if name in _PARTS:
                raise
    return parts


def _lists_as_tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
