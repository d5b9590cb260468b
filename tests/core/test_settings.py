"""Settings, repr and the list of pairs."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, Settings
from tests.support.tolerances import assert_exact

TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
LOGITS = np.zeros((4, 3))
NAMES = ["Heavy_Makeup", "Lipstick", "Male"]


def test_defaults_are_the_papers() -> None:
    settings = Settings()
    assert (settings.decay, settings.alpha) == (0.99, 0.5)
    assert (settings.positive_threshold, settings.negative_threshold) == (0.8, 0.2)
    assert (settings.measure, settings.estimator) == ("unit_pearson", "batch")
    assert settings.normalization == "all_pairs"


def test_settings_are_values() -> None:
    assert Settings(decay=0.9) == Settings(decay=0.9)
    assert hash(Settings()) == hash(Settings())
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().decay = 0.5  # type: ignore[misc]


def test_numbers_become_floats() -> None:
    settings = Settings(decay=1, alpha=np.float32(2), positive_threshold=np.int64(1))
    assert [type(value) for value in (settings.decay, settings.alpha, settings.positive_threshold)] == [float] * 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6)"),
        (
            {"measure": "pearson", "decay": 0.995},
            "decay=0.995, measure='pearson', "
            "together: relation >= 0.8 (phi >= 0.8), apart: relation <= 0.2 (phi <= 0.2)",
        ),
        (
            {"alpha": 2, "positive_threshold": 0.995, "reduction": "sum", "pos_weight": [1, 2, 3]},
            "alpha=2.0, positive_threshold=0.995, reduction='sum', pos_weight=(1.0, 2.0, 3.0), "
            "together: relation >= 0.995 (phi >= 0.99), apart: relation <= 0.2 (phi <= -0.6)",
        ),
        (
            {"measure": "jaccard", "freeze": True, "relation": np.eye(3)},
            "measure='jaccard', freeze=True, together: relation >= 0.8, apart: relation <= 0.2",
        ),
        (
            {"impl": "plain"},
            "impl='plain', together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6)",
        ),
    ],
)
def test_repr_says_what_differs_from_the_defaults(arguments: dict[str, Any], words: str) -> None:
    assert repr(OBRLoss(3, **arguments)) == f"OBRLoss(3, {words})"


def test_the_relations_repr() -> None:
    assert repr(OnlineBatchRelation(3)) == "OnlineBatchRelation(3)"
    assert repr(OnlineBatchRelation(3, measure="jaccard")) == "OnlineBatchRelation(3, measure='jaccard')"


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_a_frozen_loss_needs_a_relation(kind: Any) -> None:
    with pytest.raises(ValueError, match="freeze=True needs relation="):
        kind(3, freeze=True)
    assert kind(3, freeze=True, relation=OnlineBatchRelation(3)).freeze


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"positive_threshold": 1.5}, r"lie in \[0, 1\], .* positive_threshold=1.5 no pair"),
        ({"measure": "yule_q", "negative_threshold": -2}, r"lie in \[-1, 1\], .* negative_threshold=-2.0 no pair"),
        ({"positive_threshold": -0.1, "negative_threshold": -1.5}, "positive_threshold=-0.1 every pair passes and"),
        ({"positive_threshold": 0.6, "negative_threshold": -0.6}, "positive_threshold=0.8 and negative_threshold=0.2"),
    ],
)
def test_a_threshold_that_no_relation_reaches_warns_with_the_range(arguments: dict[str, Any], words: str) -> None:
    with pytest.warns(UserWarning, match=words) as warned:
        OBRLoss(3, **arguments)
    assert len(warned) == 1


def test_pairs_have_names_and_numbers() -> None:
    criterion = OBRLoss(3, label_names=NAMES, decay=0.5)
    for _ in range(2):
        criterion(LOGITS, TARGETS)
    pairs = criterion.pairs()
    assert [(pair.i, pair.j, pair.sign) for pair in pairs] == [(0, 1, 1), (0, 2, -1), (1, 2, -1)]
    assert pairs[0].names == ("Heavy_Makeup", "Lipstick")
    assert_exact("numbers", [pairs[0].relation, pairs[0].phi, pairs[0].evidence], [1.0, 1.0, 1.5])
    assert_exact("numbers", [pairs[1].relation, pairs[1].phi], [0.0, -1.0])
    for word in ("Heavy_Makeup", "Lipstick", "together", "apart"):
        assert word in str(pairs)


def test_pairs_say_that_there_is_none() -> None:
    for pairs in (OBRLoss(3).pairs(), OnlineBatchRelation(3).pairs()):
        assert len(pairs) == 0
        assert "no active pair" in str(pairs)


def test_pairs_of_a_relation_take_thresholds() -> None:
    relation = OnlineBatchRelation(3).update([[1, 1, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert len(relation.pairs()) == 1
    assert {(pair.i, pair.j) for pair in relation.pairs(positive_threshold=0.7)} == {(0, 1), (0, 2)}
    with pytest.raises(ValueError, match="below positive_threshold"):
        relation.pairs(positive_threshold=0.1)


def test_phi_of_other_measures() -> None:
    table = np.array([[1, 1], [1, 1], [0, 0], [0, 0]])
    arguments = {"measure": "jaccard", "positive_threshold": 0.9, "negative_threshold": 0.1}
    batch, counts = RelationLoss(2, **arguments), RelationLoss(2, estimator="counts", **arguments)
    for criterion in (batch, counts):
        criterion(LOGITS[:, :2], table)
    assert np.isnan(batch.pairs()[0].phi)
    assert_exact("phi", counts.pairs()[0].phi, 1.0)
    assert "nan" not in str(batch.pairs())


def test_one_way_pairs_are_listed_both_ways() -> None:
    criterion = OBRLoss(2, measure="conditional", positive_threshold=0.9, negative_threshold=0.1)
    criterion(LOGITS[:, :2], np.array([[1, 1], [1, 0], [1, 0], [0, 0]]))
    assert [(pair.i, pair.j) for pair in criterion.pairs()] == [(0, 1)]
