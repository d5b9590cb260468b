"""What a finished training leaves in its run folder: weights, report and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from reference_model.config import RunConfig
from reference_model.engine.evaluation import choose_device, evaluate_model
from reference_model.engine.loader import CheckedPictures
from reference_model.engine.model_file import CALIBRATION, model_metadata
from reference_model.engine.module import StageModule
from reference_model.engine.origins import describe_origins
from reference_model.engine.sources import StageData
from reference_model.engine.summary import summary
from reference_model.nets import StageModel
from reference_model.nets.tensor_files import write_tensors
from reference_model.nets.weights import product_metadata, save_weights
from reference_model.runs import RunFolder, read_json, write_atomically, write_json
from reference_model.stages.stage import Evaluation, Stage, Targets


def write_results(
    run: RunFolder,
    config: RunConfig,
    data: StageData,
    module: StageModule,
    unusable: Sequence[str],
    features: Mapping[str, CheckedPictures] | None = None,
) -> None:
    """Save the weights of a trained net, test it and write the report; ``report.json`` comes last.

    Args:
        run: The run's folder.
        config: The settings.
        data: The data.
        module: The trained net and its loss.
        unusable: What is wrong with training and validation pictures that cannot be used.
        features: Stored features of the net's frozen nets by partition, which take the place of the pictures.
    """
    stage = data.stage
    starts_from = describe_origins(module.accounts)
    calibration = calibrate(config, data, module, features)
    save_model(run.weights, module.model, data.targets, config, starts_from, calibration)
    if calibration:
        write_json(run.labels, {**read_json(run.labels), CALIBRATION: calibration})
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
        features=features,
    )
    if stage.finish is not None:
        stage.finish(run.path, evaluation)
    every = [*unusable, *lost]
    report = build_report(stage, evaluation, data=config.data, unusable=every)
    figures = stage.describe({**report, "notes": []})  # the summary has the notes on the data in a place of their own
    text = summary(config, data, report, figures, unusable=every)
    write_atomically(run.path / "report.md", text)
    write_report(run.path, stage, report)


def calibrate(
    config: RunConfig, data: StageData, module: StageModule, features: Mapping[str, CheckedPictures] | None = None
) -> dict[str, Any]:
    """Return what the validation partition says of a trained net's outputs; empty for most stages."""
    if data.stage.calibrate is None:
        return {}
    evaluation, _ = evaluate_model(
        module.model,
        module.criterion,
        data,
        config,
        partitions=("valid",),
        device=choose_device(config.train.device),
        features=features,
    )
    return data.stage.calibrate(evaluation)


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
    path: Path,
    model: nn.Module,
    targets: Targets,
    config: RunConfig,
    starts_from: Mapping[str, str],
    calibration: Mapping[str, Any] | None = None,
) -> None:
    """Write every tensor of a net to a .safetensors file that says what its outputs are.

    Args:
        path: The file; written under another name first, then renamed.
        model: The net.
        targets: What it predicts.
        config: The settings.
        starts_from: Where the weights come from that the training started from, as metadata.
        calibration: What the validation partition says of the outputs.
    """
    metadata = model_metadata(config, targets, starts_from=starts_from, calibration=calibration or {})
    write_tensors(path, model.state_dict(), metadata)
