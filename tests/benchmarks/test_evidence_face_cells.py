"""A table is added to the evidence on faces: its cells tell nothing of single pictures, and no cell is replaced."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evidence import face_tables
from reference_model.runs import read_json, write_json
from tests.benchmarks.test_evidence_face_tables import faults, files_in, single_pictures, write_cells

ADDED = "groups_frozen"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trained table in ``trained``, to be added to ``records`` and ``cells``."""
    write_cells(tmp_path / "trained", tmp_path / "trained" / "cells")
    for path in (tmp_path / "trained" / "cells").iterdir():
        content = json.loads(path.read_text())
        content["report"]["relation"]["file"] = "/somewhere/relation.npz"
        content["report"] |= {"groups": {"hair": {}}, "attributes": {"Male": {"accuracy": 0.5}}}
        content["report"]["implausible"]["pairs"] = [{"attributes": ["Male", "No_Beard"]}]
        write_json(path, content)
    monkeypatch.setattr(face_tables, "RECORDS", tmp_path / "records")
    monkeypatch.setattr(face_tables, "CELLS", tmp_path / "cells")
    return tmp_path


def add(place: Path, *words: str) -> int:
    record = place / "trained" / f"{ADDED}.record.json"
    cells = place / "trained" / "cells"
    return face_tables.main(["--add", str(record), "--cells", str(cells), "--out", str(place / "out"), *words])


def change(path: Path, **changes: Any) -> None:
    write_json(path, read_json(path) | changes)


def test_cells_are_copied_without_what_tells_of_single_pictures(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(place) == 0
    assert f"{ADDED} is added with 8 new cells of 8." in capsys.readouterr().out
    copies = sorted((place / "cells").iterdir())
    assert len(copies) == 8
    for copy in copies:
        before, content = read_json(place / "trained" / "cells" / copy.name), read_json(copy)
        assert set(before) - set(content) == {"right"}
        content.pop("environment")  # as a cell that is drawn has no data of a machine in the usual form
        assert faults(content) == []
        report = content["report"]
        assert report["relation"]["file"] == "relation.npz" and "groups" not in report
        assert report["implausible"] == {"rate_predicted": 0.25, "rate_labels": 0.05}
        assert '      "Male": {"accuracy": 0.5}\n' in copy.read_text()
    record = read_json(place / "records" / f"{ADDED}.record.json")
    assert record["differences"] and single_pictures(record) == []


def test_the_table_of_the_copies_is_that_of_the_trained_cells(place: Path) -> None:
    trained = place / "trained"
    face_tables.make_faces(trained, trained / "cells", place / "before")
    assert add(place, "--name", "nine_groups") == 0
    assert [*files_in(place / "records")] == ["nine_groups.record.json"]
    before, after = (files_in(place / folder / name) for folder, name in (("before", ADDED), ("out", "nine_groups")))
    assert before.keys() == after.keys()
    for name, path in after.items():
        assert path.read_bytes() == before[name].read_bytes()
    rows = csv.DictReader((place / "out" / "nine_groups" / "groups.csv").read_text().splitlines())
    assert any(row["accuracy difference"] for row in rows)


def test_a_cell_with_other_figures_is_refused_and_nothing_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(place) == 0
    first = max((place / "trained" / "cells").iterdir())
    report = read_json(first)["report"]
    change(first, report=report | {"mean_accuracy": 0.75})
    before = {name: path.read_bytes() for name, path in files_in(place).items()}
    capsys.readouterr()
    assert add(place, "--name", "second") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: 1 cells of ") and f"with other figures: {first.name} (report); " in error
    assert error.count("\n") == 1
    assert {name: path.read_bytes() for name, path in files_in(place).items()} == before


def test_a_cell_that_differs_in_its_training_alone_stays(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(place) == 0
    first = max((place / "trained" / "cells").iterdir())
    copy = (place / "cells" / first.name).read_bytes()
    environment = read_json(first)["environment"] | {"commit": "1234567"}
    change(first, seconds=7, sittings=2, columns={"data": "x"}, environment=environment)
    assert add(place) == 0
    assert f"{ADDED} is added with 0 new cells of 8." in capsys.readouterr().out
    assert (place / "cells" / first.name).read_bytes() == copy


def test_seconds_of_a_relation_are_not_compared_and_origins_are(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(place) == 0
    first = max((place / "trained" / "cells").iterdir())
    report = read_json(first)["report"]
    change(first, report=report | {"relation": report["relation"] | {"mining_seconds": 1.5, "epoch_seconds": 9}})
    assert add(place) == 0
    change(first, origins={"net_0": "another"})
    assert add(place) == 2
    assert f"{first.name} (origins)" in capsys.readouterr().err


def test_what_is_not_known_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = max((place / "trained" / "cells").iterdir())
    change(first, wrong={"rows": []}, report=read_json(first)["report"] | {"each": [1]})
    assert add(place) == 2
    assert f"the cell {first.stem} also holds wrong, report.each; " in capsys.readouterr().err
    assert not (place / "records").exists() and not (place / "cells").exists()


def test_the_name_of_a_table_of_other_cells_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(place) == 0
    path = place / "records" / f"{ADDED}.record.json"
    record = read_json(path)
    change(path, cells=record["cells"][1:])
    before = path.read_bytes()
    assert add(place) == 2
    error = capsys.readouterr().err
    assert f"{path} names other cells than " in error and f"choose another --name, or delete {path} first" in error
    assert path.read_bytes() == before


def test_cells_that_are_missing_or_without_differences_are_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(place) == 0
    shutil.rmtree(place / "trained" / "cells")
    shutil.copytree(place / "cells", place / "trained" / "cells")
    assert add(place) == 2, "the record of the trained table has no differences"
    assert "lacks a difference of its table" in capsys.readouterr().err
    min((place / "trained" / "cells").iterdir()).unlink()
    assert add(place) == 2
    assert "1 of 8 cells" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--add", "x"], "--add RECORD and --cells DIR belong together"),
        (["--cells", "x"], "--add RECORD and --cells DIR belong together"),
        (["--name", "x"], "--add RECORD and --cells DIR belong together"),
        (["--add", "x", "--cells", "x", "--name", "../x"], "'../x' is no name of a table"),
        (["--add", "x", "--cells", "x"], "x is missing"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert face_tables.main([*words, "--out", str(place / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "out").exists()
