"""`obrl mine --engine dask`: its errors in one line, and where its processes listen."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from obrl.mining import MiningError
from obrl.mining.cli import main
from obrl.mining.cluster import engine_dask
from obrl.mining.cluster.checkpoint import Checkpoint
from obrl.mining.cluster.dask_client import local_cluster
from tests.mining.dask_support import (
    NAMES,
)
from tests.project.helpers import run_python

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("one_row_group_a_task")
psutil = pytest.importorskip("psutil")


def test_processes_of_this_machine_listen_on_the_loopback_interface_alone(tmp_path: Path) -> None:
    with local_cluster(2, str(tmp_path)) as client:
        workers = [*client.run(os.getpid).values()]
        places = [
            connection.laddr.ip
            for process in (os.getpid(), *workers)
            for connection in psutil.Process(process).net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert len(workers) in (1, 2) and len(places) > len(workers) and set(places) == {"127.0.0.1"}


def test_nobody_without_the_certificate_talks_to_processes_of_this_machine(tmp_path: Path) -> None:
    from distributed.comm.core import connect

    with local_cluster(1, str(tmp_path)) as client:
        scheduler = urlsplit(client.scheduler.address)
        addresses = [client.scheduler.address, *client.scheduler_info()["workers"]]
        assert {urlsplit(address).scheme for address in addresses} == {"tls"}
        stranger = distributed.Security.temporary().get_connection_args("client")
        for scheme, further, message in (("tcp", {}, "reset|closed"), ("tls", stranger, "certificate does not match")):
            with pytest.raises(OSError, match=message):
                client.sync(connect, f"{scheme}://{scheduler.netloc}", timeout=1, **further)


def test_without_cryptography_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MiningError, match=r"needs cryptography: pip install 'obrl\[dask\]'"), local_cluster(1, "x"):
        pass


def test_the_checkpoint_of_the_folder_one_is_in_lies_beside_it(
    dask_client: Any, labels_folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mined").mkdir()
    monkeypatch.chdir(tmp_path / "mined")
    monkeypatch.setattr(engine_dask, "local_cluster", lambda tasks, scratch: nullcontext(dask_client))
    folders: list[Path] = []
    remove = Checkpoint.remove

    def watched(checkpoint: Checkpoint) -> None:
        folders.append(checkpoint.folder)
        remove(checkpoint)

    monkeypatch.setattr(Checkpoint, "remove", watched)
    assert main(["mine", labels_folder, "--labels", ",".join(NAMES), "--engine", "dask", "--out", "."]) == 0
    assert folders == [tmp_path / "mined.checkpoint"] and Path("run.json").is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == ["mined"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scheduler", "tcp://127.0.0.1:1"], "--scheduler names a Dask cluster, which only --engine dask uses"),
        (["--engine", "dask", "--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers; start one with `dask sched"),
        (["--engine", "dask", "--scheduler", "nowhere"], "--scheduler nowhere: no scheduler answers"),
        (
            ["--engine", "dask", "--format", "csv"],
            "Dask mines row groups of Parquet files, and this is a file of the f",
        ),
        (["--engine", "dask", "--history", "4", "--out", "x"], "--history is written by --engine local alone; leave o"),
        (["--engine", "spark"], "--engine: invalid choice: 'spark'"),
    ],
)
def test_errors_of_the_command_are_one_line(
    labels_folder: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["mine", labels_folder, "--labels", ",".join(NAMES), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_scheduler_without_workers_is_named(
    labels_folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("obrl.mining.cli.engine.SECONDS_FOR_WORKERS", 0.2)
    with distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        address = cluster.scheduler_address
        command = ["mine", labels_folder, "--labels", ",".join(NAMES), "--engine", "dask", "--scheduler", address]
        assert main(command) == 2
    assert f"the scheduler has no workers; start some with `dask worker {address}`" in capsys.readouterr().err


def test_without_dask_the_extra_is_named(labels_folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "distributed", None)
        assert main(["mine", labels_folder, "--engine", "dask"]) == 2
    assert "pip install 'obrl[dask]'" in capsys.readouterr().err


def test_mining_without_the_engine_imports_no_dask() -> None:
    program = "import sys, obrl.mining.cli.mine, obrl.mining\nprint({'dask', 'distributed'} & set(sys.modules))"
    assert run_python(program).strip() == "set()"
