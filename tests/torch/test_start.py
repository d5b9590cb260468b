"""A default loss starts from the relation of a whole table."""

from pathlib import Path

import pytest
import torch

from obrl.torch import OBRLoss, OnlineBatchRelation
from tests.support.start import LABELS, assert_started, mined, mined_arguments, table


def test_a_default_loss_starts_from_a_mined_relation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decay=0\.99"):
        OBRLoss(LABELS, relation=mined())
    start = mined().as_start()
    start.save(tmp_path / "start.npz")
    for relation in (start, tmp_path / "start.npz", OnlineBatchRelation(LABELS, relation=start)):
        criterion = OBRLoss(LABELS, relation=relation)
        assert_started(criterion.pairs(), criterion.relation)
        loss = criterion(torch.zeros(8, LABELS, requires_grad=True), torch.tensor(table(8)))
        loss.backward()
        assert len(criterion.pairs()) == 3


def test_a_start_of_counts_says_how_sure_it_is() -> None:
    criterion = OBRLoss(LABELS, estimator="counts", relation=mined().as_start(estimator="counts"))
    assert_started(criterion.pairs(), criterion.relation)
    assert criterion.pairs()[0].samples == pytest.approx(199 * 400, rel=1e-5)
    assert criterion.pairs()[0].phi_low > 0.99
    assert criterion.pairs() == criterion.pairs()


def test_what_a_miner_suggests_builds_one() -> None:
    criterion = OBRLoss(LABELS, **mined_arguments())
    assert_started(criterion.pairs(), criterion.relation)
