"""The measurement of a relation's uses on faces: on drawn predictions, and from runs of a small table2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evidence.__main__ import main
from benchmarks.evidence.paired import unit_weights
from benchmarks.evidence.relation_on_faces import measure, summarise
from benchmarks.evidence.relation_on_faces_choice import Candidate, _in_order, candidates
from benchmarks.evidence.relation_on_faces_nets import Net, Part, _check_same
from benchmarks.evidence.relation_on_faces_report import _choice
from reference_model.config import RunConfig
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.runs import RunError
from reference_model.settings.files import load_config
from tests.reference_model.pipeline.tables.commands import arguments, tables


def drawn(seed: int, *, related: bool) -> Net:
    """A net's dim view of eight labels, of a common cause or of none; a tenth of the test labels is missing."""
    rng = np.random.default_rng(seed)
    cause = rng.random((1200, 1 if related else 8)) < 0.4
    y = (cause ^ (rng.random((1200, 8)) < 0.05)).astype(np.float64)
    p = 1 / (1 + np.exp(-(y - 0.5 + rng.normal(size=y.shape))))
    known = rng.random(y.shape) < 0.9
    people = np.arange(1200) // 2 % 200

    def part(rows: slice) -> Part:
        return Part(p[rows], np.where(known, y, 0)[rows], known[rows], people[rows], "people", "the same")

    return Net(seed, np.where(known, y, np.nan)[:400], part(slice(400, 800)), part(slice(800, 1200)))


