"""What no label defines stays undefined, from the run to its resumption and its evaluation."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from reference_model.evaluate import main as evaluate
from reference_model.runs import read_figures, read_json
from tests.reference_model.training.commands import tiny_arguments, train

NEVER_TRAINED, NEVER_TESTED = "Bald", "Wearing_Earrings"  # the second is a group of its own


@pytest.fixture(scope="module")
def holes(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The faces with one attribute that no training picture is labelled with, and one that no test picture is."""
    root = tmp_path_factory.mktemp("holes") / "celeba"
    shutil.copytree(faces, root)
    partition = dict(line.split() for line in (root / "list_eval_partition.txt").read_text().splitlines())
    table = root / "list_attr_celeba.txt"
    count, header, *rows = table.read_text().splitlines()
    hidden = {"0": header.split().index(NEVER_TRAINED), "2": header.split().index(NEVER_TESTED)}
    lines = [count, header]
    for row in rows:
        file, *values = row.split()
        if partition[file] in hidden:
            values[hidden[partition[file]]] = "nan"
        lines.append(" ".join([file, *values]))
    table.write_text("\n".join(lines) + "\n")
    return root


def test_undefined_figures_survive_resuming_and_evaluating(
    holes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert train(*tiny_arguments(holes, out), "--train.epochs=1", "--loss=both") == 0
    first = capsys.readouterr().out
    (out / "comparison.json").rename(tmp_path / "comparison.json")
    assert train("--resume", out) == 0
    again = capsys.readouterr().out
    assert read_json(out / "comparison.json") == read_json(tmp_path / "comparison.json")
    assert read_json(out / "comparison.json")["not_measured"] == ["ears"]
    for text in (first, again):
        assert "Not measured, for want of labels: ears." in text
        assert not any("ears" in line for line in text.splitlines() if "not above the majority" in line)

    report = read_figures(out / "ce" / "report.json")
    assert math.isnan(report["attributes"][NEVER_TRAINED]["majority_accuracy"])
    assert report["attributes"][NEVER_TRAINED]["accuracy"] >= 0
    assert math.isnan(report["groups"]["ears"]["accuracy"])
    options = ["--data", "celeba", "--root", str(holes), "--out", str(tmp_path / "again")]
    assert evaluate(["--checkpoint", str(out / "ce"), *options]) == 0
    assert read_json(tmp_path / "again" / "report.json") == read_json(out / "ce" / "report.json")
