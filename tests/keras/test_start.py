"""A default layer starts from the relation of a whole table."""

from pathlib import Path

import numpy as np
import pytest

from obrl.keras import OBRLossLayer
from tests.keras.data import host
from tests.support.start import LABELS, assert_started, mined, mined_arguments, table


def test_a_default_layer_starts_from_a_mined_relation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decay=0\.99"):
        OBRLossLayer(LABELS, relation=mined())
    start = mined().as_start()
    start.save(tmp_path / "start.npz")
    for relation in (start, tmp_path / "start.npz"):
        layer = OBRLossLayer(LABELS, relation=relation)
        assert_started(layer.pairs(), host(layer.relation))
        layer(np.zeros((8, LABELS), np.float32), table(8), training=True)
        assert np.isfinite(host(layer.losses[0]))
        assert len(layer.pairs()) == 3


def test_what_a_miner_suggests_builds_one() -> None:
    criterion = OBRLossLayer(LABELS, **mined_arguments())
    assert_started(criterion.pairs(), host(criterion.relation))
