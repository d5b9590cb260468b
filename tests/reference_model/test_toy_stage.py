"""A stage that the engine has never seen: which half of a picture is brighter. It is declared here and nowhere else."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from reference_model.config import ImagesConfig, NetConfig, OptimConfig, RunConfig, TrainConfig, WeightsConfig
from reference_model.data.catalogue import Catalogue, ClassLabels, PictureFolder
from reference_model.engine import fitting
from reference_model.engine.checkpoints import TrainingInterrupted
from reference_model.engine.fitting import fit, start_run
from reference_model.engine.sources import StageData
from reference_model.nets import FaceNet
from reference_model.nets.weights import save_weights
from reference_model.runs import RunError, RunFolder
from reference_model.stages.stage import Evaluation, Stage, Targets


class ToyTerms(NamedTuple):
    total: Tensor


class ToyLoss(nn.Module):
    def terms(self, outputs: Tensor, targets: Tensor) -> ToyTerms:
        return ToyTerms(functional.cross_entropy(outputs, targets))


class ToyMetrics(nn.Module):
    right: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("right", torch.zeros(2, dtype=torch.int64))

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self.right += torch.stack([(outputs.argmax(1) == targets).sum(), torch.tensor(len(targets))])

    def compute(self) -> dict[str, float]:
        return {"accuracy": float(self.right[0]) / float(self.right[1])}

    def reset(self) -> None:
        self.right.zero_()


def toy_report(evaluation: Evaluation) -> dict[str, Any]:
    collected = evaluation.collected["test"]
    return {"accuracy": float((collected["outputs"].argmax(1) == collected["targets"]).double().mean())}


TOY = Stage(
    name="toy",
    product="net_toy",
    after=(),
    catalogues=("toy",),
    label="class",
    targets=lambda catalogue, config: Targets(catalogue.labels["class"].values, ("left", "right")),
    head=lambda channels, side, targets, config: nn.Sequential(
        nn.Flatten(), nn.Dropout(0.1), nn.Linear(channels * side**2, 2)
    ),
    loss=lambda targets, config: ToyLoss(),
    metrics=lambda targets: ToyMetrics(),
    collect=lambda outputs, targets: {"outputs": outputs, "targets": targets},
    report=toy_report,
    plot=lambda path, report: Image.new("L", (8, 8)).save(path),
    describe=lambda report: f"{report['accuracy']:.0%} right",
    balanced=True,
)


@pytest.fixture(scope="module")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> StageData:
    """96 pictures of noise with a brighter half, two thirds of them on the right."""
    root, generator = tmp_path_factory.mktemp("toy"), np.random.default_rng(0)
    classes = (np.arange(96) % 3 > 0).astype(np.int64)
    for number, value in enumerate(classes.tolist()):
        picture = generator.integers(0, 200, (16, 16, 3), dtype=np.uint8)
        picture[:, 8 * value : 8 * value + 8] += 55
        Image.fromarray(picture).save(root / f"{number}.png")
    names = np.array([f"{number}.png" for number in range(96)])
    split = np.array(["train"] * 48 + ["valid"] * 24 + ["test"] * 24)
    catalogue = Catalogue("toy", PictureFolder(root, names), {"class": ClassLabels(("left", "right"), classes)}, split)
    return StageData(TOY, catalogue, TOY.targets(catalogue, RunConfig()), "fingerprint")


def toy_config(**train: Any) -> RunConfig:
    """Settings of a run of seconds."""
    defaults: dict[str, Any] = {"epochs": 6, "batch_size": 8, "threads": 1, "device": "cpu", "checkpoint_every": 2}
    return RunConfig(
        images=ImagesConfig(size=24, flip=False, crop_padding=1),
        net=NetConfig(width=0.05, depth=1, strides=(1, 1)),
        optim=OptimConfig(lr=5e-3),
        train=TrainConfig(**{**defaults, **train}),
    )


def start(path: Path, config: RunConfig, data: StageData) -> tuple[RunFolder, RunConfig]:
    run = RunFolder(path)
    path.mkdir()
    return run, start_run(run, config, data)


def stop_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process a real SIGUSR1 in the loss of a batch."""
    original, count = ToyLoss.terms, []

    def terms(loss: ToyLoss, outputs: Tensor, targets: Tensor) -> ToyTerms:
        count.append(1)
        if len(count) == batches:
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(loss, outputs, targets)

    monkeypatch.setattr(ToyLoss, "terms", terms)


