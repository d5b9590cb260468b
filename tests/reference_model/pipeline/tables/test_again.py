"""A table is made again from its record and its finished cells, without data, nets or torch, or says why it cannot be.

The tests of the tables that train cells check the files of each of them with `commands.check_made_again`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reference_model.pipeline.cells import FORMAT, settings_of_key
from reference_model.pipeline.tables.again import content_again, missing_cells
from reference_model.pipeline.tables.command import help_text, parse_tables
from reference_model.pipeline.tables.record import Record, read_record, record_of, write_record
from reference_model.runs import RunError, write_json
from tests.project.helpers import ROOT
from tests.reference_model.pipeline.tables.commands import check_made_again, tables, without_right
from tests.reference_model.pipeline.tables.test_cells import weights

NAME = "table2.record.json"


def edited(table2: Path, tmp_path: Path, **changes: Any) -> Path:
    """Return a copy of a table's record with other entries."""
    path = tmp_path / NAME
    path.write_text(json.dumps(json.loads((table2 / NAME).read_text()) | changes))
    return path


def again(record: Path, cells: Path, out: Path) -> int:
    return tables("again", str(record), f"--cells={cells}", f"--out={out}")


def test_a_table_is_made_again(table2: Path) -> None:
    check_made_again("table2", table2)


