"""The monitor's table and history: how a run that is resumed goes on, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from obrl import OBRLoss
from obrl.counts import PairCounts
from obrl.history import History
from obrl.monitor import Monitor
from tests.core.monitored import LABELS, batch, rows_of, train


def test_shares_of_a_loss_that_is_no_number_are_none(tmp_path: Path) -> None:
    criterion = OBRLoss(LABELS)
    logits, targets = batch(1)
    criterion(logits, targets)
    logits[0, 0] = np.nan
    with Monitor(tmp_path / "relation.csv", every=1) as monitor:
        measured = monitor.log(1, criterion, logits=logits, targets=targets)
    assert measured is not None
    assert np.isnan(measured[2:]).all()
    assert [(row["pairs_apart"], row["share_of_loss"]) for row in rows_of(tmp_path / "relation.csv")] == [("2", "")]


def test_a_resumed_run_continues_its_files(tmp_path: Path) -> None:
    table, history = tmp_path / "deep" / "relation.csv", tmp_path / "deep" / "history.npz"

    def run(steps: range) -> None:
        with Monitor(table, every=5, history=history) as monitor:
            train(monitor, OBRLoss(LABELS), steps)

    run(range(1, 23))
    assert [row["step"] for row in rows_of(table)] == ["5", "10", "15", "20"]
    before = table.read_text().splitlines()
    run(range(13, 31))  # from the checkpoint of step 12
    assert [row["step"] for row in rows_of(table)] == ["5", "10", "15", "20", "25", "30"]
    assert table.read_text().splitlines()[:3] == before[:3]
    assert History.load(history).steps.tolist() == [5, 10, 15, 20, 25, 30]


def test_a_last_row_that_was_cut_off_is_dropped(tmp_path: Path) -> None:
    table = tmp_path / "relation.csv"
    with Monitor(table, every=5) as monitor:
        train(monitor, OBRLoss(LABELS), range(1, 11))
    table.write_text(table.read_text()[:-20])
    with Monitor(table, every=5) as monitor:
        train(monitor, OBRLoss(LABELS), range(11, 16))
    assert [row["step"] for row in rows_of(table)] == ["5", "15"]


def test_an_empty_table_is_written_to(tmp_path: Path) -> None:
    table = tmp_path / "relation.csv"
    table.touch()
    with Monitor(table, every=5) as monitor:
        train(monitor, OBRLoss(LABELS), range(1, 6))
    assert [row["step"] for row in rows_of(table)] == ["5"]


def test_the_history_holds_the_relation_and_the_thresholds(tmp_path: Path) -> None:
    criterion = OBRLoss(LABELS, positive_threshold=0.9, label_names=list("abcd"))
    with Monitor([], every=2, history=tmp_path / "history.npz") as monitor:
        train(monitor, criterion, range(1, 5))
    history = History.load(tmp_path / "history.npz")
    assert history.label_names == tuple("abcd")
    np.testing.assert_array_equal(history.relation[-1], criterion.relation.astype(np.float32))
    assert history.thresholds.tolist() == [[0.9, 0.2]] * 2


def test_each_criterion_has_its_file_whatever_is_logged_first(tmp_path: Path) -> None:
    def run(steps: range, names: list[str]) -> None:
        with Monitor([], every=1, history=tmp_path / "history.npz") as monitor:
            for step in steps:
                for name in names:
                    monitor.log(step, criteria[name], name=name)

    criteria = {name: OBRLoss(LABELS, positive_threshold=high) for name, high in (("relation", 0.7), ("head", 0.9))}
    run(range(1, 3), ["relation", "head"])
    run(range(3, 5), ["head", "relation"])
    thresholds = {path.name: History.load(path).thresholds[:, 0].tolist() for path in tmp_path.iterdir()}
    assert thresholds == {"history.npz": [0.7] * 4, "history.head.npz": [0.9] * 4}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (OBRLoss(LABELS, measure="jaccard"), "measure='unit_pearson', got 'jaccard'"),
        (OBRLoss(LABELS + 1), f"{LABELS} labels, got {LABELS + 1}"),
        (OBRLoss(LABELS, label_names=list("wxyz")), "label names"),
    ],
    ids=["measure", "number of labels", "names"],
)
def test_the_history_of_another_run_stays_as_it_was(tmp_path: Path, other: OBRLoss, message: str) -> None:
    file = tmp_path / "history.npz"
    with Monitor([], every=1, history=file) as monitor:
        train(monitor, OBRLoss(LABELS, label_names=list("abcd")), range(1, 4))
    content = file.read_bytes()
    with pytest.raises(ValueError, match=message), Monitor([], every=1, history=file) as monitor:
        monitor.log(2, other)
    assert file.read_bytes() == content


def test_the_history_of_a_table_is_refused_before_the_training(tmp_path: Path) -> None:
    file = tmp_path / "history.npz"
    counts = PairCounts(*np.ones((4, 1, 2, 2), np.int64))
    History.from_counts([1], counts).save(file)
    with pytest.raises(ValueError, match=r"expected a history of training .* that of a table"):
        Monitor([], history=file)
