"""The stages pretrain and race: targets, head, loss, figures and report against counting."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model.data.catalogue import Catalogue, ClassLabels
from reference_model.stages.registry import load_stage
from tests.reference_model.stages.pictures import CONFIG, colour_catalogue, evaluate, thirds
from tests.support.tolerances import assert_close, band

PICTURES = 200
NAMES = ("apple", "bus", "cat", "dog", "egg", "fox", "gnu")


def catalogue(label: str = "class", classes: int = 7) -> Catalogue:
    values = np.random.default_rng(1).choice(classes, size=PICTURES)
    values[::17] = -1
    labels = {label: ClassLabels(NAMES[:classes], values)}
    return colour_catalogue(labels, brightness=np.clip(values, 0, None) / classes, split=thirds(PICTURES))


def logits(classes: int = 7) -> torch.Tensor:
    return torch.randn(PICTURES, classes, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", ["pretrain", "race"])
def test_figures_are_those_of_counting(name: str) -> None:
    stage = load_stage(name)
    data = catalogue(stage.label)
    report = stage.report(evaluate(stage, data, logits()))
    values = stage.targets(data, CONFIG).values
    rows = np.flatnonzero((data.split == "test") & (values >= 0))
    order = logits().argsort(dim=1, descending=True).numpy()
    right = [order[row, 0] == values[row] for row in rows]
    top_5 = [values[row] in order[row, :5] for row in rows]
    recall = [np.mean([order[row, 0] == c for row in rows if values[row] == c]) for c in range(7)]
    exact = band(PICTURES, 1.0)
    assert report["samples"] == len(rows)
    assert_close("top-1", report["top_1"], np.mean(right), exact)
    assert_close("top-5", report["top_5"], np.mean(top_5), exact)
    assert_close("balanced", report["balanced_accuracy"], np.mean(recall), exact)
    train = values[(data.split == "train") & (values >= 0)]
    common = np.bincount(train).argmax()
    assert report["majority"]["class"] == NAMES[common]
    assert_close("majority", report["majority"]["accuracy"], np.mean(values[rows] == common), exact)
    for actual in range(7):
        for predicted in range(7):
            count = sum(values[row] == actual and order[row, 0] == predicted for row in rows)
            assert report["confusion"][actual][predicted] == count
    assert report["main"]["value"] == report[{"pretrain": "top_1", "race": "balanced_accuracy"}[name]]
    worst = report["most_confused"][0]
    table = np.array(report["confusion"])
    assert worst["pictures"] == (table - np.diag(np.diag(table))).max()


@pytest.mark.parametrize("name", ["pretrain", "race"])
def test_running_figures_agree_with_the_report(name: str) -> None:
    stage = load_stage(name)
    data = catalogue(stage.label)
    targets = stage.targets(data, CONFIG)
    figures = stage.metrics(targets)
    rows = np.flatnonzero(data.split == "test")
    for part in np.array_split(rows, 3):
        figures.update(logits()[part], torch.from_numpy(targets.values[part]))
    running = figures.compute()
    report = stage.report(evaluate(stage, data, logits()))
    for key in ("top_1", "balanced_accuracy"):
        assert_close(key, running[key], report[key], band(PICTURES, 1.0))
    figures.reset()
    assert all(not buffer.any() for buffer in figures.buffers())
    assert not figures.state_dict()


def test_the_loss_of_equal_logits_is_ln_c() -> None:
    stage = load_stage("pretrain")
    targets = stage.targets(catalogue(), CONFIG)
    terms = stage.loss(targets, CONFIG).terms(torch.zeros(4, 7), torch.tensor([0, 3, -1, 6]))
    assert_close("loss", terms.total, np.log(7), band(7, 2.0, "float32"))
    assert_close("ln C", terms.uniform_loss, np.log(7), band(7, 2.0, "float32"))


def test_a_class_without_pictures_is_undefined_and_not_in_the_mean() -> None:
    stage = load_stage("race")
    values = np.array([0, 1, 0, 0, 0] * 10)
    data = colour_catalogue({"race": ClassLabels(NAMES[:3], values)}, brightness=[0.0] * 50, split=thirds(50))
    sentences = stage.check(stage.targets(data, CONFIG), CONFIG)
    assert sentences == ("1 of 3 classes have no training picture and cannot be learnt: cat",)
    outputs = torch.eye(3)[torch.from_numpy(values)]
    report = stage.report(evaluate(stage, data, outputs))
    assert np.isnan(report["by_class"]["bus"]["recall"])
    assert np.isnan(report["top_5"])
    assert report["balanced_accuracy"] == 1
    assert "top-5" not in stage.describe(report)


@pytest.mark.parametrize("classes", [3, 60])
def test_text_and_picture_are_written(classes: int, tmp_path: Path) -> None:
    stage = load_stage("pretrain")
    values = np.arange(PICTURES * 3) % classes
    names = tuple(f"class {number}" for number in range(classes))
    data = colour_catalogue(
        {"class": ClassLabels(names, values)}, brightness=[0.0] * len(values), split=thirds(len(values))
    )
    data = replace(data, notes=("A note.",))
    report = stage.report(evaluate(stage, data, torch.eye(classes)[torch.from_numpy(values)]))
    json.dumps(report)
    assert "100.00 %" in stage.describe({"stage": "pretrain", "data": "colours", **report})
    assert stage.describe(report).endswith("A note.")
    stage.plot(tmp_path / "report.png", report)
    assert (tmp_path / "report.png").stat().st_size > 5000


def test_heads_have_one_output_a_class() -> None:
    stage = load_stage("race")
    assert stage.head is not None
    head = stage.head(16, 6, stage.targets(catalogue("race", 3), CONFIG), CONFIG)
    assert head(torch.zeros(2, 16, 6, 6)).shape == (2, 3)


def test_folders_of_classes_may_be_races() -> None:
    stage = load_stage("race")
    assert stage.adapt is not None
    data = stage.adapt(catalogue("class", 3))
    assert stage.targets(data, CONFIG).names == NAMES[:3]
    assert stage.adapt(data) is data


def test_what_cannot_be_learnt_is_an_error() -> None:
    stage = load_stage("pretrain")
    with pytest.raises(ValueError, match="colours has no classes of the kind class; it is labelled with race"):
        stage.targets(catalogue("race"), CONFIG)
    data = colour_catalogue({"class": ClassLabels(NAMES, np.zeros(10, int))}, brightness=[0.0] * 10, split=thirds(10))
    with pytest.raises(ValueError, match="two classes or more, and there are 6 of apple"):
        stage.targets(data, CONFIG)
