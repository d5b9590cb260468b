"""A command that was killed goes on from its checkpoint, which knows what each result is of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl._version import __version__
from obrl.mining import MiningError, RelationMiner, mine_with_dask
from obrl.mining.cli import main
from obrl.mining.cluster import engine_dask, pieces
from obrl.mining.cluster.checkpoint import Checkpoint, from_file
from obrl.mining.cluster.engine_dask import mine_table, open_parquet_tables
from obrl.mining.cluster.pieces import plan_tasks
from obrl.mining.cluster.segments import Cuts
from obrl.mining.cluster.worker import mine_task
from obrl.mining.tables import TableOptions
from tests.mining.dask_support import (
    GROUPED,
    LABELS,
    NAMES,
    ROWS,
    TASKS,
    assert_same,
    mined_here,
    results_in,
    submitted,
    tables_and_tasks,
)
from tests.project.helpers import ROOT

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("one_row_group_a_task")
LONGEST = 120
"""Seconds that a command may take to come to four results, and then to end."""
PROGRAM = """
import sys, time
from obrl.mining.cluster import pieces
from obrl.mining.cluster.checkpoint import Checkpoint
from obrl.mining.cli import main
pieces.ROWS_PER_TASK = 1
write = Checkpoint.write
Checkpoint.write = lambda *arguments: (write(*arguments), time.sleep(0.2))  # time to be stopped in
sys.exit(main(sys.argv[1:]))
"""


def command_for(folder: str, out: Path) -> list[str]:
    """The command that mines the folder in groups, with a decay."""
    options = ["--labels", ",".join(NAMES), "--id", "photo", "--groups", "person", "--decay", ".9"]
    return ["mine", folder, *options, "--engine", "dask", "--out", str(out)]


def send(command: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal to a command and its workers, where any of them still runs."""
    with suppress(ProcessLookupError):
        os.killpg(command.pid, number)


