"""NumPy's masks and SciPy's sparse matrices in every argument, and the strict modes of JAX."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

import obrl
from obrl.jax import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss, update_relation
from tests.jax.data import LABELS, assert_same, batch, batches, step
from tests.support.tolerances import assert_close, assert_exact, band

MASKED = np.ma.masked_array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 0, 1]], np.zeros((4, 3), bool))
MASKED[0, 2] = MASKED[3, 0] = np.ma.masked
LOGITS = np.zeros((4, 3), np.float32)
every = pytest.mark.parametrize("impl", ["auto", "plain", "fused"])


@every
@pytest.mark.parametrize("dtype", ["bool", "int64", "float32"])
def test_masked_targets_are_missing(dtype: str, impl: str) -> None:
    """In eager mode and as constants of a program; beside `observed` both count."""
    targets = MASKED.astype(dtype)
    criterion = OBRLoss(3, estimator="counts", impl=impl)
    expected = obrl.OBRLoss(3, estimator="counts")(LOGITS, targets)
    compiled = jax.jit(lambda x, state: criterion(x, targets, state))
    for loss, state in (criterion(LOGITS, targets, criterion.init()), compiled(LOGITS, criterion.init())):
        assert_close("loss", loss, expected, band(12, 1.0, "float32"))
        assert state.relation_sum[0, 0, 2] == 2
    observed = np.ones((4, 3), bool)
    observed[1, 2] = False
    _, state = criterion(LOGITS, targets, criterion.init(), observed=observed)
    assert state.relation_sum[0, 0, 2] == 1


def test_masked_targets_of_a_relation() -> None:
    online = OnlineBatchRelation(3, estimator="counts")
    assert online.update(MASKED, online.init()).relation_sum[0, 0, 2] == 2
    assert update_relation(MASKED, online.init(), estimator="counts").relation_sum[0, 0, 2] == 2


def test_masked_entries_of_a_relation_are_no_evidence() -> None:
    matrix = np.ma.masked_array(np.eye(3), np.zeros((3, 3), bool))
    matrix[0, 1] = matrix[1, 0] = np.ma.masked
    criterion = OBRLoss(3, relation=matrix)
    assert np.isnan(criterion.relation(criterion.init())[0, 1])
    assert_exact("L_B", relation_loss(LOGITS, matrix), relation_loss(LOGITS, matrix.filled(np.nan)))


@pytest.mark.parametrize("name", ["logits", "sample_weight"])
def test_other_masks_are_refused(name: str) -> None:
    criterion = OBRLoss(3)
    good: dict[str, Any] = {"logits": LOGITS, "targets": MASKED, "sample_weight": np.ones(4, np.float32)}
    wrong = np.ma.masked_array(good[name], np.arange(len(good[name])) == 1 if name == "sample_weight" else MASKED.mask)
    with pytest.raises(TypeError, match=f"{name} must be a dense array, got a masked array"):
        criterion(**{**good, name: wrong}, state=criterion.init())
    with pytest.raises(TypeError, match="pos_weight must be a dense array, got a masked array"):
        OBRLoss(2, pos_weight=np.ma.masked_array([1.0, 2.0], [True, False]))


@pytest.mark.parametrize("name", ["logits", "targets", "observed"])
def test_sparse_matrices_are_refused(name: str) -> None:
    sparse = scipy.sparse.csr_matrix(np.ones((4, 3)))
    for kind in (OBRLoss, RelationLoss):
        criterion = kind(3)
        arguments: dict[str, Any] = {"logits": LOGITS, "targets": MASKED.filled(0), name: sparse}
        with pytest.raises(TypeError, match=rf"{name} must be a dense array, got scipy\.sparse\.csr_matrix"):
            criterion(**arguments, state=criterion.init())
    with pytest.raises(TypeError, match=r"relation must be a dense array, got scipy\.sparse\.csr_matrix"):
        relation_loss(LOGITS, sparse)


@pytest.mark.parametrize(
    ("compiled", "impl"),
    [(False, "auto"), (True, "auto"), pytest.param(True, "plain", marks=pytest.mark.slow), (True, "fused")],
)
def test_strict_modes(compiled: bool, impl: str) -> None:
    """No operation promotes a rank or a dtype."""
    logits, targets = batch(8)
    arguments: dict[str, Any] = {"observed": targets < 2, "sample_weight": jnp.linspace(0.0, 2.0, 8)}
    labels = (targets, targets > 0.5, targets.astype(jnp.int8), jnp.where(targets > 0.5, targets, jnp.nan))

    def results() -> Iterator[Any]:
        for estimator in ("batch", "counts"):
            settings: dict[str, Any] = {"estimator": estimator, "normalization": "active_pairs"}
            criterion = OBRLoss(LABELS, **settings, impl=impl, pos_weight=[1.0] * LABELS)
            function = jax.jit(step(criterion)) if compiled else step(criterion)
            for x, y in (*((logits, y) for y in labels), (logits.astype(jnp.bfloat16), targets)):
                yield function(x, y, criterion.init(), **arguments)

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        strict = list(results())
    assert_same(strict, list(results()))


def test_random_keys_are_no_numbers() -> None:
    criterion = OBRLoss(3)
    keys = jax.random.split(jax.random.key(0), (4, 3))
    with pytest.raises(TypeError, match="targets must be bool, integer or floating point, got key"):
        criterion(LOGITS, keys, criterion.init())


def test_constructors_take_no_traced_array() -> None:
    for name, value in {"pos_weight": jnp.ones(3), "relation": jnp.eye(3)}.items():
        with pytest.raises(TypeError, match=f"{name} must hold values, got a traced array"):
            jax.eval_shape(lambda array, name=name: OBRLoss(3, **{name: array}).init(), value)


def test_strict_modes_of_everything_else() -> None:
    """Second derivatives, gradients of weights, a relation from outside, merging, and the view of a state."""
    logits, targets = batches(2, 8)

    def results() -> Iterator[Any]:
        for estimator in ("batch", "counts"):
            online = OnlineBatchRelation(LABELS, estimator=estimator, measure="conditional")
            states = [online.update(y, online.init()) for y in targets]
            yield online.merge(*states)
            yield jax.jit(online.relation)(states[0])
        for impl in ("auto", "plain", "fused"):
            criterion = OBRLoss(LABELS, impl=impl, reduction="none")

            def loss(x: Any, w: Any, criterion: OBRLoss = criterion) -> Any:
                terms, _ = criterion.terms(x, targets[0], criterion.init(), sample_weight=w)
                return (terms.total + terms.cross_entropy * terms.relation_loss).sum()

            yield jax.jit(jax.jacrev(jax.grad(loss, (0, 1))))(logits[0], jnp.ones(8))
            yield relation_loss(logits[0], jnp.eye(LABELS), impl=impl)

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        strict = list(results())
    assert_same(strict, list(results()))
