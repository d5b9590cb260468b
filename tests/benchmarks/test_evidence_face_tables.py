"""The tables of the evidence on faces: what is committed follows from the cells, which name no place and no picture."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evidence import face_tables
from benchmarks.evidence.face_cells import PUBLISHED, PUBLISHED_OF_REPORTS
from benchmarks.evidence.face_pages import PAGES, Line, Tables, attributes, gain, partial
from benchmarks.evidence.face_tables import CELLS, FACES, RECORDS, make_faces, read_entries
from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.pipeline.cells import FORMAT, settings_of_key
from reference_model.pipeline.published import HELPED
from reference_model.pipeline.tables.record import Record, write_record
from reference_model.runs import RunError, write_json
from tests.project.helpers import ROOT
from tests.reference_model.pipeline.tables.test_content import result

PLACE = re.compile(r"(?<![\w.])(/\w|~/|\\\\\w)|\b[A-Za-z]:\\")
PICTURE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)\b|[a-z]_\d{4}\b|\b(?!100000\b)\d{6}\b", re.IGNORECASE)
"""Names of pictures as data sets of faces have them: 000001.jpg, Some_Name_0001. Figure 2 has a weight of 100000."""
COUNTS = re.compile(r"^\d+ of \d+ training labels are used\b")
"""A note on numbers that may have six digits too."""
PACKED = re.compile(r"[A-Za-z0-9+/=_-]{201,}")
"""Text that is no sentence and long enough to hold something of each test picture."""

LONGEST = 100
"""Entries of a list that is not about single pictures: all data sets have more of them in their test part."""

KEY = re.compile(r"[0-9a-f]{20}")
COMMITTED = sorted(CELLS.glob("*")) if CELLS.is_dir() else []


def texts(value: Any) -> Iterator[str]:
    """Every name and text in a JSON value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def faults(content: dict[str, Any]) -> list[str]:
    """What a cell's file holds that it must not."""
    report = content["report"]
    faulty = [f"unknown {name}" for name in content if name not in PUBLISHED]
    faulty += [f"unknown report.{name}" for name in report if name not in PUBLISHED_OF_REPORTS]
    faulty += [f"unknown attribute {name}" for name in report.get("attributes", ()) if name not in CELEBA_ATTRIBUTES]
    return faulty + names_of_places(texts(content)) + single_pictures(content)


def names_of_places(parts: Iterable[str]) -> list[str]:
    """The texts among these that name a place of the machine or a picture."""
    faulty = []
    for text in parts:
        faulty += [f"a place: {text}"] if PLACE.search(text) else []
        faulty += [f"a picture: {text}"] if PICTURE.search(COUNTS.sub("", text)) else []
    return faulty


def entries_of(text: str, mark: str) -> Iterator[str]:
    """The entries of a table as text that are no numbers, as one of six digits would pass for a picture."""
    for entry in re.split(rf"[{mark}\n]", text):
        if not re.fullmatch(r"[-+\d.e, ]*", entry):
            yield entry


def single_pictures(value: Any) -> list[str]:
    """What a JSON value holds that could tell of single test pictures, such as which predictions were right."""
    if isinstance(value, dict):
        return [f"{name} of single pictures" for name in value if name == "right"] + [
            fault for part in (*value, *value.values()) for fault in single_pictures(part)
        ]
    if isinstance(value, list):
        long = len(value) > LONGEST and not all(isinstance(one, dict) or KEY.fullmatch(str(one)) for one in value)
        return [f"a list of {len(value)}"] * long + [fault for one in value for fault in single_pictures(one)]
    return [f"packed: {value[:9]}"] if isinstance(value, str) and PACKED.search(value) else []


def test_a_committed_cell_names_no_place_and_no_picture() -> None:
    for path in COMMITTED:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert path.name == f"{content['key']}.json"
        assert faults(content) == [], path.name


