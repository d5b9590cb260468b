"""Every stage that trains one net learns an easy signal, and resumes exactly."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reference_model.config import HeadConfig, ImagesConfig, NetConfig, OptimConfig, RunConfig, TrainConfig
from reference_model.data.catalogue import Catalogue, ClassLabels, YearLabels, fingerprint
from reference_model.engine.checkpoints import TrainingInterrupted
from reference_model.engine.fitting import fit, start_run
from reference_model.engine.sources import StageData
from reference_model.runs import RunFolder
from reference_model.stages.face import combine
from reference_model.stages.registry import load_stage
from tests.reference_model.stages.pictures import colour_catalogue, thirds

PICTURES = 120


def config(stage: str, **train: Any) -> RunConfig:
    """Settings of a run of seconds."""
    defaults: dict[str, Any] = {"epochs": 8, "batch_size": 12, "threads": 1, "device": "cpu", "checkpoint_every": 2}
    return RunConfig(
        stage=stage,  # type: ignore[arg-type]
        images=ImagesConfig(size=20, flip=True, crop_padding=1),
        net=NetConfig(width=0.05, depth=0, strides=(1, 1)),
        head=HeadConfig(hidden=(16,), embedding=8, dropout=0.1),
        optim=OptimConfig(lr=1e-2),
        train=TrainConfig(**{**defaults, **train}),
    )


def classes(label: str, count: int) -> Catalogue:
    values = np.arange(PICTURES) // 2 % count
    names = tuple(f"class {number}" for number in range(count))
    return colour_catalogue(
        {label: ClassLabels(names, values)}, brightness=values / (count - 1), split=thirds(PICTURES)
    )


def people() -> Catalogue:
    """Twelve people of as many shades; every third one is for verification."""
    person = np.arange(PICTURES) // 10
    stranger = person % 3 == 2
    identity = np.where(stranger, -1, np.unique(person[~stranger]).searchsorted(person))
    split = np.where(stranger, "test", np.where(np.arange(PICTURES) % 10 == 0, "valid", "train"))
    names = tuple(f"person {number}" for number in range(8))
    labels = {"identity": ClassLabels(names, identity)}
    return colour_catalogue(labels, brightness=person / 11, split=split.tolist(), person=person.tolist())


def ages() -> Catalogue:
    years = (np.arange(PICTURES) * 7 % 101).astype(np.float32)
    return colour_catalogue({"age": YearLabels(years)}, brightness=years / 100, split=thirds(PICTURES))


def faces() -> Catalogue:
    bright, dark = np.linspace(0.6, 1, PICTURES), np.linspace(0, 0.4, PICTURES // 2)
    scenes = colour_catalogue({}, brightness=dark, split=thirds(len(dark)))
    return combine(colour_catalogue({}, brightness=bright, split=thirds(PICTURES)), scenes, RunConfig())


def data_of(name: str) -> StageData:
    catalogue = {
        "pretrain": lambda: classes("class", 6),
        "face": faces,
        "identity": people,
        "age": ages,
        "race": lambda: classes("race", 3),
    }[name]()
    stage = load_stage(name)
    return StageData(stage, catalogue, stage.targets(catalogue, RunConfig()), fingerprint(catalogue))


def start(path: Path, settings: RunConfig, data: StageData) -> tuple[RunFolder, RunConfig]:
    path.mkdir()
    run = RunFolder(path)
    return run, start_run(run, settings, data)


def stop_after(batches: int, stage_data: StageData, settings: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process SIGTERM in the loss of a batch."""
    kind = type(stage_data.stage.loss(stage_data.targets, settings))
    original, count = kind.terms, []  # type: ignore[attr-defined]

    def terms(*arguments: Any) -> Any:
        count.append(1)
        if len(count) == batches:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(kind, "terms", terms)


def assert_same_run(left: Path, right: Path) -> None:
    for name in ("report.json", "metrics.csv", "labels.json"):
        assert (left / name).read_text() == (right / name).read_text(), name
    files = sorted(path.name for path in left.glob("*.safetensors"))
    assert len(files) == 2
    for name in files:
        ours, theirs = load_file(left / name), load_file(right / name)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name


LEARNT = {
    "pretrain": lambda report: report["top_1"] >= 0.5,
    "face": lambda report: report["auc"] >= 0.95,
    "identity": lambda report: report["verification"]["auc"] >= 0.7 and report["center_loss"]["centers_moved"] == 8,
    "age": lambda report: report["ratio"] <= 0.6,
    "race": lambda report: report["balanced_accuracy"] >= 0.8,
}


@pytest.mark.parametrize(
    ("name", "train"),
    [
        ("pretrain", {}),
        ("face", {"ema": 0.8}),
        ("identity", {"accumulate": 2, "epochs": 14}),
        ("age", {}),
        ("race", {}),
    ],
)
def test_a_stage_learns_and_resumes(
    name: str, train: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(name)
    whole, settings = start(tmp_path / "whole", config(name, **train), data)
    report = fit(whole, settings, data)
    assert LEARNT[name](report), {key: value for key, value in report.items() if isinstance(value, float | dict)}
    assert set(report["main"]) == {"name", "value"}
    assert data.stage.describe(report)
    assert (whole.path / "report.png").stat().st_size > 5000
    run, settings = start(tmp_path / "cut", config(name, **train), data)
    stop_after(9, data, settings, monkeypatch)
    with pytest.raises(TrainingInterrupted):
        fit(run, settings, data)
    monkeypatch.undo()
    fit(run, settings, data)
    assert_same_run(run.path, whole.path)


def test_the_next_stage_starts_from_the_product(tmp_path: Path) -> None:
    first = data_of("pretrain")
    run, settings = start(tmp_path / "first", config("pretrain", epochs=1), first)
    fit(run, settings, first)
    second = data_of("race")
    product = run.path / "pretrained.safetensors"
    start_from = replace(settings.weights, init=product)
    run, settings = start(tmp_path / "second", replace(config("race", epochs=1), weights=start_from), second)
    fit(run, settings, second)
    account = json.loads((run.path / "weights.json").read_text())[""]
    assert set(account["loaded"]) == set(load_file(product))
    assert "hidden.0.weight" in account["loaded"]
    assert set(account["fresh"]) == {"classes.weight", "classes.bias"}
    assert account["unused"] == []


def test_metrics_hold_the_parts_of_the_identity_loss(tmp_path: Path) -> None:
    data = data_of("identity")
    run, settings = start(tmp_path / "run", config("identity", epochs=1), data)
    fit(run, settings, data)
    header = run.metrics.read_text().splitlines()[0].split(",")
    for name in ("cross_entropy", "center_loss", "uniform_loss", "center_movement", "top_1"):
        assert f"train/{name}" in header
