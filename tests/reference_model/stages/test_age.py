"""The stage age."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reference_model.data.catalogue import Catalogue, ClassLabels, YearLabels
from reference_model.stages.registry import load_stage
from tests.reference_model.stages.pictures import CONFIG, colour_catalogue, evaluate, thirds
from tests.support.tolerances import assert_close, band

PICTURES = 250
YEAR = band(PICTURES, 100.0, "float32")


def catalogue(**changes: float) -> Catalogue:
    years = np.random.default_rng(3).integers(0, 101, size=PICTURES).astype(np.float32)
    years[::13] = np.nan
    for row, value in changes.items():
        years[int(row.removeprefix("row"))] = value
    return colour_catalogue({"age": YearLabels(years)}, brightness=np.nan_to_num(years) / 100, split=thirds(PICTURES))


def outputs() -> torch.Tensor:
    return torch.rand(PICTURES, generator=torch.Generator().manual_seed(4))


def test_errors_are_those_of_counting_overall_and_by_decade() -> None:
    stage = load_stage("age")
    data = catalogue()
    report = stage.report(evaluate(stage, data, outputs()))
    years = data.labels["age"].values
    median = float(np.median([y for y, part in zip(years, data.split, strict=True) if part == "train" and y == y]))
    rows = [row for row in range(PICTURES) if data.split[row] == "test" and not np.isnan(years[row])]
    predicted = 100 * outputs().double().numpy()
    errors = [abs(predicted[row] - years[row]) for row in rows]
    assert report["samples"] == len(rows)
    assert report["median_years"] == median
    assert_close("mae", report["mae"], np.mean(errors), YEAR)
    assert_close("median", report["median_mae"], np.mean([abs(median - years[row]) for row in rows]), YEAR)
    assert_close("ratio", report["ratio"], report["mae"] / report["median_mae"], band(1, 1.0))
    assert report["main"]["value"] == report["mae"]
    for decade in range(11):
        members = [row for row in rows if 10 * decade <= years[row] <= 10 * decade + 9]
        name = f"{10 * decade}-{10 * decade + 9}"
        assert (name in report["by_decade"]) == bool(members)
        if members:
            figures = report["by_decade"][name]
            assert figures["pictures"] == len(members)
            assert_close(name, figures["mae"], np.mean([abs(predicted[r] - years[r]) for r in members]), YEAR)
            assert_close(name, figures["bias"], np.mean([predicted[r] - years[r] for r in members]), YEAR)


def test_running_errors_agree_with_the_report() -> None:
    stage = load_stage("age")
    data = catalogue()
    targets = stage.targets(data, CONFIG)
    figures = stage.metrics(targets)
    for part in np.array_split(np.flatnonzero(data.split == "test"), 4):
        figures.update(outputs()[part], torch.from_numpy(targets.values[part]))
    report = stage.report(evaluate(stage, data, outputs()))
    for name in ("mae", "median_mae"):
        assert_close(name, figures.compute()[name], report[name], YEAR)


def test_the_loss_is_half_the_mean_square_of_hundredths_of_years() -> None:
    stage = load_stage("age")
    data = catalogue()
    targets = stage.targets(data, CONFIG)
    values = torch.from_numpy(targets.values)
    x = outputs().requires_grad_()
    total = stage.loss(targets, CONFIG).terms(x, values).total
    total.backward()
    known = ~np.isnan(targets.values)
    difference = (outputs().double().numpy() - data.labels["age"].values / 100)[known]
    assert_close("loss", total.detach(), (difference**2).mean() / 2, band(PICTURES, 1.0, "float32"))
    assert x.grad is not None
    assert_close("gradient", x.grad[known], difference / known.sum(), band(PICTURES, 1.0, "float32"))
    assert not x.grad[~known].any()


def test_the_head_starts_at_the_training_mean() -> None:
    stage = load_stage("age")
    targets = stage.targets(catalogue(), CONFIG)
    assert stage.head is not None
    head = stage.head(16, 6, targets, CONFIG)
    assert_close("start", head(torch.zeros(2, 16, 6, 6)).detach() * 100, [targets.details["train_mean"]] * 2, YEAR)


def test_text_and_picture_are_written(tmp_path: Path) -> None:
    stage = load_stage("age")
    report = stage.report(evaluate(stage, catalogue(), outputs()))
    json.dumps(report)
    text = stage.describe({"stage": "age", "data": "colours", **report})
    assert "median" in text
    assert "| 40-49" in text
    stage.plot(tmp_path / "report.png", report)
    assert (tmp_path / "report.png").stat().st_size > 5000


def test_ages_out_of_range_name_picture_and_remedy() -> None:
    stage = load_stage("age")
    with pytest.raises(ValueError, match=r"memory:0007.png: the age 2014 is not in 0 to 100 \(2 pictures\); correct"):
        stage.targets(catalogue(row7=2014, row9=-31), CONFIG)
    classes = {"class": ClassLabels(("a", "b"), np.zeros(PICTURES, int))}
    data = colour_catalogue(classes, brightness=[0.0] * PICTURES, split=thirds(PICTURES))
    with pytest.raises(ValueError, match="colours has no ages; it is labelled with class"):
        stage.targets(data, CONFIG)
    none = {f"row{row}": np.nan for row in range(PICTURES) if row % 5 < 3}
    with pytest.raises(ValueError, match="no picture of the training partition has an age"):
        stage.targets(catalogue(**none), CONFIG)
