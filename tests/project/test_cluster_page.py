"""The page about mining with Dask: every block runs in its order, with a scheduler and workers of this machine."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from obrl.mining import RelationMiner
from obrl.mining.cli import main
from tests.project.helpers import ROOT

pytest.importorskip("pyarrow")
pytest.importorskip("distributed")
PAGE = (ROOT / "docs" / "mining" / "mining_cluster.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOST, PORT = "10.0.0.1", "8786"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(arguments: list[str], port: int) -> Iterator[None]:
    """A program of Dask in the background."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])}
    with (
        Path(f"{arguments[0]}.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], env=environment, stdout=log, stderr=log
        ) as program,
    ):
        try:
            deadline = time.monotonic() + 60
            while arguments[0] == "scheduler" and not answers(port) and time.monotonic() < deadline:
                time.sleep(0.1)
            yield
        finally:
            program.terminate()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_every_block_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    port = free_port()
    namespace: dict[str, object] = {"__name__": "__main__"}
    programs: list[str] = []
    with ExitStack() as background:
        for language, source in BLOCK.findall(PAGE.replace(HOST, "127.0.0.1").replace(PORT, str(port))):
            if language == "python":
                exec(compile(source, "<page>", "exec"), namespace)
                continue
            assert language == "console"
            for line in source.splitlines():
                prompt, program, *arguments = shlex.split(line)
                assert prompt == "$"
                programs.append(" ".join([program, *arguments[:1]]))
                if program == "dask":
                    background.enter_context(running(arguments, port))
                else:
                    assert program == "obrl" and main(arguments) == 0, line
    mined = RelationMiner.load("mined/relation.npz")
    assert programs == ["obrl mine", "dask scheduler", "dask worker", "obrl mine", "obrl thresholds", "obrl start"]
    assert mined.table_counts_.rows == 40_000 and mined.table_counts_.grouped
    by_hand = namespace["miner"]
    assert isinstance(by_hand, RelationMiner) and np.array_equal(by_hand.counts_.s, mined.counts_.s)
    assert str(namespace["criterion"].pairs()).count("together") == 1  # type: ignore[attr-defined]
    assert {"labels", "mined", "scheduler.log", "worker.log"} == {entry.name for entry in tmp_path.iterdir()}
