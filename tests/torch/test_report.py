"""A loss and a relation of torch write the report that NumPy's write."""

from pathlib import Path

import pytest
import torch

from obrl.storage import load_relation
from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss
from tests.support.html_report import assert_reported, header, run_code
from tests.support.start import LABELS, NAMES, table


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_a_loss_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    criterion = kind(LABELS, estimator="counts", label_names=NAMES)
    criterion(torch.zeros((400, LABELS)), torch.from_numpy(table()))
    criterion.report(tmp_path / "report.html")
    assert_reported(tmp_path / "report.html")
    monkeypatch.chdir(tmp_path)
    again = run_code(tmp_path / "report.html", criterion=criterion)
    assert type(again) is kind
    assert again.pairs() == criterion.pairs()


def test_a_relation_writes_a_report_under_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relation = OnlineBatchRelation(LABELS, estimator="counts", label_names=NAMES)
    relation.update(torch.from_numpy(table()))
    relation.report(tmp_path / "report.html", positive_threshold=0.6, negative_threshold=0.3)
    assert_reported(tmp_path / "report.html", (0.6, 0.3))
    monkeypatch.chdir(tmp_path)
    criterion = run_code(tmp_path / "report.html", relation=relation)
    assert type(criterion) is OBRLoss
    assert criterion.pairs() == relation.pairs(positive_threshold=0.6, negative_threshold=0.3)


def test_thresholds_start_on_the_scale_of_the_measure(tmp_path: Path) -> None:
    relation = OnlineBatchRelation(LABELS, measure="pearson")
    relation.update(torch.from_numpy(table()))
    relation.report(tmp_path / "report.html")
    assert header(tmp_path / "report.html")["thresholds"] == [0.6, -0.6]
    relation.save(tmp_path / "relation.npz")
    stored = load_relation(tmp_path / "relation.npz")[1]
    assert (stored.positive_threshold, stored.negative_threshold) == (0.6, -0.6)
