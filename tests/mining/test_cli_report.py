"""`obrl report`, and the report that `obrl mine` writes, run as a user would."""

from __future__ import annotations

import csv
import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation
from obrl.history import History
from obrl.mining import RelationMiner
from obrl.mining.changes.drift import history_drift
from obrl.mining.cli import main
from obrl.mining.report import report_of_table
from obrl.report import checks
from tests.mining.test_cli_suspects import NAMES, write_table
from tests.mining.test_suspects import related_table
from tests.support.html_report import column, columns, header, run_code, texts


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table and what was mined from it."""
    monkeypatch.chdir(tmp_path)
    write_table(Path("t.csv"), related_table(400))
    assert main(["mine", "t.csv", "--out", "mined", "--quiet"]) == 0
    return tmp_path


def report(*arguments: str) -> Path:
    assert main(["report", *arguments, "--out", "r.html", "--quiet"]) == 0
    return Path("r.html")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The error of a call that must leave nothing behind."""
    before = sorted(Path().iterdir())
    assert main(["report", *arguments, "--quiet"]) == 2
    assert sorted(Path().iterdir()) == before
    error = capsys.readouterr().err
    assert error.startswith("obrl: ") and error.count("\n") == 1
    return error


def test_mine_writes_the_report_of_what_it_mined(place: Path) -> None:
    path = Path("mined") / "report.html"
    miner = RelationMiner.load("mined/relation.npz")
    expected = report_of_table(miner.table_counts_, mined=miner.to_numpy())
    content = header(path)
    assert texts(path) == [finding.text for finding in expected.findings]
    assert content["title"] == "How the labels of t.csv relate"
    assert content["thresholds"] == list(expected.thresholds)
    assert content["labels"] == NAMES
    assert dict(content["facts"])["table"] == "t.csv"
    again = run_code(path)
    assert again.settings.positive_threshold == miner.suggest_thresholds()["positive_threshold"]
    np.testing.assert_allclose(again.relation, miner.relation_, rtol=0, atol=1e-12)
    assert [name for name, *_ in content["columns"]].count("suspects") == 0


def test_mine_reports_settings_and_several_files(place: Path) -> None:
    write_table(Path("u.csv"), related_table(300, seed=4))
    arguments = ["--decay", "0.9", "--batch-size", "50", "--measure", "pearson", "--out", "other", "--quiet"]
    assert main(["mine", "t.csv", "u.csv", *arguments]) == 0
    content = header(Path("other") / "report.html")
    assert content["title"] == "How the labels of t.csv and 1 more file relate"
    facts = dict(content["facts"])
    assert (facts["rows"], facts["decay"], facts["batch size"]) == ("700", "0.9", "50")
    assert facts["table"] == "t.csv and 1 more file"
    assert "mined with decay 0.9" in " ".join(texts(Path("other") / "report.html"))
    assert "measure='pearson'" in content["code"]


def test_a_history_is_part_of_the_report(place: Path) -> None:
    assert main(["mine", "t.csv", "--history", "4", "--out", "over_time", "--quiet"]) == 0
    (drift,) = column(Path("over_time") / "report.html", "drift")
    assert drift["title"] == history_drift(History.load("over_time/history.npz")).title
    assert column(report("over_time"), "drift") == [drift]  # the history lies beside the relation
    assert column(Path("mined") / "report.html", "drift") is None
    assert column(report("mined"), "drift") is None


def test_a_mined_relation_is_reported_from_its_file(place: Path) -> None:
    path = report("mined")
    assert texts(path) == texts(Path("mined") / "report.html")
    assert header(path)["title"] == "How the labels of t.csv relate"
    assert "RelationMiner.load('mined/relation.npz')" in header(path)["code"]
    assert column(path, "suspects") is None


def test_a_relation_that_stands_alone_is_named_by_its_file(place: Path) -> None:
    Path("mined/relation.npz").rename("mined/r.npz")
    assert header(report("mined/r.npz"))["title"] == "How the labels of r.npz relate"
    Path("mined/r.npz").rename("relation.npz")
    assert header(report("relation.npz"))["title"] == "How the labels of relation.npz relate"


@pytest.mark.parametrize("text", ['{"files": 5}', '{"files": [5]}', '{"files": "t.csv"}', "[]", "{", "\xff"])
def test_a_damaged_run_file_costs_the_name_of_the_table_alone(place: Path, text: str) -> None:
    Path("mined/run.json").write_bytes(text.encode("latin-1"))
    assert header(report("mined"))["title"] == "How the labels of relation.npz relate"