def test_a_record_that_lacks_a_difference_needs_cells_as_they_were_trained(
    table2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = edited(table2, tmp_path, differences=[])
    bare = without_right(table2 / "cells-done", tmp_path / "bare")
    assert again(record, bare, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {record} lacks a difference of its table, and the finished cell ")
    assert "does not say which predictions were right" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert again(record, table2 / "cells-done", tmp_path / "out") == 0
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == (table2 / path.name).read_bytes()


def test_it_needs_neither_data_nor_torch(table2: Path, tmp_path: Path) -> None:
    words = ["again", str(table2 / NAME), "--cells", str(table2 / "cells-done"), "--out", "made"]
    program = (
        f"import sys; sys.modules['torch'] = None; from reference_model.tables import main; sys.exit(main({words}))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / "made").iterdir():
        assert path.read_bytes() == (table2 / path.name).read_bytes()
    assert (tmp_path / "made" / "table2.md").is_file() and (tmp_path / "made" / "table2.svg").is_file()


def test_missing_cells_are_counted_and_named(table2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = tmp_path / "cells"
    shutil.copytree(table2 / "cells-done", cells)
    record = read_record(table2 / NAME)
    assert missing_cells(record, cells) == []
    gone = [record.cells[0], record.cells[2]]
    for key in gone:
        (cells / f"{key}.json").unlink()
    assert again(table2 / NAME, cells, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"2 of 4 cells of {table2 / NAME} are missing in {cells}: {gone[0]}.json, {gone[1]}.json\n" in error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert again(table2 / NAME, tmp_path / "nowhere", tmp_path / "out") == 2
    assert "4 of 4 cells" in capsys.readouterr().err


def test_a_record_that_does_not_fit_is_refused(
    table2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = json.loads((table2 / NAME).read_text())
    first, second, *others = stored["cells"]
    change = stored["differences"][0]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"cells": [first, second]}, "it names 2 cells, and table2 with its options has 4"),
        ({"cells": [second, first, *others]}, f"{second}.json is not celeba, net_0, ce, seed 0, which differs in loss"),
        ({"options": stored["options"] | {"first-seed": "1"}}, "net_0, ce, seed 1, which differs in seed"),
        ({"options": stored["options"] | {"no.such": "1"}}, "does not fit this version: unknown setting --no.such"),
        ({"table": "table4"}, "does not fit this version: unknown table 'table4'"),
        ({"format": 2}, "it reads format 1, and the file has format 2; give the NAME.record.json beside"),
        ({"format": "1"}, 'the file has format "1"'),
        ({"table": 2}, "'table' must be the name of a table; got 2"),
        ({"data": "celeba"}, "'data' must be a list of names of data sets; got \"celeba\""),
        (
            {"cells": ["../x"] * 4},
            "'cells' must be a list of keys of cells, each of 20 hexadecimal digits; got [\"../x",
        ),
        ({"cells": [first] * 4 + ["x"]}, f'got ["{first}", "{first}", "{first[:10]} ...'),
        ({"diverged": None}, "'diverged' must be a list of keys of cells"),
        ({"options": {"seeds": 1}}, "'options' must be an object of texts; got {\"seeds\": 1}"),
        ({"training_pictures": {"face": "1"}}, "'training_pictures' must be an object of whole numbers; got"),
        ({"differences": 1}, "'differences' must be a list of differences; got 1"),
        ({"differences": [{"first": [first]}]}, "a difference cannot be read (KeyError('second'))"),
        ({"differences": [change | {"accuracy": [1]}]}, "a difference cannot be read (ValueError("),
    ]
    for changes, message in wrong:
        assert again(edited(table2, tmp_path, **changes), table2 / "cells-done", tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert message in error and error.startswith("error: ") and error.count("\n") == 1
    for name in set(stored) - {"format"}:
        lacking = {other: value for other, value in stored.items() if other != name}
        (tmp_path / NAME).write_text(json.dumps(lacking))
        with pytest.raises(RunError, match=f"a damaged record of a table: it has no '{name}', which must be"):
            read_record(tmp_path / NAME)
    (tmp_path / NAME).write_text("{}")
    with pytest.raises(RunError, match="it reads format 1, and the file has no format;"):
        read_record(tmp_path / NAME)
    assert not (tmp_path / "out").exists()


def test_a_stored_difference_that_is_not_that_of_the_reports_is_refused(
    table2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = json.loads((table2 / NAME).read_text())["differences"]
    mean, low, high = stored[0]["accuracy"]
    close = [stored[0] | {"accuracy": [mean + 1e-7, low, high]}, *stored[1:]]
    assert again(edited(table2, tmp_path, differences=close), table2 / "cells-done", tmp_path / "close") == 0
    other = [stored[0] | {"accuracy": [mean + 1e-5, low, high]}, *stored[1:]]
    capsys.readouterr()
    assert again(edited(table2, tmp_path, differences=other), table2 / "cells-done", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    (first,), (second,) = stored[0]["first"], stored[0]["second"]
    assert line.startswith("error: the record says that the mean accuracy of the cells ")
    assert f"{first} is {mean + 1e-5:+.6f} points from that of {second}, and the reports" in line
    assert not (tmp_path / "out").exists()


def test_cells_that_start_from_others_must_start_from_those_of_the_record(tmp_path: Path) -> None:
    record = Record("shift", ("celeba", "lfwa"), {"from": "celeba", "to": "lfwa", "preset": "demo"}, ())
    table, options = record.request()
    cells = table.cells(options)
    keys = {id(cell): f"{number:020x}" for number, cell in enumerate(cells)}
    for cell in cells:
        sources = {name: keys[id(source)] for name, source in cell.sources.items()}
        content = {"settings": settings_of_key(cell.config), "sources": sources, "report": {}}
        write_json(tmp_path / f"{keys[id(cell)]}.json", {"format": FORMAT, "key": keys[id(cell)]} | content)
    last = tmp_path / f"{keys[id(cells[-1])]}.json"
    stored = json.loads(last.read_text())
    assert set(stored["sources"]) == {"weights.model", "relation.file"}
    last.write_text(json.dumps(stored | {"sources": dict.fromkeys(stored["sources"], keys[id(cells[0])])}))
    record = Record("shift", record.data, record.options, tuple(keys.values()))
    with pytest.raises(RunError, match="which differs in the cells that it starts from"):
        content_again(tmp_path / "r", record, tmp_path)


def test_a_record_holds_options_and_no_places(tmp_path: Path) -> None:
    for name in ("celeba", "lfwa"):
        (tmp_path / name).mkdir()
    for net in ("net_0", "net_1", "net_2"):
        weights(tmp_path / f"{net}.safetensors")
    (tmp_path / "settings.yaml").write_text("features:\n  cache: true\nseeds: 2\nrelations: global\nnets-frozen: yes\n")
    words = ["table2", *(f"--roots.{name}={tmp_path / name}" for name in ("celeba", "lfwa")), "--preset=small"]
    words += [f"--nets={tmp_path}", f"--weights.net_2={tmp_path / 'net_2.safetensors'}", "--fusions=net_0,net_2+net_1"]
    words += [f"--config={tmp_path / 'settings.yaml'}", f"--features.folder={tmp_path}", f"--out={tmp_path / 'out'}"]
    request = parse_tables([*words, f"--cells={tmp_path}"])
    record = record_of(request, ["0" * 20, "1" * 20, "0" * 20], {"1" * 20}, {})
    assert record.data == ("celeba", "lfwa")
    assert record.options == {
        "preset": "small",
        "seeds": "2",
        "first-seed": "0",
        "fusions": "net_0,net_1+net_2",
        "nets-frozen": "yes",
        "features.cache": "true",
        "relations": "global",
    }
    assert record.diverged == ("0" * 20,) and record.finished() == ("1" * 20,)
    path = write_record(tmp_path / "out", record)
    assert path.name == NAME and str(tmp_path) not in path.read_text()
    assert read_record(path) == record
    table, options = record.request()
    assert table is request.table
    assert [settings_of_key(cell.config) for cell in table.cells(options)] == [
        settings_of_key(cell.config) for cell in table.cells(request.options)
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the record of a table"),
        (["--cells=x", "--out=y"], "name the record of a table"),
        (["r.json", "--out=y"], "--cells is missing; write again RECORD --cells DIR --out DIR"),
        (["r.json", "--cells=x"], "--out is missing"),
        (["r.json", "--cells=x", "--out=y", "--seeds=3"], "--seeds cannot be used: the record has the settings"),
        (["r.json", "--cells=x", "--out=y", "--dry-run"], "--dry-run cannot be used"),
        (["nowhere.json", "--cells=x", "--out=y"], "nowhere.json is missing"),
    ],
)
def test_mistakes_are_named(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tables("again", *words) == 2
    assert message in capsys.readouterr().err


def test_help_says_it() -> None:
    assert "python -m reference_model.tables again RECORD --cells DIR --out DIR" in help_text()
