"""A loss and a relation of JAX write the report that NumPy's write; both take the state last."""

from pathlib import Path

import jax.numpy as jnp
import pytest

from obrl.jax import OBRLoss, OnlineBatchRelation, RelationLoss
from obrl.storage import load_relation
from tests.support.html_report import assert_reported, header, run_code
from tests.support.start import LABELS, NAMES, table


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_a_loss_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    criterion = kind(LABELS, estimator="counts", label_names=NAMES)
    _, state = criterion(jnp.zeros((400, LABELS)), jnp.asarray(table()), criterion.init())
    criterion.report(tmp_path / "report.html", state)
    assert_reported(tmp_path / "report.html")
    monkeypatch.chdir(tmp_path)
    again = run_code(tmp_path / "report.html", criterion=criterion, state=state)
    assert type(again) is kind
    assert again.pairs(again.init()) == criterion.pairs(state)


def test_a_relation_writes_a_report_under_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    relation = OnlineBatchRelation(LABELS, estimator="counts", label_names=NAMES)
    state = relation.update(jnp.asarray(table()), relation.init())
    relation.report(tmp_path / "report.html", state, positive_threshold=0.6, negative_threshold=0.3)
    assert_reported(tmp_path / "report.html", (0.6, 0.3))
    monkeypatch.chdir(tmp_path)
    criterion = run_code(tmp_path / "report.html", relation=relation, state=state)
    assert type(criterion) is OBRLoss
    expected = relation.pairs(state, positive_threshold=0.6, negative_threshold=0.3)
    assert criterion.pairs(criterion.init()) == expected


def test_a_state_of_another_loss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"state\.relation_sum must have shape"):
        OBRLoss(LABELS).report(tmp_path / "report.html", OBRLoss(2).init())
    assert not list(tmp_path.iterdir())


def test_thresholds_start_on_the_scale_of_the_measure(tmp_path: Path) -> None:
    relation = OnlineBatchRelation(LABELS, measure="pearson")
    state = relation.update(jnp.asarray(table()), relation.init())
    relation.report(tmp_path / "report.html", state)
    assert header(tmp_path / "report.html")["thresholds"] == [0.6, -0.6]
    relation.save(tmp_path / "relation.npz", state)
    stored = load_relation(tmp_path / "relation.npz")[1]
    assert (stored.positive_threshold, stored.negative_threshold) == (0.6, -0.6)