def test_paths_stay_as_the_user_typed_them(place: Path) -> None:
    Path("deep").mkdir()
    write_table(Path("deep/u.csv"), related_table(400))
    assert main(["mine", "deep", "--out", "deep/out", "--quiet"]) == 0
    for path in (Path("deep/out/report.html"), report("deep/out", "./deep/u.csv", "--top", "5")):
        assert "RelationMiner.load('deep/out/relation.npz')" in header(path)["code"]
        assert str(place).encode() not in path.read_bytes() + columns(path)
    assert {row["file"] for row in column(Path("r.html"), "suspects")["rows"]} == {"./deep/u.csv"}


def test_more_labels_than_a_browser_shows_have_no_page(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_LABELS", 5)
    monkeypatch.setattr("obrl.mining.cli.mine.MOST_LABELS", 5)
    capsys.readouterr()
    assert "a report shows at most 5 labels" in refused(capsys, "mined", "none.csv", "--out", "r.html")
    assert main(["compare", "mined", "mined", "--csv", "c.csv", "--report", "r.html", "--quiet"]) == 2
    assert not Path("c.csv").exists()
    assert "a report shows at most 5 labels" in capsys.readouterr().err
    assert main(["mine", "t.csv", "--out", "new", "--quiet"]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == (
        "wrote new/relation.npz, pairs.csv, labels.csv and run.json; no report.html, which shows at most 5 labels"
    )
    assert sorted(path.name for path in Path("new").iterdir()) == [
        "labels.csv",
        "pairs.csv",
        "relation.npz",
        "run.json",
    ]


def test_a_comparison_of_relations_starts_on_the_scale_of_their_measure(place: Path) -> None:
    OnlineBatchRelation(6, measure="pearson", decay=1).update(related_table(400)).save("learnt.npz")
    assert main(["compare", "learnt.npz", "learnt.npz", "--report", "r.html", "--quiet"]) == 0
    assert header(Path("r.html"))["thresholds"] == [0.6, -0.6]


def test_a_table_adds_what_obrl_suspects_lists(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = report("mined", "t.csv", "--top", "30")
    assert main(["suspects", "t.csv", "--relation", "mined", "--top", "30", "--out", "s", "--quiet"]) == 0
    with (Path("s") / "suspects.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    suspects = column(path, "suspects")
    assert len(suspects["rows"]) == 30
    for row, line in zip(suspects["rows"], listed, strict=True):
        assert (row["file"], str(row["row"]), row["id"]) == (line["file"], line["row"], line["id"])
        assert (NAMES[row["label"]], str(row["value"])) == (line["label"], line["label_value"])
        assert row["probability"] == pytest.approx(float(line["probability"]), abs=1e-4)
        because = [line[f"explained_by_{place}"] for place in (1, 2, 3) if line[f"explained_by_{place}"]]
        words = [name.replace("=1", " present").replace("=0", " absent") for name in because]
        assert row["explanation"] == ", ".join(words)
    said = re.search(r"about (\S+) of the 30 would be wrong", capsys.readouterr().out)
    assert said is not None
    assert sum(label["wrong"] for label in suspects["labels"]) == pytest.approx(float(said[1]), abs=0.5)
    assert [label["wrong"] for label in suspects["labels"]] == sorted(
        (label["wrong"] for label in suspects["labels"]), reverse=True
    )
    assert all(label["known"] == 400 for label in suspects["labels"])
    assert texts(path)[-1].startswith(
        f"Of the 30 entries that most contradict the other labels of their row, about {said[1]}"
    )


def test_no_label_is_named_where_no_entry_would_be_wrong(place: Path) -> None:
    unrelated = (np.random.default_rng(1).random((20, 2)) < 0.5).astype(float)
    write_table(Path("s.csv"), unrelated, NAMES[:2])
    assert main(["mine", "s.csv", "--out", "small", "--quiet"]) == 0
    text = texts(report("small", "s.csv"))[-1]
    assert "about 0 would be wrong if 1 % of all entries were flipped at random. " in text
    assert "the label with the most of them is" in texts(report("mined", "t.csv"))[-1]


def test_no_rows_names_no_row(place: Path) -> None:
    assert re.search(rb"p\d+\.jpg", columns(report("mined", "t.csv"))) is not None
    path = report("mined", "t.csv", "--no-rows")
    assert re.search(rb"p\d+\.jpg", columns(path) + path.read_bytes()) is None
    assert b"t.csv" not in columns(path)  # the title alone names the file
    suspects = column(path, "suspects")
    assert suspects["rows"] is None
    assert suspects["labels"]
    assert "about" in texts(path)[-1]


def test_the_labels_are_those_of_the_relation_whatever_the_tables_order(place: Path) -> None:
    table = related_table(400)
    plain = column(report("mined", "t.csv", "--top", "40"), "suspects")
    order = [4, 0, 5, 2, 1, 3]
    write_table(Path("v.csv"), table[:, order], [NAMES[k] for k in order])
    other = column(report("mined", "v.csv", "--top", "40"), "suspects")
    assert {(row["row"], row["label"], row["value"]) for row in other["rows"]} == {
        (row["row"], row["label"], row["value"]) for row in plain["rows"]
    }
    some = column(report("mined", "v.csv", "--labels", ",".join(NAMES[:3])), "suspects")
    assert {row["label"] for row in some["rows"]} <= {0, 1, 2}
    table[::2, 5] = np.nan
    write_table(Path("w.csv"), table)
    known = {label["label"]: label["known"] for label in column(report("mined", "w.csv"), "suspects")["labels"]}
    assert known[5] == 200 and known[0] == 400


def test_a_relation_of_a_loss_shows_its_thresholds_and_takes_the_tables_names(place: Path) -> None:
    criterion = OBRLoss(6, positive_threshold=0.7, negative_threshold=0.31, alpha=3)
    criterion(np.zeros((400, 6)), related_table(400))
    criterion.save_relation("learnt.npz")
    path = report("learnt.npz")
    assert header(path)["thresholds"] == [0.7, 0.31]
    assert header(path)["labels"] == [str(k) for k in range(6)]
    assert dict(header(path)["facts"])["alpha"] == "3"
    assert run_code(path).settings == criterion.settings
    path = report("learnt.npz", "t.csv")
    assert header(path)["labels"] == NAMES
    assert len(column(path, "suspects")["rows"]) == 1000
    assert "most contradict" in texts(path)[-1]


def test_a_table_of_classes_has_a_finding_in_place_of_suspects(place: Path) -> None:
    write_table(Path("c.csv"), np.eye(6)[np.random.default_rng(0).integers(6, size=200)])
    assert main(["mine", "c.csv", "--out", "classes", "--quiet"]) == 0
    path = report("classes", "c.csv")
    assert column(path, "suspects") is None
    assert texts(path)[-1].startswith("No suspects are listed: in a table of classes")
    assert header(path)["findings"][-1]["warning"]


def test_what_cannot_be_reported_is_refused_in_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert "expected a file for the results, got a folder" in refused(capsys, "mined", "--out", "mined")
    assert "t.csv is a file" in refused(capsys, "mined", "--out", "t.csv/r.html")
    assert "--top must be at least 1, got 0" in refused(capsys, "mined", "t.csv", "--top", "0", "--out", "r.html")
    assert "no such file or folder" in refused(capsys, "none", "--out", "r.html")
    assert "--out" in refused(capsys, "mined")
    assert "t.csv" in refused(capsys, "t.csv", "--out", "r.html")
    write_table(Path("x.csv"), related_table(50), [f"other {k}" for k in range(6)])
    assert "lacks the label 'other 0'" in refused(capsys, "mined", "x.csv", "--out", "r.html")
    assert "'label 9'" in refused(capsys, "mined", "t.csv", "--labels", "label 9", "--out", "r.html")


@pytest.mark.parametrize("command", [["report", "mined", "--out", "r.html"], ["mine", "t.csv", "--out", "new"]])
def test_a_full_disk_is_said_and_leaves_nothing(
    place: Path, command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(Path().iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"obrl.mining.cli.{command[0]}.write_report", full)
    capsys.readouterr()
    assert main([*command, "--quiet"]) == 2
    assert "the disk is full; nothing was written there" in capsys.readouterr().err
    assert sorted(Path().iterdir()) == before


def test_a_report_takes_groups_into_account(place: Path) -> None:
    with Path("people.txt").open("w") as file:
        file.writelines(f"p{row}.jpg {row // 4}\n" for row in range(400))
    assert main(["mine", "t.csv", "--groups", "people.txt", "--out", "grouped", "--quiet"]) == 0
    for path in (Path("grouped") / "report.html", report("grouped")):
        assert "allow for rows of a group" in " ".join(texts(path))
        assert dict(header(path)["facts"])["intervals and tests"] == "for rows in groups"
