"""What a finished training leaves in its run folder: weights, report and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from reference_model.config import RunConfig
from reference_model.engine.evaluation import choose_device, evaluate_model
from reference_model.engine.module import StageModule
from reference_model.engine.origins import describe_origins
from reference_model.engine.sources import StageData
from reference_model.engine.summary import summary
from reference_model.nets import StageModel
from reference_model.nets.weights import product_metadata, save_weights
from reference_model.runs import RunFolder, write_atomically, write_json
from reference_model.stages.stage import Evaluation, Stage, Targets


def write_results(
    run: RunFolder, config: RunConfig, data: StageData, module: StageModule, unusable: Sequence[str]
) -> None:
    """Save the weights of a trained net, test it and write the report; ``report.json`` comes last.

    Args:
        run: The run's folder.
        config: The settings.
        data: The data.
        module: The trained net and its loss.
        unusable: What is wrong with training and validation pictures that cannot be used.
    """
    stage = data.stage
    starts_from = describe_origins(module.accounts)
    save_model(run.weights, module.model, data.targets, config, starts_from)
    if isinstance(module.model, StageModel):
        product = run.path / f"{stage.product}.safetensors"
        save_weights(product, module.model, {**product_metadata(config), **starts_from})
    evaluation, lost = evaluate_model(
        module.model,
        module.criterion,
        data,
        config,
        partitions=stage.partitions,
        device=choose_device(config.train.device),
    )
    if stage.finish is not None:
        stage.finish(run.path, evaluation)
    every = [*unusable, *lost]
    report = build_report(stage, evaluation, data=config.data, unusable=every)
    figures = stage.describe({**report, "notes": []})  # the summary has the notes on the data in a place of their own
    text = summary(config, data, report, figures, unusable=every)
    write_atomically(run.path / "report.md", text)
    write_report(run.path, stage, report)


def build_report(stage: Stage, evaluation: Evaluation, *, data: str, unusable: Sequence[str]) -> dict[str, Any]:
    """Return what ``report.json`` holds.

    Args:
        stage: The stage.
        evaluation: What the report is on.
        data: The data's name.
        unusable: What is wrong with each picture that cannot be used.
    """
    config = evaluation.config
    return {
        "stage": stage.name,
        "data": data,
        "split": ", ".join(evaluation.collected),
        "loss": config.loss,
        "preset": config.preset,
        "seed": config.seed,
        "notes": list(evaluation.catalogue.notes),
        "unusable_pictures": len(unusable),
        **stage.report(evaluation),
    }


def write_report(folder: Path, stage: Stage, report: Mapping[str, Any]) -> None:
    """Write a report's picture, then ``report.json``."""
    stage.plot(folder / stage.picture, report)
    write_json(folder / "report.json", report)


def save_model(
    path: Path, model: nn.Module, targets: Targets, config: RunConfig, starts_from: Mapping[str, str]
) -> None:
    """Write every tensor of a net to a .safetensors file that says what its outputs are.

    Args:
        path: The file; written under another name first, then renamed.
        model: The net.
        targets: What it predicts.
        config: The settings.
        starts_from: Where the weights come from that the training started from, as metadata.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    details: Mapping[str, Any] = targets.details
    metadata = {
        **product_metadata(config),
        **starts_from,
        "names": json.dumps(targets.names),
        **{name: json.dumps(value) for name, value in details.items()},
    }
    unfinished = path.with_name(path.name + ".tmp")
    # Not save_file, which makes a file that nobody else can read, whatever the umask.
    try:
        unfinished.write_bytes(save(tensors, metadata=metadata))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
