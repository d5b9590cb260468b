"""Mining with Dask against one process, also where a worker is killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl._version import __version__
from obrl.mining import MiningError, MiningWarning, RelationMiner, TableError, mine_with_dask
from obrl.mining.cluster import dask_client as dask_client_module
from obrl.mining.cluster import pieces
from obrl.mining.cluster.engine_dask import mine_table, open_parquet_tables
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
    submitted,
    tables_and_tasks,
    two_workers,
    write,
)

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.usefixtures("one_row_group_a_task")


@pytest.mark.parametrize("groups", [None, "person"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"decay": 0.9, "estimator": "counts", "batch_size": 64},
        {"decay": 0.99, "estimator": "batch", "batch_size": 128},
        {"estimator": "batch", "batch_size": 7},
    ],
    ids=str,
)
def test_workers_give_what_one_process_gives(
    dask_client: Any, labels_folder: str, settings: dict[str, Any], groups: str | None
) -> None:
    options = TableOptions(labels=NAMES, id="photo", groups=groups)
    expected = mined_here([labels_folder], options, **settings)
    miner = mine_with_dask([labels_folder], options, miner=RelationMiner(**settings), client=dask_client)
    assert_same(miner, expected, bits=not settings)
    assert miner.pairs().phi_low.tolist() == expected.pairs().phi_low.tolist()
    with pytest.raises(MiningError, match="learns no further rows"):
        miner.partial_fit(np.zeros((2, 5)))


def test_few_groups_are_told_as_by_one_process(dask_client: Any, tmp_path: Path) -> None:
    """Each of ten people is in several row groups."""
    person = np.arange(100) % 10
    write(tmp_path / "a.parquet", {"A": person < 5, "B": person % 2 == 0, "person": person.astype(str)})
    options = TableOptions(groups="person")
    miner = mine_with_dask([str(tmp_path)], options, client=dask_client)
    assert miner.table_counts_.num_groups == 10
    with pytest.warns(MiningWarning, match="rest on 10 groups alone"):
        miner.pairs()


def test_the_result_does_not_depend_on_the_pieces(
    dask_client: Any, labels_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"decay": 0.9, "estimator": "counts", "batch_size": 100}
    expected = mined_here([labels_folder], LABELS, **settings)
    for rows in (400, 1_005, ROWS):
        monkeypatch.setattr(pieces, "ROWS_PER_TASK", rows)
        assert_same(
            mine_with_dask([labels_folder], LABELS, miner=RelationMiner(**settings), client=dask_client), expected
        )


def test_lists_and_urls(dask_client: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    words = np.array(["x", "y", "z", "late"])
    for number in range(2):
        lists = [words[: 3 + number][rng.random(3 + number) < 0.4].tolist() for _ in range(400)]
        table = pa.table({"tags": pa.array(lists, pa.list_(pa.string())), "who": rng.integers(0, 50, 400).astype(str)})
        parquet.write_table(table, tmp_path / f"{number}.parquet", row_group_size=90)
    path = f"file://{tmp_path}/*.parquet"
    options = TableOptions(list_column="tags", groups="who")
    expected = mined_here([path], options, decay=0.9)
    assert expected.label_names_in_ is not None and set(expected.label_names_in_) == set(words)
    assert_same(mine_with_dask([path], options, miner=RelationMiner(decay=0.9), client=dask_client), expected)


def test_a_file_of_groups(dask_client: Any, labels_folder: str, tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    others = "".join(f"not-in-the-table-{row:030}.jpg 0\n" for row in range(200_000))  # Dask warns of what is so large
    people.write_text("".join(f"{row}.jpg {row // 7}\n" for row in range(ROWS)) + others)
    options = TableOptions(labels=NAMES, id="photo", groups=str(people))
    assert_same(
        mine_with_dask([labels_folder], options, client=dask_client), mined_here([labels_folder], options), bits=True
    )


def test_values_in_different_row_groups_are_read_as_those_of_one_table(dask_client: Any, tmp_path: Path) -> None:
    doubtful = write(tmp_path / "a.parquet", {"A": [-1, 1, 1, 1, 0, 1, 0, 1], "B": [1, -1, 1, 1, 1, 0, 0, 1]})
    with pytest.raises(TableError, match="the table holds 0, 1 and -1, and -1 may mean uncertain"):
        mine_with_dask([doubtful], client=dask_client)
    ignore = TableOptions(values="u-ignore")
    assert_same(mine_with_dask([doubtful], ignore, client=dask_client), mined_here([doubtful], ignore), bits=True)
    ones = write(tmp_path / "b.parquet", {"A": [1] * 8, "B": [None, 1] * 4})
    with pytest.warns(MiningWarning, match="every cell is 1 or empty"):
        mine_with_dask([ones], client=dask_client)


def test_errors_of_workers_name_the_row_group_and_what_to_do(
    dask_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("obrl.mining.tables.parquet.ROWS_PER_BLOCK", 4)  # what this process reads when it opens a file
    first = write(tmp_path / "a.parquet", {"A": [0, 1] * 4, "B": [0, 1] * 4})
    path = write(tmp_path / "b.parquet", {"A": [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 7.0], "B": [0, 1] * 4})
    miner = RelationMiner().fit([[0, 1], [1, 0]])
    with pytest.raises(MiningError) as caught:
        mine_with_dask([first, path], miner=miner, client=dask_client)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}, row group 2, row 8, column 'A': a label must be 0 or 1")
    assert str(caught.value).endswith("name the columns that are labels with --labels")
    assert miner.counts_.n[0, 0] == 2  # as it was


def test_a_worker_that_lacks_or_gets_another_file_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"A": [0, 1] * 4, "B": [0, 1] * 4})
    tables, tasks, cuts = tables_and_tasks([path], TableOptions())
    write(tmp_path / "a.parquet", {"A": [0, 1, 1], "B": [0, 1, 1]})
    assert mine_task(tables, tasks[1], cuts, __version__) == f"{path}, row group 2: the file has changed; start again"
    Path(path).unlink()
    message = mine_task(tables, tasks[0], cuts, __version__)
    assert message == f"{path}, row group 1: there is no such file; workers must find it under the same path or URL"
    message = mine_task(tables, tasks[0], cuts, "9")
    assert str(message).startswith(f"a worker runs obrl {__version__}, and the command obrl 9; install")


def test_a_worker_that_dies_is_replaced(labels_folder: str) -> None:
    """The first result that arrives has one of the two workers killed."""
    settings = {"decay": 0.99, "estimator": "batch"}
    options = GROUPED
    with two_workers() as client:
        before = set(client.run(os.getpid).values())
        victims = sorted(before)[:1]

        def kill(rows: int, share: float) -> None:
            while victims:
                os.kill(victims.pop(), signal.SIGKILL)

        miner = RelationMiner(**settings)
        work = mine_table(open_parquet_tables([labels_folder], options), options, miner, client=client, progress=kill)
        client.wait_for_workers(2, timeout=60)
        after = set(client.run(os.getpid).values())
    assert len(before) == 2 and len(before & after) == 1 and work.tasks == TASKS
    assert_same(miner, mined_here([labels_folder], options, **settings))


def test_workers_that_fail_are_told_in_one_line(dask_client: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"A": [0, 1] * 4, "B": [0, 1] * 4})
    tables, tasks, _ = tables_and_tasks([path], TableOptions())
    failed = dask_client.submit(int, "x", pure=False)
    with pytest.raises(MiningError, match=rf"{path}, row group 2: a worker failed: ValueError: invalid literal"):
        dask_client_module._result(failed, tables, tasks[1])
    cancelled = dask_client.submit(time.sleep, 60, pure=False)
    cancelled.cancel()
    with pytest.raises(MiningError, match="the connection to Dask's scheduler is lost"):
        dask_client_module._result(cancelled, tables, tasks[1])


class Future:
    """One that fails as a test wants it."""

    def __init__(self, error: BaseException, status: str) -> None:
        self.error, self.status = error, status

    def result(self, timeout: float) -> Any:
        raise self.error


def test_results_that_a_dead_worker_held_are_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"A": [0, 1] * 4, "B": [0, 1] * 4})
    tables, tasks, _ = tables_and_tasks([path], TableOptions())
    assert dask_client_module._result(Future(TimeoutError(), "pending"), tables, tasks[0]) is None
    with pytest.raises(MiningError, match="a worker failed: TimeoutError: the store is slow; start again"):
        dask_client_module._result(Future(TimeoutError("the store is slow"), "error"), tables, tasks[0])
    killed = distributed.KilledWorker("task", None, 3)
    with pytest.raises(MiningError, match="row group 1: several workers died while they mined it; they may lack"):
        dask_client_module._result(Future(killed, "error"), tables, tasks[0])


def test_a_cluster_without_workers_is_not_waited_for_forever(
    labels_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_client_module, "SECONDS_WITHOUT_WORKERS", 0.2)
    monkeypatch.setattr(dask_client_module, "SECONDS_BETWEEN_COUNTS", 0.1)
    with (
        distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        pytest.raises(MiningError, match="all workers of Dask have gone; start some"),
    ):
        mine_with_dask([labels_folder], LABELS, client=client)


def test_settings_are_checked_before_anything_is_mined(
    dask_client: Any, labels_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = submitted(dask_client, monkeypatch)
    for miner, message in (
        (RelationMiner(label_names=["a", "b"]), "label_names"),
        (RelationMiner(batch_size=0), "batch_size must be a whole number of at least 1"),
        (RelationMiner(decay=2), "decay"),
        (RelationMiner(history=4), "history must be None where Dask mines, got 4"),
    ):
        with pytest.raises(ValueError, match=message):
            mine_with_dask([labels_folder], LABELS, miner=miner, client=dask_client)
    renamed = RelationMiner(label_names=list("abcde"))
    assert mine_with_dask([labels_folder], LABELS, miner=renamed, client=dask_client).label_names_in_ == tuple("abcde")
    assert len(rows) == TASKS
