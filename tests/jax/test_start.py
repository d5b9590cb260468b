"""A default loss starts from the relation of a whole table."""

from pathlib import Path

import jax.numpy as jnp
import pytest

from obrl.jax import OBRLoss
from tests.support.start import LABELS, assert_started, mined, mined_arguments, table


def test_a_default_loss_starts_from_a_mined_relation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decay=0\.99"):
        OBRLoss(LABELS, relation=mined())
    start = mined().as_start()
    start.save(tmp_path / "start.npz")
    for relation in (start, tmp_path / "start.npz"):
        criterion = OBRLoss(LABELS, relation=relation)
        state = criterion.init()
        assert_started(criterion.pairs(state), criterion.relation(state))
        loss, state = criterion(jnp.zeros((8, LABELS)), jnp.asarray(table(8)), state)
        assert jnp.isfinite(loss)
        assert len(criterion.pairs(state)) == 3


def test_a_start_of_counts_says_how_sure_it_is() -> None:
    criterion = OBRLoss(LABELS, estimator="counts", relation=mined().as_start(estimator="counts"))
    pairs = criterion.pairs(criterion.init())
    assert_started(pairs, criterion.relation(criterion.init()))
    assert pairs[0].samples == pytest.approx(199 * 400, rel=1e-5)
    assert pairs[0].phi_low > 0.99


def test_what_a_miner_suggests_builds_one() -> None:
    criterion = OBRLoss(LABELS, **mined_arguments())
    assert_started(criterion.pairs(criterion.init()), criterion.relation(criterion.init()))
