"""Tables from the command line to their files: cells are trained once, kept, and gone on with."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reference_model.engine.module import StageModule
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.lock import LOCK_FILE
from reference_model.pipeline.running import run_cells
from reference_model.pipeline.tables.command import parse_tables
from reference_model.pipeline.tables.table2 import table2_cells
from tests.project.helpers import ROOT
from tests.reference_model.pipeline.tables.commands import arguments, check_made_again, tables


def keys_in(folder: Path) -> set[str]:
    """Return the keys of the finished cells of a table's folder."""
    return {path.stem for path in (folder / "cells-done").glob("*.json")}


def cells(folder: Path) -> list[dict[str, Any]]:
    """Return what the files of finished cells hold."""
    return [json.loads(path.read_text()) for path in sorted((folder / "cells-done").glob("*.json"))]


def test_a_table_says_what_it_is_made_of(table2: Path) -> None:
    text = (table2 / "table2.md").read_text()
    assert "| celeba | net_0 | cross-entropy | tuned | random | 1 |" in text
    assert "89.21" in text and "## Differences in mean accuracy and mean average precision" in text
    assert "Finished cells keep no scores of single pictures" in text and "with one seed there is no interval" in text
    assert "| net_1 | joint loss | Male | yes | 0.00 | 0.00 | 0.00 | no difference |" in text
    assert "16 test p" in text or "test people" in text
    assert (table2 / "table2.svg").stat().st_size > 1000
    header, *rows = (table2 / "table2.csv").read_text().splitlines()
    assert len(rows) == 4 and header.startswith("data,fusion,loss,nets,nets from,seeds,accuracy")


def test_the_file_of_a_cell_is_small_and_says_everything(table2: Path) -> None:
    stored = cells(table2)
    assert len(stored) == 4
    for cell in stored:
        assert cell["origins"] in ({"net_0": "random"}, {"net_1": "random"})
        assert cell["data"]["pictures"] == {"train": 48, "valid": 16, "test": 16}
        assert cell["seconds"] > 0 and cell["sittings"] == 1 and cell["ms_per_step"] > 0
        assert 0 < cell["valid"]["accuracy"] < 1 and cell["environment"]["processor"]
        assert cell["parameters"] == cell["trained_parameters"] > 0
        assert len(cell["report"]["attributes"]) == 40
    assert max(path.stat().st_size for path in (table2 / "cells-done").iterdir()) < 60_000


def test_a_finished_table_trains_nothing(table2: Path, table_faces: Path, tmp_path: Path, trained: list[str]) -> None:
    again = arguments("table2", table_faces, tmp_path, "--fusions=net_1,net_0", "--cells", table2 / "cells-done")
    assert tables(*again) == 0
    assert trained == [] and not (tmp_path / "cells").exists()
    rows = [path.read_text().splitlines() for path in (tmp_path / "table2.csv", table2 / "table2.csv")]
    assert sorted(rows[0]) == sorted(rows[1])


def test_alpha_zero_is_the_cross_entropy_of_table_2(
    table2: Path, table_faces: Path, tmp_path: Path, trained: list[str]
) -> None:
    more = ("--fusions=net_0", "--wide-alphas=1e5", "--cells", table2 / "cells-done")
    before = keys_in(table2)
    assert tables(*arguments("figure2", table_faces, tmp_path, *more)) == 0
    added = keys_in(table2) - before
    assert len(trained) == len(added) == 4  # alpha 0 and, since it is the preset's, alpha 0.5 are there
    text = (tmp_path / "figure2.md").read_text()
    assert "| celeba | 0 | 1 |" in text and "| celeba | 100000 | 1 |" in text
    assert "share in the gradient" in text and "one half" in text
    assert {"figure2.svg", "figure2-wide.svg", "figure2-wide.csv"} <= {path.name for path in tmp_path.iterdir()}
    assert tables(*arguments("table3", table_faces, tmp_path, "--fusions=net_0", "--cells", table2 / "cells-done")) == 0
    assert len(trained) == 4
    text = (tmp_path / "table3.md").read_text()
    assert "| FaceSTN | published | 91.10 | 86.00 | - |" in text
    for name in ("figure2", "table3"):
        check_made_again(name, tmp_path, table2 / "cells-done")
    assert "trained on 48 pictures and tested on 16" in text


def test_groups(table_faces: Path, tmp_path: Path) -> None:
    assert tables(*arguments("groups", table_faces, tmp_path, "--fusions=net_0", "--train.epochs=1")) == 0
    header, *rows = (tmp_path / "groups.csv").read_text().splitlines()
    columns = header.split(",")
    entries = [dict(zip(columns, row.split(","), strict=False)) for row in rows]
    assert len(entries) == 4
    parameters = [int(entry["parameters"]) for entry in entries]
    assert parameters[0] == parameters[3] and parameters[1] < parameters[0] < parameters[2]
    assert all(float(entry["ms a step"]) > 0 for entry in entries)
    labels = [json.loads(path.read_text()) for path in tmp_path.glob("cells/*/labels.json")]
    branches = [label["details"].get("branches") for label in labels]
    assert sorted(0 if part is None else len(part) for part in branches) == [0, 1, 9, 40]
    drawn = next(part for part in branches if part is not None and len(part) == 9)
    assert sorted(map(len, drawn.values())) == [1, 2, 2, 2, 4, 5, 6, 8, 10]
    assert sorted(column for part in drawn.values() for column in part) == list(range(40))
    check_made_again("groups", tmp_path)