def assert_same_run(left: Path, right: Path) -> None:
    for name in ("report.json", "metrics.csv", "labels.json"):
        assert (left / name).read_text() == (right / name).read_text(), name
    for name in ("model.safetensors", "net_toy.safetensors"):
        ours, theirs = load_file(left / name), load_file(right / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


@pytest.mark.parametrize(
    "settings", [{}, {"accumulate": 2, "ema": 0.9}, {"precision": "bf16"}], ids=["plain", "accumulate-ema", "bf16"]
)
def test_a_new_stage_trains_resumes_and_reports(
    settings: dict[str, Any], toy_data: StageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, config = start(tmp_path / "whole", toy_config(**settings), toy_data)
    report = fit(whole, config, toy_data)
    assert (report["stage"], report["split"], report["unusable_pictures"]) == ("toy", "test", 0)
    assert report == json.loads(whole.report.read_text())
    assert report["accuracy"] >= 0.8
    assert (whole.path / "report.png").exists()
    run, config = start(tmp_path / "cut", toy_config(**settings), toy_data)
    stop_after(batches=8, monkeypatch=monkeypatch)
    with pytest.raises(TrainingInterrupted):
        fit(run, config, toy_data)
    monkeypatch.undo()
    assert not run.report.exists()
    fit(run, config, toy_data)
    assert_same_run(run.path, whole.path)


class Killed(Exception):  # noqa: N818 - not an error
    """Ends a training at once, without a checkpoint."""


def die(*_: Any, **__: Any) -> None:
    raise Killed


def test_a_run_cut_before_its_first_checkpoint_still_starts_from_its_weights(
    toy_data: StageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, settings = tmp_path / "origin.safetensors", toy_config(checkpoint_every=1000)
    net = settings.net
    save_weights(origin, FaceNet(width=net.width, depth=net.depth, strides=net.strides, norm=net.norm), {})
    settings = replace(settings, stage="age", weights=WeightsConfig(init=origin))
    whole, config = start(tmp_path / "whole", settings, toy_data)
    fit(whole, config, toy_data)
    run, config = start(tmp_path / "cut", settings, toy_data)
    monkeypatch.setattr(ToyLoss, "terms", die)
    with pytest.raises(Killed):
        fit(run, config, toy_data)
    monkeypatch.undo()
    assert (run.path / "weights.json").exists()
    assert not run.last_checkpoint.exists()
    moved = origin.rename(tmp_path / "moved.safetensors")
    with pytest.raises(RunError, match=r"origin\.safetensors: no such file of weights"):
        fit(run, config, toy_data)
    moved.rename(origin)
    fit(run, config, toy_data)
    assert_same_run(run.path, whole.path)


def test_a_run_cut_after_its_training_reports_on_the_average_and_every_unusable_picture(
    toy_data: StageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = toy_data.catalogue.pictures
    assert isinstance(pictures, PictureFolder)
    shutil.copytree(pictures.root, tmp_path / "pictures")
    for broken in ("3.png", "50.png"):  # of the training and of the validation
        (tmp_path / "pictures" / broken).write_text("<html>")
    catalogue = replace(toy_data.catalogue, pictures=PictureFolder(tmp_path / "pictures", pictures.names))
    data, settings = replace(toy_data, catalogue=catalogue), toy_config(epochs=2, ema=0.9)
    settings = replace(settings, images=replace(settings.images, memory_mb=0))
    whole, config = start(tmp_path / "whole", settings, data)
    assert fit(whole, config, data)["unusable_pictures"] == 2
    run, config = start(tmp_path / "cut", settings, data)
    monkeypatch.setattr(fitting, "write_results", die)
    with pytest.raises(Killed):
        fit(run, config, data)
    monkeypatch.undo()
    fit(run, config, data)
    assert_same_run(run.path, whole.path)
