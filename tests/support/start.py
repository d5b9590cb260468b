"""A relation over a whole table, from which a default loss of any framework starts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl import OnlineBatchRelation, Pairs
from obrl.mining.miner import RelationMiner

NAMES = ("hat", "cap", "bald", "smile")
LABELS = len(NAMES)


def table(rows: int = 400) -> NDArray[np.float32]:
    """Hats are caps, nobody bald wears one, and smiles are unrelated."""
    rng = np.random.default_rng(0)
    hat = rng.random(rows) < 0.5
    return np.stack([hat, hat, ~hat, rng.random(rows) < 0.5], axis=1).astype(np.float32)


def mined() -> OnlineBatchRelation:
    """The relation of the table by its counts, with decay 1: nothing that a default loss accepts as it is."""
    return OnlineBatchRelation(LABELS, decay=1.0, estimator="counts", label_names=NAMES).update(table())


def assert_started(pairs: Pairs, relation: Any) -> None:
    """A loss that has seen no batch acts on the mined pairs, with the weight of an endless history."""
    assert [(pair.names, pair.sign) for pair in pairs] == [
        (("hat", "cap"), 1),
        (("hat", "bald"), -1),
        (("cap", "bald"), -1),
    ]
    assert np.allclose([pair.evidence for pair in pairs], 100, rtol=1e-5, atol=0)
    assert np.allclose(np.asarray(relation), mined().relation, rtol=0, atol=1e-6)


def mined_arguments() -> dict[str, Any]:
    """What a miner suggests that a loss be built with."""
    miner = RelationMiner(label_names=NAMES).fit(table())
    return {"relation": miner.as_start(), **miner.suggest_thresholds()}
