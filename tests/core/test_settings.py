"""Settings, repr and the list of pairs."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, Settings
from tests.support import strategies
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
    "change",
    [{"measure": name} for name in strategies.MEASURES]
    + [{"estimator": name} for name in strategies.ESTIMATORS]
    + [{"normalization": name} for name in strategies.NORMALIZATIONS]
    + [{"decay": 1.0}, {"decay": 1e-9}, {"alpha": 0}, {"positive_threshold": 2, "negative_threshold": -2}],
)
def test_every_documented_choice_is_taken(change: dict[str, Any]) -> None:
    criterion = OBRLoss(3, **change)
    for name, value in change.items():
        assert getattr(criterion.settings, name) == value
    assert np.isfinite(criterion(LOGITS, TARGETS))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["phi >= 0.60", "phi <= -0.60", "0.80", "0.20"]),
        ({"measure": "pearson"}, ["phi >= 0.80", "phi <= 0.20"]),
        ({"decay": 0.9, "alpha": 2}, ["decay=0.9", "alpha=2", "'unit_pearson'", "'batch'", "'all_pairs'"]),
        ({"reduction": "sum", "estimator": "counts"}, ["'sum'", "'counts'"]),
        ({"freeze": True}, ["freeze=True"]),
    ],
)
def test_repr_says_what_the_settings_mean(arguments: dict[str, Any], words: list[str]) -> None:
    text = repr(OBRLoss(3, **arguments))
    for word in words:
        assert word in text
    assert "0 together, 0 apart of 3" in text


def test_no_phi_where_none_follows() -> None:
    assert "phi" not in repr(OBRLoss(3, measure="jaccard"))


def test_repr_counts_active_pairs() -> None:
    for criterion in (OBRLoss(3), RelationLoss(3)):
        criterion(LOGITS, TARGETS)
        assert "1 together, 2 apart of 3" in repr(criterion)
    one_way = RelationLoss(2, measure="conditional", positive_threshold=0.9, negative_threshold=0.1)
    one_way(LOGITS[:, :2], np.array([[1, 1], [0, 1], [0, 0], [0, 0]]))
    assert "1 together, 0 apart of 2" in repr(one_way)


def test_the_relations_repr() -> None:
    text = repr(OnlineBatchRelation(3, decay=0.5, measure="jaccard").update(TARGETS))
    for word in ("3", "decay=0.5", "'jaccard'", "'batch'", "3 of 3 pairs"):
        assert word in text


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
