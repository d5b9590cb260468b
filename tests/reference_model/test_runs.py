"""The run folder: names, refusals, and files that are never half written."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import reference_model
from reference_model.engine import logs
from reference_model.engine.logs import MetricsFile, epoch_line, last_validation
from reference_model.reports.attributes import format_report, groups_below_majority
from reference_model.reports.comparison import compare_reports, format_comparison
from reference_model.runs import RunError, create_run_folder, default_run_path, read_figures, read_json, write_json


def test_a_new_folder_may_be_empty_or_absent(tmp_path: Path) -> None:
    assert create_run_folder(tmp_path, overwrite=False).path == tmp_path
    assert create_run_folder(tmp_path / "a" / "b", overwrite=False).path.is_dir()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="not a folder"):
        create_run_folder(tmp_path / "file", overwrite=True)


def test_default_folder_is_named_after_the_time() -> None:
    assert default_run_path("celeba", now=datetime(2024, 5, 6, 7, 8, 9)) == Path("runs/2024-05-06-070809-celeba")


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": [float("nan"), {"y": float("inf")}, 1.5], "z": (1, None)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": [None, {"y": None}, 1.5], "z": [1, None]}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(("text", "words"), [("{", "not valid JSON"), ("[1]", "no JSON object"), (None, "is missing")])
def test_json_that_cannot_be_read(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(RunError, match=words):
        read_json(tmp_path / "a.json")


def test_metrics_go_on_from_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    first = MetricsFile(path)
    for step in (10, 20, 30):
        first.log_metrics({"epoch": 0.0, "valid/loss": 1 / step}, step)
        first.log_metrics({"epoch": 0.0, "train/loss": 2 / step}, step)
        first.log_metrics({"criterion/pairs_apart": 2.0}, step)  # a callback's
        first.save()
    whole = path.read_text()
    assert whole.splitlines()[0] == "step,epoch,train/loss,valid/loss"
    resumed = MetricsFile(path, resume_step=20)
    resumed.log_metrics({"epoch": 0.0, "valid/loss": 1 / 30, "train/loss": 2 / 30}, 30)
    resumed.save()
    assert path.read_text() == whole
    assert MetricsFile(path)._rows == {}, "a new run starts empty"
    with pytest.raises(ValueError, match="step"):
        resumed.log_metrics({"a": 1.0})


@pytest.mark.parametrize("row", ["half", "3,much"])
def test_a_finished_run_with_damaged_metrics_is_trained_anew(row: str, tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.csv"
    path.parent.mkdir()
    path.write_text("step,valid/loss\n3,0.5\n")
    assert last_validation(path) == {"loss": 0.5}
    path.write_text(f"step,valid/loss\n{row}\n")
    with pytest.raises(RunError, match=r"metrics\.csv is damaged") as raised:
        last_validation(path)
    assert str(raised.value).endswith(f"; delete {path.parent} to train the run anew")


def test_a_figure_that_is_not_a_number_is_shown_and_a_missing_validation_is_not() -> None:
    def line(valid: float | None) -> str:
        return epoch_line({"loss": 1.0}, {"accuracy": (0.5, valid)}, {}, epoch=1, epochs=2, course="1 s")

    assert line(math.nan) == "epoch 1/2  loss 1.000  accuracy 50.00% train, nan% valid  1 s"
    assert line(None) == "epoch 1/2  loss 1.000  accuracy 50.00% train  1 s"


def test_only_the_first_process_writes_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = MetricsFile(tmp_path / "metrics.csv"), MetricsFile(tmp_path / "metrics.csv")
    first.log_metrics({"epoch": 0.0, "loss": 1.0}, step=3)
    first.save()
    monkeypatch.setattr(logs, "this_rank", lambda: 1)
    second.finalize("success")
    assert (tmp_path / "metrics.csv").read_text() == "step,epoch,loss\n3,0.0,1.0\n"


def report(*, majority: float = 0.75, **accuracies: float) -> dict[str, Any]:
    figures = {"majority_accuracy": majority, "balanced_accuracy": 0.5, "f1": 0.5}
    groups = {name: {**figures, "attributes": [name], "accuracy": value} for name, value in accuracies.items()}
    about = {"data": "synthetic", "split": "test", "loss": "ce", "samples": 8, "attributes": dict.fromkeys(accuracies)}
    means = {f"mean_{name}": value for name, value in {**figures, "accuracy": 0.8}.items()}
    return {**about, **means, "groups": groups, "relation": {"statement": "The relation loss is active."}}


def test_comparison_names_the_groups_below_the_baseline() -> None:
    comparison = compare_reports({"ce": report(hair=0.875, nose=0.75), "obrl": report(hair=0.9, nose=0.8)})
    assert comparison["below_majority"] == {"ce": ["nose"], "obrl": []}
    assert comparison["not_measured"] == []
    text = format_comparison(comparison)
    assert "cross-entropy: not above the majority class in nose." in text
    assert "joint loss: every group is above the majority class." in text
    assert "The relation loss is active." in text
    assert "+2.50" in text


@pytest.mark.parametrize("stored", [True, False])
def test_a_group_without_test_labels_is_undefined_and_never_below_the_baseline(stored: bool, tmp_path: Path) -> None:
    reports = {"ce": report(hair=0.875, ears=math.nan), "obrl": report(hair=0.9, ears=math.nan)}
    if stored:  # as a resumed run finds them
        for name, content in reports.items():
            write_json(tmp_path / name, content)
        reports = {name: read_figures(tmp_path / name) for name in reports}
    comparison = compare_reports(reports)
    write_json(tmp_path / "comparison.json", comparison)
    assert comparison["below_majority"] == {"ce": [], "obrl": []}
    assert comparison["not_measured"] == ["ears"]
    for content in (comparison, read_figures(tmp_path / "comparison.json"), read_json(tmp_path / "comparison.json")):
        lines = format_comparison(content).splitlines()
        assert lines[3].split() == ["ears", "1", "75.00", "%", "-", "-", "-"]
        assert "joint loss: every measured group is above the majority class." in lines
        assert "Not measured, for want of labels: ears." in lines


def test_a_report_says_what_is_not_a_number_and_what_was_not_measured() -> None:
    content = report(hair=0.875, majority=math.nan) | {"unusable_predictions": 3}
    text = format_report(content)
    assert "3 predictions are not numbers and are part of no figure." in text
    assert "Not measured, for want of labels: hair." in text
    assert groups_below_majority(content) == []


def test_undefined_figures_come_back_as_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": math.nan, "b": [1.0, {"c": math.inf}], "d": "text", "e": 2})
    assert read_json(tmp_path / "x.json") == {"a": None, "b": [1.0, {"c": None}], "d": "text", "e": 2}
    back = read_figures(tmp_path / "x.json")
    assert math.isnan(back["a"]) and math.isnan(back["b"][1]["c"])
    assert (back["b"][0], back["d"], back["e"]) == (1.0, "text", 2)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "1000 None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None active"),
    ],
)
def test_waiting_threads_sleep_unless_told_otherwise(variables: dict[str, str], expected: str) -> None:
    code = (
        "import os, sys, reference_model.openmp; assert 'torch' not in sys.modules; "
        "print(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | variables, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("program", ["train", "evaluate"])
def test_programs_say_so_before_torch_is_loaded(program: str) -> None:
    source = (Path(reference_model.__file__).parent / f"{program}.py").read_text()
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports[1].startswith("import reference_model.openmp")
