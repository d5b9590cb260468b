"""`obrl start`: from a table to a loss that starts from its relation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import obrl
from obrl.mining.cli import main
from obrl.mining.miner import RelationMiner
from tests.support.start import LABELS, NAMES, assert_started, mined, table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What `obrl mine` leaves of a relation."""
    RelationMiner(label_names=NAMES).fit(table()).save(tmp_path / "relation.npz")
    return tmp_path


def test_the_printed_line_makes_a_loss(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for of in (folder, folder / "relation.npz"):
        assert main(["start", str(of)]) == 0
        criterion = eval(capsys.readouterr().out.splitlines()[-1], vars(obrl))
        assert_started(criterion.pairs(), criterion.relation)
        criterion(np.zeros((8, LABELS)), table(8))
    assert sorted(path.name for path in folder.iterdir()) == ["relation.npz", "start.npz"]


def test_settings_of_the_loss(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "deep" / "mine.npz"
    assert main(["start", str(folder), "--decay", ".5", "--estimator", "counts", "--out", str(out)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    thresholds = RelationMiner.load(folder / "relation.npz").suggest_thresholds()
    words = ", ".join(f"{name}={value!r}" for name, value in thresholds.items())
    assert line == f"OBRLoss(4, relation={str(out)!r}, decay=0.5, estimator='counts', {words})"
    criterion = eval(line, vars(obrl))
    assert criterion.relation_weight[0, 1] == 2
    assert np.allclose(criterion.relation, mined().relation, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{folder}", "--decay", "1"], "decay must be in (0, 1), got 1"),
        (["{folder}", "--decay", "2"], "decay must be in (0, 1]"),
        (["{folder}", "--estimator", "mean"], "invalid choice: 'mean'"),
        (["{folder}", "--out", "{folder}/relation.npz"], "this is the mined relation itself"),
        (["{folder}", "--out", "{folder}"], "got a folder"),
        (["{folder}/none.npz"], "there is no such file"),
        (["{folder}/text.npz"], "expected a relation written by obrl"),
        (["{folder}/batch.npz", "--estimator", "counts"], "holds counts"),
    ],
)
def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    (folder / "text.npz").write_text("label,label")
    obrl.OnlineBatchRelation(2).update([[1, 1], [0, 0]]).save(folder / "batch.npz")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(["start", *(word.format(folder=folder) for word in words)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("obrl: error: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