def test_a_committed_record_tells_nothing_of_single_pictures() -> None:
    for path in RECORDS.glob("*"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert single_pictures(content) + names_of_places(texts(content)) == [], path.name


def test_a_committed_table_names_no_place_and_no_picture() -> None:
    files = [path for path in FACES.rglob("*") if path.suffix in (".md", ".csv")]
    assert files
    for path in files:
        parts = entries_of(path.read_text(encoding="utf-8"), "," if path.suffix == ".csv" else "|")
        assert names_of_places(parts) == [], path.name
    assert names_of_places(entries_of("net_0,123456,/home/x\n1.5,000012.jpg", ",")) == [
        "a place: /home/x",
        "a picture: 000012.jpg",
    ]


def test_cells_and_records_are_committed_with_every_page_of_theirs() -> None:
    names = {entry.name for entry in read_entries(RECORDS, CELLS)}
    assert COMMITTED
    assert names and names <= {name for needed, _ in PAGES.values() for name in needed}
    for page, (needed, _) in PAGES.items():
        assert (FACES / f"{page}.md").is_file() == names.issuperset(needed), page


def test_every_committed_cell_belongs_to_a_table_and_none_is_missing() -> None:
    entries = read_entries(RECORDS, CELLS)
    assert {entry.name: entry.missing for entry in entries if entry.missing} == {}
    named = {f"{key}.json" for entry in entries for key in entry.record.finished()}
    assert {path.name for path in COMMITTED} == named


def test_the_committed_tables_are_made_of_the_committed_cells_without_torch(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from benchmarks.evidence.__main__ import main; "
    command = [sys.executable, "-c", f"{program}sys.exit(main(['face_tables', '--out', {str(tmp_path)!r}]))"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files = files_in(tmp_path)
    committed = {name: path for name, path in files_in(FACES).items() if not name.startswith(f"{RECORDS.name}/")}
    assert files.keys() == committed.keys()
    for name, path in files.items():
        compare(path, committed[name])


def files_in(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def compare(path: Path, committed: Path) -> None:
    """Compare two files: numbers in CSV may differ in their last digits, and figures between versions of Matplotlib."""
    before = committed.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        rows, expected = (list(csv.reader(text.splitlines())) for text in (path.read_text(encoding="utf-8"), before))
        assert [len(row) for row in rows] == [len(row) for row in expected]
        for row, others in zip(rows, expected, strict=True):
            for value, other in zip(row, others, strict=True):
                assert value == other or float(value) == pytest.approx(float(other), rel=1e-9, abs=1e-9), path.name
    elif path.suffix != ".svg" or f"Matplotlib v{version('matplotlib')}," in before:
        assert path.read_text(encoding="utf-8") == before, f"{committed} is not what the cells make"


def write_cells(records: Path, cells: Path) -> None:
    """Write the records of two tables, and the cells of one of them, with figures that are drawn."""
    for kind, seeds in (("groups", "2"), ("table2", "1")):
        words = {"fusions": "net_0", "seeds": seeds, "preset": "small"}
        table, options = Record(kind, ("celeba",), words, ()).request()
        keys = []
        for number, cell in enumerate(table.cells(options)):
            keys.append(f"{seeds}{number:019x}")
            content = dict(result(cell).content) | {"format": FORMAT, "key": keys[-1], "sources": {}}
            content |= {"settings": settings_of_key(cell.config), "seed": cell.config.seed, "seconds": 1800}
            versions = {"torch": "2.0", "obrl": "0.1"}
            content["environment"] = {"processor": "A", "cores": 2, "device": "cpu", "versions": versions}
            if kind == "groups" or number:
                write_json(cells / f"{keys[-1]}.json", content)
        record = Record(kind, ("celeba",), words, tuple(keys))
        write_record(records, record).rename(records / f"{kind}_frozen.record.json")


def test_a_table_of_which_cells_are_missing_is_named_and_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cells(tmp_path / "records", tmp_path / "cells")
    make_faces(tmp_path / "records", tmp_path / "cells", tmp_path / "out")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "table2_frozen is not made: 1 of 2 cells are missing."
    assert printed[1] == "groups_frozen is made of 8 cells."
    assert [*files_in(tmp_path / "out")] == ["cells.md", "groups_frozen/groups.csv", "groups_frozen/groups.md"]
    text = (tmp_path / "out" / "cells.md").read_text()
    assert "- `table2_frozen` is not made: 1 of 2 cells are missing." in text
    assert "| groups_frozen | groups | 8 | 0 | 0 |" in text and "| table2_frozen | table2 | 2 | 1 | 0 |" in text
    assert "| cells | 9 |" in text and "| hours of training | 4.5 |" in text
    assert "| seed | 0 (5), 1 (4) |" in text and "| processor | A (9) |" in text and "| cores | 2 (9) |" in text
    assert "| commit | not known (9) |" in text and "| threads | not known (9) |" in text
    assert "| torch | 2.0 (9) |" in text


def test_without_records_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_faces(tmp_path, tmp_path, tmp_path / "out")
    assert "so nothing is made" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_the_check_of_cells_can_fail() -> None:
    report = {"stage": "attributes", "attributes": {"Male": {}}}
    assert faults({"report": report, "settings": {"cells": ["0" * 20] * 999}}) == []
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"people": [1]}, "unknown people"),
        ({"report": {"faces": 1}}, "unknown report.faces"),
        ({"report": {"attributes": {"Ann": {}}}}, "unknown attribute Ann"),
        ({"right": {"rows": []}}, "unknown right"),
        ({"valid": {"right": []}}, "right of single pictures"),
        ({"valid": {"x": [[1] * 101]}}, "a list of 101"),
        ({"valid": {"x": ["0" * 19] * 101}}, "a list of 101"),
        ({"valid": {"x": "eNpd" * 60}}, "packed: eNpdeNpde"),
        ({"report": {"relation": {"file": "/data/x/relation.npz"}}}, "a place: /data/x/relation.npz"),
        ({"origins": {"net_0": "a file (~/net.pt)"}}, "a place: a file (~/net.pt)"),
        ({"report": {"notes": ["000012.jpg is damaged"]}}, "a picture: 000012.jpg is damaged"),
        ({"columns": {"Some_Name_0001": "x"}}, "a picture: Some_Name_0001"),
    ]
    for changes, fault in wrong:
        assert fault in faults({"report": report} | changes)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("name,value\nx,0.1\n")
    second.write_text("name,value\nx,0.10000000000000001\n")
    compare(first, second)
    second.write_text("name,value\nx,0.1001\n")
    with pytest.raises(AssertionError):
        compare(first, second)


MEASURED = {"accuracy difference": "0.5", "accuracy from": "0.1", "accuracy to": "0.9"}
MEASURED |= {"mAP difference": "-0.001", "mAP from": "-0.8", "mAP to": "-0.0001"}


def test_a_difference_of_the_accuracy_is_bold_and_one_of_map_never() -> None:
    assert gain(MEASURED) == "**+0.50 (0.10 to 0.90)**"
    assert gain(MEASURED, "mAP") == "+0.00 (-0.80 to 0.00)"
    assert gain(MEASURED | {"mAP from": "", "mAP to": ""}, "mAP") == "+0.00 (-)"
    assert gain(MEASURED | {"mAP difference": ""}, "mAP") == "-"


def write_csv(path: Path, **columns: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{','.join(columns)}\n{','.join(columns.values())}\n")


def test_partial_labels_with_one_joint_loss_and_without_a_column(tmp_path: Path) -> None:
    path = tmp_path / "partial" / "partial-differences.csv"
    write_csv(path, data="celeba", **MEASURED)
    with pytest.raises(RunError, match=r"partial/partial-differences\.csv has no column 'labels, %'"):
        partial(Tables(tmp_path))
    path.write_text(path.read_text().replace("data", '"labels, %"').replace("celeba", "10"))
    assert "| 10 %, joint loss | **+0.50 (0.10 to 0.90)** | +0.00 (-0.80 to 0.00) |" in partial(Tables(tmp_path))
    path.unlink()
    with pytest.raises(RunError, match=r"the table partial has no partial-differences\.csv"):
        partial(Tables(tmp_path))


def test_nothing_is_written_where_a_page_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cells(tmp_path / "records", tmp_path / "cells")
    fails = {"groups": (("groups_frozen",), lambda tables: Line("groups_frozen/groups.csv", {})["gone"])}
    monkeypatch.setattr(face_tables, "PAGES", fails)
    with pytest.raises(RunError, match=r"groups_frozen/groups\.csv has no column 'gone'"):
        make_faces(tmp_path / "records", tmp_path / "cells", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_others_among_the_attributes_are_counted_by_set_and_verdict(tmp_path: Path) -> None:
    nets = [(net, name) for net, named in HELPED.items() for name in (*named, "Bangs", "Smiling", "Bald")]
    lines = "".join(
        f"{net},cross-entropy,{name},{'yes' if name in HELPED[net] else ''},1,0.5,2,"
        f"{'lower' if name == 'Bald' else 'higher'}\n"
        for net, name in nets
    )
    write_csv(tmp_path / "table2_frozen" / "table2.csv", data="another")
    path = tmp_path / "table2_frozen" / "table2-attributes-another.csv"
    path.write_text(f"net,loss,attribute,named,difference,from,to,in words\n{lines}")
    text = attributes(Tables(tmp_path))
    assert "| net, attribute | another, over net_0 |" in text and "| net_1, Male | **+1.00 (0.50 to 2.00)** |" in text
    assert "| net_1, others: higher | 2 of 3 |\n| net_1, others: lower | 1 of 3 |" in text
    assert "mAP" not in text and "by chance" in text
