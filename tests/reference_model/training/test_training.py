"""Whole runs on a small set: what they write, what they say, what they refuse."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from obrl import OnlineBatchRelation
from obrl.history import History
from obrl.mining.cli import main as obrl_command
from reference_model.attributes import CELEBA_ATTRIBUTES, GROUPS
from reference_model.cli import parse_command
from reference_model.engine.fitting import fit, start_run
from reference_model.engine.loader import epoch_order
from reference_model.engine.sources import open_data
from reference_model.reports.text import percent
from reference_model.runs import RunFolder
from reference_model.settings.files import load_config
from reference_model.stages.registry import load_stage
from tests.reference_model.training.commands import EPOCHS, STEPS_PER_EPOCH, tiny_arguments, train
from tests.support.html_report import header


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_validating_less_often_trains_the_same_net(finished: dict[str, Path], faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "seldom"
    assert train(*tiny_arguments(faces, out), "--loss=obrl", "--train.validate_every=2") == 0
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["valid/accuracy"]) for row in rows] == [False, True, True]  # the second and the last
    usual, seldom = (load_file(run / "model.safetensors") for run in (finished["obrl"], out))
    assert usual.keys() == seldom.keys()
    assert all(torch.equal(usual[name], seldom[name]) for name in usual)


@pytest.mark.parametrize("loss", ["ce", "obrl"])
def test_run_folder_holds_everything(finished: dict[str, Path], loss: str) -> None:
    run = finished[loss]
    config = load_config(run / "config.yaml")
    assert (config.loss, config.images.size, config.train.threads, config.out) == (loss, 32, 1, run)
    environment = read(run / "environment.json")
    assert environment["seed"] == 0
    assert environment["processor"] and environment["cores"] >= 1
    assert environment["commit"] is None or len(environment["commit"].removesuffix("-dirty")) == 40
    for name in ("obrl", "torch", "lightning", "numpy"):
        assert environment["versions"][name]
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [STEPS_PER_EPOCH * (epoch + 1) for epoch in range(EPOCHS)]
    assert all(0 < float(row["valid/accuracy"]) < 1 and float(row["train/loss"]) > 0 for row in rows)
    assert list((run / "tensorboard").glob("events.*"))
    pictures = ["accuracy.png"] + (["relation.png"] if loss == "obrl" else [])
    for picture in pictures:
        with Image.open(run / picture) as image:
            assert min(image.size) > 500
    for name in ("relation.npz", "history.npz", "report.html"):
        assert (run / name).exists() == (loss == "obrl")


def test_the_relation_over_time_is_recorded(finished: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    run = finished["obrl"]
    history = History.load(run / "history.npz")
    assert history.steps.tolist() == [STEPS_PER_EPOCH * (epoch + 1) for epoch in range(EPOCHS)]
    assert history.label_names == CELEBA_ATTRIBUTES
    last = OnlineBatchRelation.load(run / "relation.npz").relation
    np.testing.assert_array_equal(history.relation[-1], last.astype(np.float32))
    assert obrl_command(["history", str(run / "history.npz")]) == 0
    assert str(EPOCHS * STEPS_PER_EPOCH) in capsys.readouterr().out
    (events,) = (run / "tensorboard").glob("events.*")
    assert b"criterion.criterion/relation" in events.read_bytes()
    assert "criterion.criterion" not in (run / "metrics.csv").read_text()


def test_report_of_a_run(finished: dict[str, Path]) -> None:
    report = read(finished["obrl"] / "report.json")
    assert (report["data"], report["split"], report["samples"], report["loss"]) == ("celeba", "test", 32, "obrl")
    assert set(report["attributes"]) == set(CELEBA_ATTRIBUTES)
    assert {name: tuple(group["attributes"]) for name, group in report["groups"].items()} == dict(GROUPS)
    accuracies = [figures["accuracy"] for figures in report["attributes"].values()]
    assert report["mean_accuracy"] == pytest.approx(np.mean(accuracies))
    for group in report["groups"].values():
        members = [report["attributes"][name]["accuracy"] for name in group["attributes"]]
        assert group["accuracy"] == pytest.approx(np.mean(members))
    for figures in report["attributes"].values():
        assert figures["support"]["positive"] + figures["support"]["negative"] == 32
    relation = report["relation"]
    assert relation["used"]
    assert relation["measured_batches"] == EPOCHS * STEPS_PER_EPOCH // 2
    assert 0 <= relation["share_in_gradient"]["run"] <= 1
    assert set(relation["definitions"]) == {"share_in_loss", "share_in_gradient"}
    pairs = OnlineBatchRelation.load(finished["obrl"] / "relation.npz").pairs()
    page = header(finished["obrl"] / "report.html")
    assert page["labels"] == list(CELEBA_ATTRIBUTES)
    assert f"acts on {len(pairs) or 'no'} " in page["findings"][0]["text"]
    assert [entry["attributes"] for entry in relation["active_pairs"]] == [list(pair.names) for pair in pairs]


def test_weights_load_without_pickle(finished: dict[str, Path]) -> None:
    checkpoint = torch.load(finished["obrl"] / "checkpoints" / "last.ckpt", weights_only=True)
    with safe_open(finished["obrl"] / "model.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["names"]) == list(CELEBA_ATTRIBUTES)
        assert json.loads(file.metadata()["net"])["nets"] == ["net_0", "net_2"]
        for name in file.keys():  # noqa: SIM118 - not a mapping
            assert torch.equal(file.get_tensor(name), checkpoint["state_dict"][f"model.{name}"])


def test_relation_is_that_of_the_training_targets(finished: dict[str, Path]) -> None:
    """Eq. 1 over the batches in their order, with NumPy alone; validation does not move it."""
    config = load_config(finished["obrl"] / "config.yaml")
    targets = open_data(config, load_stage("attributes")).values("train")
    relation = OnlineBatchRelation(40)
    for epoch in range(EPOCHS):
        order = epoch_order(len(targets), seed=config.seed, epoch=epoch)
        for start in range(0, len(targets), 16):
            relation.update(targets[order[start : start + 16]])
    stored = OnlineBatchRelation.load(finished["obrl"] / "relation.npz")
    np.testing.assert_array_equal(stored.relation_weight > 0, relation.relation_weight > 0)
    np.testing.assert_allclose(stored.relation, relation.relation, rtol=0, atol=16 * np.finfo(np.float32).eps)


def test_both_losses_are_compared_and_the_comparison_resumes(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both"
    arguments = [*tiny_arguments(faces, out), "--train.epochs", "1", "--loss", "both"]
    assert train(*arguments) == 0
    printed = capsys.readouterr().out
    comparison = read(out / "comparison.json")
    for name in GROUPS:
        row = comparison["groups"][name]
        assert row["ce"] == read(out / "ce" / "report.json")["groups"][name]["accuracy"]
        assert row["obrl"] == read(out / "obrl" / "report.json")["groups"][name]["accuracy"]
        assert percent(row["majority_accuracy"]) in printed
    assert comparison["relation"] in printed
    (out / "obrl" / "report.json").unlink()
    (out / "comparison.json").unlink()
    assert train("--resume", out) == 0
    assert "is complete" in capsys.readouterr().out
    assert read(out / "comparison.json") == comparison


def test_an_existing_folder_is_refused_or_replaced(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["--train.epochs", "1", "--loss", "ce"]
    run, other = tmp_path / "run", tmp_path / "other"
    assert train(*tiny_arguments(faces, run), *short) == 0
    first = (run / "report.json").read_text()
    assert train(*tiny_arguments(faces, run), *short) == 2
    assert "already holds a run" in capsys.readouterr().err
    assert train(*tiny_arguments(faces, run), *short, "--overwrite", "--seed", "1") == 0
    assert (run / "report.json").read_text() != first
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    assert train(*tiny_arguments(faces, other), *short, "--overwrite") == 2
    assert "not a run" in capsys.readouterr().err
    assert (other / "thesis.tex").read_text() == "mine"


def test_bad_data_deletes_nothing_and_leaves_no_folder(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished["ce"], run)
    for out in (run, tmp_path / "new"):
        assert train("--data", "celeba", "--root", tmp_path / "nowhere", "--out", out, "--overwrite") == 2
        assert "nowhere" in capsys.readouterr().err
    assert (run / "report.json").exists()
    assert not (tmp_path / "new").exists()


def test_a_broken_picture_is_named(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "faces"
    shutil.copytree(faces, broken)
    (broken / "img_align_celeba" / "000007.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    assert train(*tiny_arguments(broken, tmp_path / "strict"), "--read.max_unusable=0.005") == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "000007.jpg" in message
    assert train(*tiny_arguments(broken, tmp_path / "run"), "--train.epochs=1") == 0
    assert read(tmp_path / "run" / "report.json")["unusable_pictures"] == 1
    assert "000007.jpg" in (tmp_path / "run" / "report.md").read_text()


def test_the_process_is_left_as_it_was(faces: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads() + 1
    torch.set_num_threads(threads)
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    try:
        assert train(*tiny_arguments(faces, tmp_path / "run"), "--train.epochs=1", "--train.progress=on") == 0
        assert torch.get_num_threads() == threads
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.equal(torch.rand(3), expected)
    finally:
        torch.set_num_threads(threads - 1)


def test_missing_labels_train(faces: Path, tmp_path: Path) -> None:
    config = parse_command([*tiny_arguments(faces, tmp_path / "run"), "--train.epochs=1", "--loss=obrl"]).config
    data = open_data(config, load_stage("attributes"))
    targets = data.targets.values.copy()
    hidden = np.random.default_rng(0).random(targets.shape) < 0.3
    targets[hidden] = np.nan
    gappy = replace(data, targets=replace(data.targets, values=targets))
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    report = fit(run, start_run(run, config, gappy), gappy)
    test_rows = gappy.values("test")
    for column, name in enumerate(gappy.targets.names):
        support = report["attributes"][name]["support"]
        assert support == {
            "positive": int((test_rows[:, column] == 1).sum()),
            "negative": int((test_rows[:, column] == 0).sum()),
        }
    assert np.isfinite(report["cross_entropy"])
