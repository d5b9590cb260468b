"""How long the cells that are not done will take."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from statistics import fmean

import numpy as np
import torch

from reference_model.config import RunConfig
from reference_model.data.catalogue import SPLITS
from reference_model.engine.evaluation import choose_device
from reference_model.engine.module import StageModule
from reference_model.engine.sources import StageData, open_data
from reference_model.pipeline.cells import canonical
from reference_model.pipeline.running import Planned
from reference_model.stages.registry import load_stage

FEW_PICTURES, ROUNDS = 4, 2
FAST = 1.0  # seconds
MIXED = {"bf16": torch.bfloat16, "16": torch.float16}


def forecast(planned: Sequence[Planned]) -> str:
    """Return a sentence on how long the cells that are not done will take, and where the number comes from.

    A cell takes as long as the finished ones with as many nets, frozen or not as it is, and the same loss. Where there
    is none, a few steps on grey pictures are timed, on the device of the cells and with cross-entropy alone: a
    relation may come from a cell that is not trained yet.
    """
    open_cells = {part.key: part.cell for part in planned if part.content is None}
    if not open_cells:
        return "Nothing is left to train."
    finished: dict[object, list[float]] = {}
    for part in planned:
        if part.content is not None and part.content.get("sittings") == 1:
            finished.setdefault(_kind(canonical(part.cell.config)), []).append(float(part.content["seconds"]))
    measured: dict[object, float] = {}
    seconds, from_finished = 0.0, 0
    for cell in open_cells.values():
        config = canonical(cell.config)
        kind = _kind(config)
        if kind in finished:
            seconds += fmean(finished[kind])
            from_finished += 1
            continue
        config = replace(config, loss="ce")
        kind = _kind(config)
        if kind not in measured:
            measured[kind] = _measure(config)
        seconds += measured[kind]
    origins = []
    if from_finished:
        origins.append(f"{from_finished} as long as the finished cells of their kind")
    if from_finished < len(open_cells):
        origins.append(
            f"{len(open_cells) - from_finished} by timing a few steps on grey pictures, without reading files, "
            "without a feature cache and without the relation loss"
        )
    return f"Expected time for {len(open_cells)} cells: {_span(seconds)} ({'; '.join(origins)})"


def _kind(config: RunConfig) -> object:
    net, train = config.net, config.train
    return (
        (config.stage, config.data, len(net.nets), len(net.frozen), net.width, net.depth, net.strides),
        (config.images.size, config.features.cache, config.loss),
        (train.epochs, train.batch_size, train.precision),
    )


def _measure(config: RunConfig) -> float:
    """Return the seconds of a cell's steps and tests, from a few of each on grey pictures."""
    data = open_data(config, load_stage(config.stage))
    module = StageModule(data.stage, data.targets, config, total_steps=1).to(choose_device(config.train.device))
    sizes = {name: data.size(name) for name in SPLITS}
    few = min(FEW_PICTURES, sizes["train"])
    train, test = (_per_picture(module, data, config, few, train=part) for part in (True, False))
    if few * train < FAST:  # a small net: what a step costs beside the pictures counts
        many = min(config.train.batch_size, sizes["train"])
        train, test = (_per_picture(module, data, config, many, train=part) for part in (True, False))
    epochs = config.train.epochs
    validations = math.ceil(epochs / config.train.validate_every)
    return epochs * sizes["train"] * train + (validations * sizes["valid"] + sizes["test"]) * test


def _per_picture(module: StageModule, data: StageData, config: RunConfig, count: int, *, train: bool) -> float:
    """Return the seconds of a picture in training, or in testing: the shortest of some rounds, the first left out."""
    module.train(train)
    device = next(module.parameters()).device
    images = torch.full((count, 3, config.images.size, config.images.size), 127, dtype=torch.uint8, device=device)
    targets = torch.from_numpy(np.asarray(data.values("train"))[:count]).to(device)
    times = []
    for _ in range(ROUNDS + 1):
        started = time.monotonic()
        with torch.set_grad_enabled(train), _precision(config, device):
            terms = module.criterion.terms(module.model(images), targets)  # type: ignore[operator]
        if train:
            terms.total.backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - started)
    return min(times[1:]) / count


def _precision(config: RunConfig, device: torch.device) -> AbstractContextManager[object]:
    kind = MIXED.get(config.train.precision)
    return nullcontext() if kind is None else torch.autocast(device.type, dtype=kind)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