def verdicts(results: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    return {(part["figure"], part["of"], part["over"]): part["verdict"] for part in results["differences"]}


def test_labels_that_follow_from_others_gain() -> None:
    results = summarise([drawn(seed, related=True) for seed in range(3)])
    said = verdicts(results)
    for share in ("10%", "25%", "50%"):
        assert said[f"{share} known, mAP", "with", "without"] == "higher"
        assert said[f"{share} known, accuracy", "with", "without"] == "higher"
        foretold = results["foretold"][f"{share} known, mAP"]
        assert np.mean(foretold["valid"]) > 1
        assert np.mean(foretold["test"]) == pytest.approx(np.mean(foretold["valid"]), abs=3)
    assert said["flips, AUROC", "with", "without"] == "higher"
    assert said["wrong entries left", "query_scores, condition", "least sure"] == "lower"
    assert said["wrong entries left", "least sure, condition", "least sure"] == "lower"
    assert (results["unit"], results["units"], results["questions"], results["seeds"]) == ("people", 200, 2, [0, 1, 2])


def test_unrelated_labels_gain_nothing() -> None:
    said = verdicts(summarise([drawn(seed, related=False) for seed in range(3)]))
    uses = {place: verdict for place, verdict in said.items() if "at random" not in place}
    assert len(uses) == 10
    assert set(uses.values()) <= {"no difference", "lower"}, "estimates of nothing may cost a little, and gain nothing"
    assert said["wrong entries left", "query_scores, condition", "least sure, condition"] != "lower"
    assert said["wrong entries left", "least sure, condition", "least sure"] != "lower"


def test_missing_labels_are_neither_asked_for_nor_counted() -> None:
    net = drawn(0, related=True)
    hidden = replace(net.test, y=np.where(net.test.known, net.test.y, 1))
    before, after = (measure(each) for each in (net, replace(net, test=hidden)))
    for name, ways in before.items():
        for way, values in ways.items():
            np.testing.assert_array_equal(values, after[name][way], err_msg=f"{name}, {way}")


def test_pictures_of_a_person_are_drawn_together() -> None:
    weights = unit_weights(np.array([0, 0, 1, 2, 2, 2]))
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all() and (weights[:, 0] != weights[:, 2]).any()


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 training, 110 validation and 110 test faces in CelebA's layout: `assess` needs 20 people."""
    root = tmp_path_factory.mktemp("faces") / "celeba"
    return write_synthetic_faces(root, num_train=48, num_valid=110, num_test=110, seed=5)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Path:
    """A finished table2 of one net, frozen and with its features stored: two losses, two seeds."""
    out = tmp_path_factory.mktemp("table")
    frozen = ("--nets-frozen=yes", "--features.cache=true", f"--features.folder={out / 'features'}")
    assert tables(*arguments("table2", faces, out, "--fusions=net_0", "--seeds=2", *frozen)) == 0
    return out


def with_validation(table: Path, folder: Path, accuracy: Callable[[str], float | None]) -> Path:
    """The files of a table's finished cells with other accuracies on the validation part, by the loss."""
    shutil.copytree(table / "cells-done", folder)
    for path in folder.iterdir():
        content = json.loads(path.read_text())
        content["valid"]["accuracy"] = accuracy(content["columns"]["loss"])
        path.write_text(json.dumps(content))
    return folder


def record(table: Path) -> str:
    return str(table / "table2.record.json")


def keys_of(cells: Path, loss: str) -> set[str]:
    return {path.stem for path in cells.iterdir() if json.loads(path.read_text())["columns"]["loss"] == loss}


@pytest.mark.parametrize("best", ["ce", "obrl"])
def test_the_net_is_chosen_on_the_validation_part(
    table: Path, faces: Path, tmp_path: Path, best: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = with_validation(table, tmp_path / "cells", lambda loss: 0.9 if loss == best else 0.8)
    out = tmp_path / "deep" / "results"
    assert (
        main(
            [
                "relation_on_faces",
                "--choose",
                record(table),
                "--cells",
                str(cells),
                "--runs",
                str(table),
                "--out",
                str(out),
            ]
        )
        == 0
    )
    document = json.loads(out.with_suffix(".json").read_text())
    results = document["data"]["celeba"]
    assert (results["fusion"], results["loss"], results["treatment"]) == ("net_0", best, "frozen")
    assert (results["seeds"], results["test_pictures"], results["labels"]) == ([0, 1], 110, 40)
    first, second = document["choice"]["celeba"]
    assert (first["loss"], first["valid_accuracy"], first["seeds"]) == (best, 90, [0, 1])
    assert second["valid_accuracy"] == 80
    text = out.with_suffix(".md").read_text()
    assert text.strip() in capsys.readouterr().out
    assert f"| celeba: net_0, frozen, {best} | 0, 1 | 90.00 | 0.00 | yes |" in text
    assert str(table) not in out.with_suffix(".json").read_text() + text


def test_the_accuracy_of_the_net_is_that_of_its_report(table: Path, tmp_path: Path) -> None:
    cells = with_validation(table, tmp_path / "cells", lambda loss: 0.9 if loss == "ce" else 0.8)
    out = tmp_path / "results"
    folders = [str(table / "cells" / key) for key in keys_of(cells, "ce")]
    assert main(["relation_on_faces", "--runs", *folders, "--out", str(out)]) == 0
    document = json.loads(out.with_suffix(".json").read_text())
    reports = {json.loads((Path(folder) / "report.json").read_text())["mean_accuracy"] for folder in folders}
    wrong = document["data"]["celeba"]["figures"]["wrong entries left"]["none asked"]
    assert sorted(100 - value for value in wrong) == pytest.approx(sorted(100 * value for value in reports), abs=0.15)
    assert document["choice"] == {} and "chosen" not in out.with_suffix(".md").read_text()


def test_a_run_that_is_gone_is_named(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = with_validation(table, tmp_path / "cells", lambda loss: 0.9 if loss == "ce" else 0.8)
    gone, *_ = sorted(keys_of(cells, "ce"))
    shutil.copytree(table / "cells", tmp_path / "rest" / "cells", ignore=shutil.ignore_patterns(gone))
    assert (
        main(["relation_on_faces", "--choose", record(table), "--cells", str(cells), "--runs", str(tmp_path / "rest")])
        == 2
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and gone in line and "net_0, ce, frozen" in line
    assert f"delete {cells / gone}.json and train the cell anew" in line
    assert not any(key in line for key in keys_of(cells, "ce") - {gone})


def test_a_net_with_fewer_seeds_is_not_chosen_and_named() -> None:
    def net(loss: str, *accuracies: float) -> Candidate:
        seeds = range(len(accuracies))
        return Candidate("net_0", loss, "frozen", dict.fromkeys(seeds, ""), dict(enumerate(accuracies)))

    nets = _in_order("celeba", [net("few", 99), net("worse", 80, 80), net("better", 80, 90)])
    assert [(each.loss, each.eligible) for each in nets] == [("better", True), ("worse", True), ("few", False)]
    lines = _choice({"celeba": [each.as_plain() for each in nets]})
    assert "| celeba: net_0, frozen, few | 0 | 99.00 |  | not eligible |" in lines
    none = [net("few", 99), replace(net("other", 99), keys={1: ""})]
    with pytest.raises(RunError, match="no net on celeba has all of the seeds 0, 1; give --choose records"):
        _in_order("celeba", none)


def test_cells_that_another_table_trained_count_as_the_record_says(table: Path, tmp_path: Path) -> None:
    cells = with_validation(table, tmp_path / "cells", lambda loss: 0.9 if loss == "ce" else 0.8)
    for path in cells.iterdir():
        content = json.loads(path.read_text())
        content["columns"] = {"data": "celeba", "alpha": "alpha 0", "nets": "net_0", "seed": "seed 0"}
        path.write_text(json.dumps(content))
    nets = candidates([Path(record(table))], cells)["celeba"]
    assert [(net.fusion, net.loss, net.treatment, sorted(net.keys)) for net in nets] == [
        ("net_0", loss, "frozen", [0, 1]) for loss in ("ce", "obrl")
    ]


def test_runs_that_start_from_other_nets_are_no_seeds_of_one(table: Path, tmp_path: Path) -> None:
    config = load_config(next((table / "cells").iterdir()) / "config.yaml")
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    first.write_bytes(b"a" * 20)
    second.write_bytes(b"a" * 20)

    def runs() -> list[RunConfig]:
        weights = (replace(config.weights, net_0=path) for path in (first, second))
        return [replace(config, seed=seed, weights=start) for seed, start in enumerate(weights)]

    _check_same("celeba", runs())
    second.write_bytes(b"b" * 20)
    with pytest.raises(RunError, match=r"these also differ in weights\.net_0"):
        _check_same("celeba", runs())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--choose", "RECORD", "--cells", "EMPTY", "--runs", "TABLE"], "4 of 4 cells of"),
        (["--choose", "RECORD", "--runs", "TABLE"], "--choose RECORD and --cells DIR belong together"),
        (
            ["--choose", "RECORD", "--cells", "NO VALID", "--runs", "TABLE"],
            "json does not say its accuracy on the validation part; delete that file and train the cell anew",
        ),
        (["--runs", "TABLE"], "is no run"),
        (["--runs", "ALL"], "may differ in the seed only, these also differ in loss"),
        (["--runs", "ONE", "--root", "lfwa=x"], "--root lfwa: the runs are on celeba"),
        (["--runs", "ONE", "--root", "x"], "expected DATA=FOLDER"),
        (["--runs", "STOPPED"], "is not finished"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    table: Path, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = sorted(map(str, (table / "cells").iterdir()))
    (tmp_path / "empty").mkdir()
    places = {"TABLE": [str(table)], "ALL": runs, "ONE": runs[:1], "EMPTY": [str(tmp_path / "empty")]}
    places["RECORD"] = [record(table)]
    places["NO VALID"] = [str(with_validation(table, tmp_path / "cells", lambda loss: None))]
    places["STOPPED"] = [str(shutil.copytree(runs[0], tmp_path / "run", ignore=shutil.ignore_patterns("report.json")))]
    filled = [part for word in words for part in places.get(word, [word])]
    assert main(["relation_on_faces", *filled, "--out", str(tmp_path / "results")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and said in line
    assert not (tmp_path / "results.json").exists()
