"""What a net says of the pictures of a partition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from reference_model.config import RunConfig
from reference_model.engine.finite import NotFiniteError
from reference_model.engine.loader import CheckedPictures, EvalLoader
from reference_model.engine.sources import StageData
from reference_model.nets.model import choose_forward
from reference_model.stages.stage import Evaluation, Outputs


def evaluate_model(
    model: nn.Module,
    criterion: nn.Module,
    data: StageData,
    config: RunConfig,
    *,
    partitions: Iterable[str],
    device: torch.device,
    features: Mapping[str, CheckedPictures] | None = None,
) -> tuple[Evaluation, tuple[str, ...]]:
    """Let a net see every picture of some partitions once.

    Args:
        model: Takes pictures (batch, 3, size, size) uint8; put into evaluation mode.
        criterion: The loss at the end of the training.
        data: The data.
        config: The settings.
        partitions: Which partitions.
        device: Where to compute.
        features: Stored features of the net's frozen nets by partition, which take the place of the pictures.

    Returns:
        What the report is written from, without the pictures that cannot be used; and what is wrong with those.

    Raises:
        NotFiniteError: If an output is not finite.
        DataError: If too many pictures cannot be used.
    """
    model = model.to(device).eval()
    forward = choose_forward(model, features=features is not None)
    collected: dict[str, Mapping[str, Tensor]] = {}
    usable = np.ones(len(data.catalogue), dtype=bool)
    reasons: list[str] = []
    for partition in partitions:
        pictures: CheckedPictures = data.pictures(partition, config) if features is None else features[partition]
        parts: list[Mapping[str, Tensor]] = []
        with torch.inference_mode():
            for batch in EvalLoader(pictures, batch_size=config.train.eval_batch_size):
                outputs = forward(batch.images.to(device))
                if not is_finite(outputs):
                    raise NotFiniteError(
                        f"the net's outputs on the {partition} partition are not finite: train it anew"
                    )
                part = data.stage.collect(outputs, batch.targets.to(device))
                parts.append({name: tensor.cpu() for name, tensor in part.items()})
        lost = [picture.row for picture in pictures.unusable]
        reasons += [picture.reason for picture in pictures.unusable]
        inside = torch.ones(len(pictures), dtype=torch.bool)
        inside[lost] = False
        collected[partition] = {name: torch.cat([part[name] for part in parts])[inside] for name in parts[0]}
        usable[np.flatnonzero(data.catalogue.split == partition)[lost]] = False
    return (
        Evaluation(
            catalogue=data.catalogue.rows(usable),
            targets=replace(data.targets, values=data.targets.values[usable]),
            config=config,
            collected=collected,
            criterion=criterion,
            model=model,
        ),
        tuple(reasons),
    )


def is_finite(outputs: Outputs) -> bool:
    """Return whether every number that a net gave out is finite."""
    parts = outputs if isinstance(outputs, tuple) else (outputs,)
    return all(bool(torch.isfinite(part).all()) for part in parts)


def choose_device(setting: str) -> torch.device:
    """Return the device of a setting: ``"auto"`` is CUDA where there is one.

    Raises:
        ValueError: If CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if setting == "cuda" and not available:
        raise ValueError("train.device is cuda, and torch finds no CUDA device here")
    return torch.device("cuda" if setting == "cuda" or (setting == "auto" and available) else "cpu")
