"""Arrays that are not plain: masks of NumPy are missing labels, and what has no dense form is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from obrl.tensorflow import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import MASKED as TARGETS

LOGITS = np.zeros((4, 3), np.float32)
NOT_DENSE = {
    "SparseTensor": tf.sparse.from_dense,
    "RaggedTensor": tf.RaggedTensor.from_tensor,
    "scipy.sparse.csr_matrix": scipy.sparse.csr_matrix,
    "masked array with 12 masked": lambda array: np.ma.masked_array(array, np.ones_like(array)),
}


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_masked_targets_are_missing(impl: str) -> None:
    criterion, other = OBRLoss(3, impl=impl), OBRLoss(3, impl=impl)
    loss = criterion(TARGETS, LOGITS)
    assert round(float(loss), 4) == 1.7884
    with_nan = TARGETS.filled(np.nan)
    assert_exact("loss", loss, other(with_nan, LOGITS))
    assert_exact("relation_sum", criterion.relation_sum, other.relation_sum)
    observed = np.ones((4, 3), bool)
    observed[1] = False
    both = criterion.terms(TARGETS, LOGITS, observed=observed, update=False)
    assert_exact("L_E", both.cross_entropy, other.terms(with_nan, LOGITS, observed=observed).cross_entropy)


def test_a_relation_by_itself_takes_masks() -> None:
    online = OnlineBatchRelation(3, estimator="counts").update(TARGETS.astype(np.int64))
    assert online.relation_sum.numpy()[0, 0, 2] == 2  # n of the pair (0, 2)


ARGUMENTS = ("y_pred", "sample_weight", "y_true", "observed")
REFUSED = [(kind, name) for kind in NOT_DENSE for name in (ARGUMENTS[:2] if "masked" in kind else ARGUMENTS)]


@pytest.mark.parametrize(("words", "name"), REFUSED)
def test_what_is_not_dense_is_refused(words: str, name: str) -> None:
    criterion = OBRLoss(3)
    arguments: dict[str, Any] = {"y_true": LOGITS, "y_pred": LOGITS, name: NOT_DENSE[words](LOGITS)}
    label = {"y_pred": "logits", "y_true": "targets"}.get(name, name)
    with pytest.raises(TypeError, match=f"{label} must be a dense (tensor|array), got (a )?{words}"):
        criterion(**arguments)
    assert not criterion.relation_weight.numpy().any()


def test_a_masked_relation_has_no_evidence_there() -> None:
    matrix = np.ma.masked_array([[1.0, 0.9], [0.9, 1.0]], mask=[[0, 1], [1, 0]])
    assert np.isnan(OBRLoss(2, relation=matrix).relation.numpy()[0, 1])
    assert not relation_loss(tf.constant([[3.0, -3.0]]), matrix).numpy()
    assert relation_loss(tf.constant([[3.0, -3.0]]), matrix.data).numpy() > 0
    with pytest.raises(TypeError, match=r"relation must be a dense array, got scipy.sparse.csr_matrix"):
        OBRLoss(2, relation=scipy.sparse.csr_matrix(matrix.data))


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_a_frozen_loss_needs_a_relation(kind: Any) -> None:
    with pytest.raises(ValueError, match="freeze=True needs relation="):
        kind(3, freeze=True)
    start = np.array([[1.0, 0.9], [0.9, 1.0]])
    loss = kind(2, freeze=True, relation=start)(tf.zeros((1, 2)), tf.constant([[3.0, -3.0]]))
    expected = kind(2, relation=start)(tf.zeros((1, 2)), tf.constant([[3.0, -3.0]]), update=False)
    assert_close("loss", loss, expected, band(4, 10.0, "float32"))