def stopped(arguments: list[str], checkpoint: Checkpoint, number: signal.Signals) -> tuple[int, str]:
    """Run the command, and send it and its workers a signal after four results; its status and errors."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as command:
        deadline = time.monotonic() + LONGEST
        while command.poll() is None and len(results_in(checkpoint)) < 4 and time.monotonic() < deadline:
            time.sleep(0.002)
        send(command, number)
        try:
            said = command.communicate(timeout=LONGEST)[1]
        finally:
            send(command, signal.SIGKILL)
    return command.returncode, said


def test_a_command_that_is_killed_goes_on_from_its_checkpoint(
    dask_client: Any,
    labels_folder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "mined"
    checkpoint = Checkpoint(tmp_path / "mined.checkpoint")
    arguments = command_for(labels_folder, out)
    status, _ = stopped(arguments, checkpoint, signal.SIGKILL)
    finished = results_in(checkpoint)
    assert status == -signal.SIGKILL and 4 <= len(finished) < TASKS and not out.exists()

    rows = submitted(dask_client, monkeypatch)
    monkeypatch.setattr(engine_dask, "local_cluster", lambda tasks, scratch: nullcontext(dask_client))
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith(f"{len(finished)} of {TASKS} pieces were in the checkpoint of an earlier run\n")
    facts = json.loads((out / "run.json").read_text())["engine"]
    assert facts == {"name": "dask", "tasks": TASKS, "tasks_from_checkpoint": len(finished)}
    assert len(rows) == TASKS - len(finished) == len(set(rows))
    assert_same(RelationMiner.load(out / "relation.npz"), mined_here([labels_folder], GROUPED, decay=0.9))
    assert [entry.name for entry in tmp_path.iterdir()] == ["mined"]


def test_ctrl_c_says_how_to_go_on(labels_folder: str, tmp_path: Path) -> None:
    """A terminal sends it to the workers too, which keep silent."""
    checkpoint = Checkpoint(tmp_path / "mined.checkpoint")
    status, said = stopped(command_for(labels_folder, tmp_path / "mined"), checkpoint, signal.SIGINT)
    assert (status, said) == (130, f"obrl: interrupted: the same command goes on from {checkpoint.folder}\n")
    assert 4 <= len(results_in(checkpoint)) < TASKS


def test_damaged_and_foreign_files_of_the_checkpoint_are_computed_again(
    dask_client: Any, labels_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Checkpoint(tmp_path / "checkpoint")
    table = open_parquet_tables([labels_folder], LABELS)
    mine_table(table, LABELS, RelationMiner(), client=dask_client, checkpoint=store)
    files = sorted(results_in(store))
    assert len(files) == TASKS
    by_row = {store_row(file): file for file in files}
    first, second, third = sorted(by_row)[:3]
    by_row[first].write_bytes(by_row[first].read_bytes()[:-200])
    by_row[second].write_bytes(by_row[third].read_bytes())
    damaged = bytearray(by_row[third].read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    by_row[third].write_bytes(damaged)
    (store.folder / "notes.txt").write_text("mine")
    rows = submitted(dask_client, monkeypatch)
    miner = RelationMiner()
    work = mine_table(table, LABELS, miner, client=dask_client, checkpoint=store)
    assert sorted(rows) == [first, second, third] and work.from_checkpoint == TASKS - 3
    assert_same(miner, mined_here([labels_folder], LABELS), bits=True)
    store.remove()
    assert [file.name for file in store.folder.iterdir()] == ["notes.txt"]


def test_any_damaged_byte_has_a_result_computed_again(labels_folder: str, tmp_path: Path) -> None:
    tables, tasks, cuts = tables_and_tasks([labels_folder])
    data = mine_task(tables, tasks[0], cuts, __version__)
    assert isinstance(data, bytes)
    file = tmp_path / "result"
    file.write_bytes(data)
    assert from_file(file, tasks[0].key) is not None
    with file.open("r+b", buffering=0) as content:
        for position, byte in enumerate(data):
            for damaged in (byte ^ 1, byte ^ 0xFF):
                content.seek(position)
                content.write(bytes([damaged]))
                assert from_file(file, tasks[0].key) is None, position
            content.seek(position)
            content.write(bytes([byte]))
    for length in (0, 31, 32, len(data) - 32, len(data) - 1):
        file.write_bytes(data[:length])
        assert from_file(file, tasks[0].key) is None


def store_row(file: Path) -> int:
    """The first row of a result."""
    with np.load(file, allow_pickle=False) as content:
        return int(content["rows"][0])


def test_what_a_result_depends_on_changes_its_key(labels_folder: str, tmp_path: Path) -> None:
    tables, tasks, cuts = tables_and_tasks([labels_folder])
    keys = {task.key for task in tasks}
    assert len(keys) == len(tasks) == TASKS and sum(task.rows for task in tasks) == ROWS

    def tasks_alike(options: TableOptions, cuts: Cuts) -> int:
        return len(keys & {task.key for task in plan_tasks(tables, options, cuts)})

    assert tasks_alike(LABELS, cuts) == TASKS
    assert tasks_alike(LABELS, Cuts(5, 100, None, 64)) == TASKS  # no batches, so their size is not asked
    assert tasks_alike(LABELS, Cuts(5, 200, None, 128)) == 0
    assert tasks_alike(TableOptions(labels=NAMES, id="photo", empty="absent"), cuts) == 0
    touched = Path(tables[1].place)
    state = touched.stat()
    os.utime(touched, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert tasks_alike(LABELS, cuts) == TASKS - 1  # the file has one row group
    os.utime(touched, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_small_row_groups_are_mined_together_and_large_ones_alone(
    labels_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "ROWS_PER_TASK", 400)
    _, tasks, _ = tables_and_tasks([labels_folder])
    assert [task.rows for task in tasks] == [450, 450, 411, 450, 450, 450, 339]
    assert [(piece.table, piece.start, piece.stop) for piece in tasks[2].pieces] == [(0, 6, 7), (1, 0, 1), (2, 0, 2)]
    assert [task.first_row for task in tasks] == np.cumsum([0] + [task.rows for task in tasks])[:-1].tolist()
    assert tasks[0].pieces[0].words == "row groups 1 to 3"


def test_the_checkpoint_takes_no_place_of_a_file(tmp_path: Path, labels_folder: str, dask_client: Any) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(MiningError, match="expected a folder for the checkpoint, got a file; move it away"):
        mine_with_dask([labels_folder], LABELS, client=dask_client, checkpoint=tmp_path / "taken")
