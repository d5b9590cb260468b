"""Training on stored features is the training on pictures that are not shifted, but for rounding to float16."""

from __future__ import annotations

import csv
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from reference_model.config import NetConfig
from reference_model.evaluating import evaluate
from reference_model.nets import AttributeModel, build_seeded
from reference_model.runs import read_figures, read_json
from reference_model.settings.files import load_config
from reference_model.stages.attributes import attribute_groups
from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import assert_same_run, checkpoint, run_killed

ROUNDING = 1e-4
"""What rounding features to float16 may change of a loss, in parts of it, in these 18 steps; it was 2e-5."""


def frozen(faces: Path, out: Path, *others: str) -> list[str]:
    return [*tiny_arguments(faces, out), "--net.frozen=[net_0,net_2]", "--loss=obrl", *others]


def cached(faces: Path, out: Path, folder: Path, *others: str) -> list[str]:
    return frozen(faces, out, "--features.cache=true", f"--features.folder={folder}", *others)


@pytest.fixture(scope="module")
def uncached_run(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Path:
    out = tmp_path_factory.mktemp("uncached") / "run"
    assert train(*frozen(faces, out, "--images.crop_padding=0")) == 0
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def cached_run(tmp_path_factory: pytest.TempPathFactory, faces: Path, folder: Path) -> Path:
    out = tmp_path_factory.mktemp("cached") / "run"
    assert train(*cached(faces, out, folder)) == 0
    return out


def rows(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_the_same_training_but_for_rounding(uncached_run: Path, cached_run: Path) -> None:
    for ours, theirs in zip(rows(cached_run), rows(uncached_run), strict=True):
        for name in ("train/loss", "valid/loss", "train/cross_entropy", "valid/cross_entropy"):
            assert ours[name] == pytest.approx(theirs[name], rel=ROUNDING), name
    reports = [read_figures(run / "report.json") for run in (cached_run, uncached_run)]
    assert reports[0]["cross_entropy"] == pytest.approx(reports[1]["cross_entropy"], rel=ROUNDING)
    # 32 pictures with 40 labels: a few predictions that were on the edge
    assert reports[0]["mean_accuracy"] == pytest.approx(reports[1]["mean_accuracy"], abs=4 / (32 * 40))


def test_frozen_nets_stay_as_they_were_built(uncached_run: Path, cached_run: Path) -> None:
    net = load_config(cached_run / "config.yaml").net
    assert isinstance(net, NetConfig)
    model = build_seeded(lambda: AttributeModel(32, list(attribute_groups().values()), net), seed=0)
    start = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("face.")}
    assert any(name.endswith("running_mean") for name in start)
    for run in (uncached_run, cached_run):
        weights = load_file(run / "model.safetensors")
        assert weights.keys() == model.state_dict().keys()
        for name, tensor in start.items():
            assert torch.equal(weights[name], tensor), name


def test_evaluation_reads_the_pictures(cached_run: Path, tmp_path: Path) -> None:
    report, _ = evaluate(cached_run, out=tmp_path / "evaluation")
    stored = read_json(cached_run / "report.json")
    assert report["cross_entropy"] == pytest.approx(stored["cross_entropy"], rel=ROUNDING)


def test_what_the_console_and_the_run_say(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "features"
    for number in (1, 2):
        assert train(*cached(faces, tmp_path / f"run{number}", folder, "--train.epochs=1")) == 0
        said = capsys.readouterr().out
        assert f"Features of net_0, net_2 for 160 pictures take 0.000614 GB in {folder}" in said
        assert "Training pictures are not shifted; without features.cache they would be, by up to 2 pixels." in said
        assert ("train pictures computed in" in said) == (number == 1)
    assert load_config(tmp_path / "run1" / "config.yaml").images.crop_padding == 0


def test_resumed_run_equals_uninterrupted_run(faces: Path, folder: Path, cached_run: Path, tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "run", tmp_path / "features"
    killed = run_killed("SIGKILL", "training_step", 9, cached(faces, out, folder))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert checkpoint(out)["batches_done"] == 8
    shutil.copytree(folder, elsewhere)
    assert train("--resume", out, "--features.folder", elsewhere) == 0
    assert_same_run(out, cached_run)


def test_a_resumed_run_computes_lost_features_anew(faces: Path, folder: Path, cached_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(cached_run, out)
    for name in ("report.json", "model.safetensors", "relation.npz"):
        (out / name).unlink()
    assert train("--resume", out, "--features.folder", tmp_path / "empty") == 0
    assert_same_run(out, cached_run)


def test_refusals_come_before_anything_is_written(
    faces: Path, folder: Path, cached_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    nowhere = tiny_arguments(tmp_path / "nowhere", out)
    assert train(*nowhere, "--features.cache=true", "--net.frozen=[net_0]") == 2
    assert "add net_2 to net.frozen" in capsys.readouterr().err
    assert train(*cached(faces, out, folder, "--features.disk_gb=1e-6")) == 2
    assert "more than the 1e-06 GB that features.disk_gb allows" in capsys.readouterr().err
    assert not out.exists()
    assert train("--resume", cached_run, "--features.cache=false") == 2
    assert "features.cache is True there and False here" in capsys.readouterr().err
