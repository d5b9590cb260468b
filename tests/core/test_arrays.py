"""Masks are never dropped, and sparse arrays are refused, in any argument that takes an array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse

from obrl import OBRLoss, OnlineBatchRelation, RelationLoss, count_pairs, relation_loss
from tests.support.compare import assert_same_state
from tests.support.tolerances import assert_exact

TARGETS = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1]])
MISSING = np.zeros(TARGETS.shape, bool)
MISSING[[0, 3], [2, 0]] = True
LOGITS = np.random.default_rng(0).standard_normal(TARGETS.shape)


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.bool_])
def test_a_masked_target_is_missing(dtype: Any) -> None:
    masked = np.ma.masked_array(TARGETS.astype(dtype), mask=MISSING)
    first, second = OBRLoss(3), OBRLoss(3)
    assert first(LOGITS, masked) == second(LOGITS, TARGETS, observed=~MISSING)
    assert_same_state(first, second)
    assert count_pairs(masked).n[0, 2] == 2
    relation = OnlineBatchRelation(3).update(masked)
    assert_exact("weight", relation.relation_weight, first.relation_weight)


def test_a_mask_and_observed_both_count() -> None:
    observed = np.ones(TARGETS.shape, bool)
    observed[1] = False
    masked = np.ma.masked_array(TARGETS, mask=MISSING)
    counts = count_pairs(masked, observed=observed)
    assert_exact("n", counts.n, count_pairs(TARGETS, observed=observed & ~MISSING).n)
    hidden = np.ma.masked_array(np.ones(TARGETS.shape, bool), mask=MISSING)
    assert_exact("n", count_pairs(TARGETS, observed=hidden).n, count_pairs(masked).n)


def test_a_masked_entry_of_a_relation_is_no_evidence() -> None:
    mask = np.zeros((3, 3), bool)
    mask[0, 1] = mask[1, 0] = True
    matrix = np.ma.masked_array(np.ones((3, 3)), mask=mask)
    plain = np.where(mask, np.nan, 1.0)
    assert_exact("start", OBRLoss(3, relation=matrix).relation, OBRLoss(3, relation=plain).relation)
    assert relation_loss(LOGITS, matrix) == relation_loss(LOGITS, plain)


def _masked(shape: tuple[int, ...]) -> Any:
    return np.ma.masked_array(np.ones(shape), mask=np.ones(shape, bool))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"targets": scipy.sparse.csr_array(TARGETS)}, "targets must be a dense array, got scipy.sparse.csr_array"),
        ({"logits": scipy.sparse.coo_matrix(LOGITS)}, "logits must be a dense array, got scipy.sparse.coo_matrix"),
        ({"observed": scipy.sparse.csr_array(~MISSING)}, "observed must be a dense array"),
        (
            {"targets": np.ma.masked_array(TARGETS, MISSING), "observed": scipy.sparse.csr_matrix(~MISSING)},
            "observed must be a dense array, got scipy.sparse.csr_matrix",
        ),
        ({"logits": _masked((4, 3))}, "logits must be a dense array, got a masked array with 12 masked entries"),
        ({"sample_weight": _masked((4,))}, "sample_weight must be a dense array, got a masked array"),
        ({"targets": list(_masked((4, 3)))}, "targets must be a dense array, got a masked array"),
    ],
)
@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_what_is_not_dense_is_refused_before_anything_moves(kind: Any, change: dict[str, Any], words: str) -> None:
    criterion = kind(3)
    with pytest.raises(TypeError, match=words):
        criterion(**({"logits": LOGITS, "targets": TARGETS} | change))
    assert_same_state(criterion, kind(3))


def test_what_is_not_dense_is_refused_as_an_argument_of_a_loss() -> None:
    for name, value in (("pos_weight", _masked((3,))), ("relation", scipy.sparse.eye_array(3))):
        with pytest.raises(TypeError, match=f"{name} must be a dense array"):
            OBRLoss(3, **{name: value})
    with pytest.raises(TypeError, match="relation must be a dense array"):
        relation_loss(LOGITS, scipy.sparse.eye_array(3))
