"""A default loss starts from the relation of a whole table."""

from pathlib import Path

import numpy as np
import pytest

from obrl.tensorflow import OBRLoss, OnlineBatchRelation
from tests.support.start import LABELS, assert_started, mined, mined_arguments, table


def test_a_default_loss_starts_from_a_mined_relation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decay=0\.99"):
        OBRLoss(LABELS, relation=mined())
    start = mined().as_start()
    start.save(tmp_path / "start.npz")
    for relation in (start, tmp_path / "start.npz", OnlineBatchRelation(LABELS, relation=start)):
        criterion = OBRLoss(LABELS, relation=relation)
        assert_started(criterion.pairs(), criterion.relation)
        assert np.isfinite(criterion(table(8), np.zeros((8, LABELS), np.float32)))
        assert len(criterion.pairs()) == 3


def test_what_a_miner_suggests_builds_one() -> None:
    criterion = OBRLoss(LABELS, **mined_arguments())
    assert_started(criterion.pairs(), criterion.relation)