def test_a_dry_run_lists_cells_and_writes_nothing(
    table2: Path, table_faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new"
    words = ("--fusions=net_0,net_1+net_2", "--cells", table2 / "cells-done", "--dry-run")
    assert tables(*arguments("table2", table_faces, out, *words)) == 0
    printed = capsys.readouterr().out
    assert "done  celeba, net_0, ce, seed 0" in printed and "open  celeba, net_1+net_2, ce, seed 0" in printed
    assert "4 cells, 2 of them done" in printed and "Expected time for 2 cells" in printed
    assert "timing a few steps" in printed
    assert not out.exists()


def test_a_table_that_is_stopped_goes_on(
    table_faces: Path, tmp_path: Path, trained: list[str], monkeypatch: pytest.MonkeyPatch, table2: Path
) -> None:
    words = arguments("table2", table_faces, tmp_path, "--fusions=net_0,net_1")
    step, calls = StageModule.training_step, [0]

    def stop(module: StageModule, *batch: Any) -> Any:
        calls[0] += 1
        if calls[0] == 10:  # of 6 steps a cell
            signal.raise_signal(signal.SIGTERM)
        return step(module, *batch)

    monkeypatch.setattr(StageModule, "training_step", stop)
    assert tables(*words) == 128 + signal.SIGTERM
    assert len(trained) == 2 and len(keys_in(tmp_path)) == 1
    assert tables(*words) == 0
    first, second, again, *others = trained
    assert second == again and first not in others and len(others) == 2
    stored = {cell["key"]: cell for cell in cells(tmp_path)}
    assert stored[second]["sittings"] == 2
    for cell in cells(table2):
        if cell["key"] in stored:
            assert stored[cell["key"]]["report"] == cell["report"]  # bit for bit what it is without a stop


@pytest.mark.slow  # starts two processes, and each imports torch and Lightning
def test_a_table_that_is_killed_goes_on(table_faces: Path, tmp_path: Path, table2: Path) -> None:
    words = arguments("table2", table_faces, tmp_path, "--fusions=net_0")
    command = [sys.executable, "-m", "tests.reference_model.pipeline.tables.killed", "2", "3", *words]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    (done,) = keys_in(tmp_path)
    written = (tmp_path / "cells-done" / f"{done}.json").stat().st_mtime_ns
    finished = subprocess.run([sys.executable, "-m", "reference_model.tables", *words], cwd=ROOT, capture_output=True)
    assert finished.returncode == 0, finished.stderr
    assert (tmp_path / "cells-done" / f"{done}.json").stat().st_mtime_ns == written
    reference = {cell["key"]: cell["report"] for cell in cells(table2)}
    assert {cell["key"]: cell["report"] for cell in cells(tmp_path)}.items() <= reference.items()


def test_what_a_killed_process_leaves_behind_is_used_or_removed(
    table2: Path, table_faces: Path, tmp_path: Path, trained: list[str]
) -> None:
    out = tmp_path / "t2"
    shutil.copytree(table2, out)
    finished, started = (cell["key"] for cell in cells(out) if cell["columns"].get("fusion") == "net_0")
    (out / "cells-done" / f"{finished}.json").unlink()  # the report was there, the file of the cell not yet
    (out / "cells-done" / f"{started}.json").unlink()
    (out / "cells" / started / "environment.json").unlink()  # killed while the folder was filled
    assert tables(*arguments("table2", table_faces, out, "--fusions=net_0")) == 0
    assert trained == [started]
    assert keys_in(out) >= {finished, started}


def test_a_cell_starts_from_the_product_of_another(
    table_faces: Path, tmp_path: Path, trained: list[str], table2: Path
) -> None:
    options = parse_tables(arguments("table2", table_faces, tmp_path, "--fusions=net_0")).options
    first, _ = table2_cells(options)
    tuned = Cell(
        {"what": "tuned further"}, options.config("celeba", ("net_0",), seed=1, loss="ce"), {"weights.model": first}
    )
    (result,) = run_cells([tuned], tmp_path, table2 / "cells-done")
    source = next(cell for cell in cells(table2) if cell["key"] == trained[0])
    assert trained == [source["key"], result.key]  # its file is there, its weights are not
    assert result.origins == {"net_0": "stage attributes on celeba"}
    assert result.content["sources"] == {"weights.model": source["key"]}
    assert run_cells([tuned, tuned], tmp_path, table2 / "cells-done")[1].report == result.report
    assert len(trained) == 2


def test_two_processes_do_not_train_in_one_folder(
    table_faces: Path, tmp_path: Path, trained: list[str], capsys: Any
) -> None:
    with (tmp_path / LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert tables(*arguments("table2", table_faces, tmp_path, "--fusions=net_0")) == 2
    assert "another process trains the cells" in capsys.readouterr().err
    assert trained == []


def test_a_damaged_cell_is_named(table2: Path, table_faces: Path, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "done"
    shutil.copytree(table2 / "cells-done", folder)
    for path in folder.iterdir():
        path.write_text("{}")
    words = arguments("table2", table_faces, tmp_path / "out", "--fusions=net_0", "--cells", folder)
    assert tables(*words) == 2
    assert "is no finished cell of this version" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
