"""The state as a pytree, as a file, and beside NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

import obrl
from obrl.jax import LossTerms, OBRLoss, OnlineBatchRelation, RelationLoss, RelationState
from tests.jax.data import LABELS, batches
from tests.support.tolerances import assert_close, assert_exact, band

NAMES = ["hat", "cap", "bald", "young", "smile"]


def trained(estimator: str = "batch", **settings: Any) -> tuple[OBRLoss, RelationState]:
    criterion = OBRLoss(LABELS, estimator=estimator, label_names=NAMES, **settings)
    state = criterion.init()
    for x, y in zip(*batches(3, 8), strict=True):
        _, state = criterion(x, y, state)
    return criterion, state


@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_files_go_both_ways_and_training_goes_on(estimator: str, tmp_path: Path) -> None:
    criterion, state = trained(estimator)
    path = tmp_path / "relation.npz"
    criterion.save_relation(path, state)
    numpy = obrl.OBRLoss(LABELS, estimator=estimator, relation=path)
    assert numpy.label_names == tuple(NAMES)
    logits, targets = (np.asarray(array[0]) for array in batches(1, 8, seed=5))
    expected = numpy(logits, targets)
    for start in (criterion.load_relation(path), OBRLoss(LABELS, estimator=estimator, relation=path).init()):
        assert_exact("relation_sum", start.relation_sum, state.relation_sum)
        loss, after = criterion(logits, targets, start)
        assert_close("loss", loss, expected, band(40, 10.0, "float32"))
        assert_close("relation_sum", after.relation_sum, numpy.relation_sum, band(8, numpy.relation_sum, "float32"))
    numpy.save_relation(path)
    assert_close(
        "relation_sum",
        criterion.load_relation(path).relation_sum,
        numpy.relation_sum,
        band(1, numpy.relation_sum, "float32"),
    )


def test_a_file_of_other_settings_is_refused(tmp_path: Path) -> None:
    criterion, state = trained()
    criterion.save_relation(tmp_path / "relation.npz", state)
    for change in ({"decay": 0.5}, {"measure": "cosine"}, {"estimator": "counts"}):
        with pytest.raises(ValueError, match=next(iter(change))):
            OBRLoss(LABELS, **change).load_relation(tmp_path / "relation.npz")
    with pytest.raises(ValueError, match="label_names must agree"):
        OBRLoss(LABELS, label_names=list("abcde")).load_relation(tmp_path / "relation.npz")


def test_orbax_keeps_the_state(tmp_path: Path) -> None:
    criterion, state = trained()
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "checkpoint", state._asdict())
        checkpointer.wait_until_finished()
        restored = checkpointer.restore(tmp_path / "checkpoint", criterion.init()._asdict())
    for ours, theirs in zip(state, RelationState(**restored), strict=True):
        assert_exact("state", theirs, ours)


def test_what_people_see() -> None:
    criterion, state = trained()
    numpy = criterion.to_numpy(state)
    assert criterion.pairs(state) == numpy.pairs()
    assert criterion.pairs(state)[0].names == ("hat", "cap")
    assert_close("relation", criterion.relation(state), numpy.relation, band(4, 1.0, "float32"))
    assert_exact("under jit", jax.jit(criterion.relation)(state), criterion.relation(state))
    online = OnlineBatchRelation(LABELS, relation=numpy)
    assert online.pairs(online.init(), positive_threshold=0.9) == numpy.pairs(positive_threshold=0.9)


def test_repr_shows_what_differs_from_the_defaults() -> None:
    words = "together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6)"
    assert repr(RelationLoss(3)) == f"RelationLoss(3, {words})"
    changed: dict[str, Any] = {"decay": 0.995, "reduction": "sum", "impl": "fused", "axis_name": "data"}
    text = repr(OBRLoss(2, **changed, pos_weight=[1.0, 2.0]))
    for name, value in {**changed, "pos_weight": (1.0, 2.0)}.items():
        assert f"{name}={value!r}" in text
    assert repr(OnlineBatchRelation(3, measure="cosine")) == "OnlineBatchRelation(3, measure='cosine')"


@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_a_relation_from_a_file(estimator: str, tmp_path: Path) -> None:
    """It has the file's settings, names and state, whichever framework wrote it."""
    online = OnlineBatchRelation(LABELS, decay=0.5, measure="cosine", estimator=estimator, label_names=NAMES)
    state = online.update(batches(1, 8)[1][0], online.init())
    online.save(tmp_path / "ours.npz", state)
    online.to_numpy(state).save(tmp_path / "theirs.npz")
    for name in ("ours.npz", "theirs.npz"):
        loaded = OnlineBatchRelation.load(tmp_path / name)
        assert (loaded.settings, loaded.label_names) == (online.settings, online.label_names)
        assert_exact("relation_sum", loaded.init().relation_sum, state.relation_sum)
        assert_exact("relation_weight", loaded.init().relation_weight, state.relation_weight)
    with pytest.raises(FileNotFoundError):
        OnlineBatchRelation.load(tmp_path / "none.npz")


def test_frozen_needs_a_relation() -> None:
    for kind in (OBRLoss, RelationLoss):
        with pytest.raises(ValueError, match="freeze=True"):
            kind(3, freeze=True)
        assert kind(3, freeze=True, relation=np.eye(3)).freeze


def test_a_matrix_to_start_from() -> None:
    matrix = np.array([[1.0, 0.75], [0.75, 1.0]])
    for relation in (matrix, jnp.asarray(matrix), jnp.asarray(matrix, jnp.bfloat16)):
        criterion = OBRLoss(2, relation=relation, pos_weight=jnp.ones(2, jnp.bfloat16))
        assert_close("relation", criterion.relation(criterion.init()), matrix, band(4, 1.0, "float32"))
        assert criterion == OBRLoss(2, relation=matrix, pos_weight=[1.0, 1.0])
        assert hash(criterion) == hash(OBRLoss(2, relation=matrix, pos_weight=[1.0, 1.0]))
        assert criterion != OBRLoss(2, relation=np.eye(2), pos_weight=[1.0, 1.0])


def test_a_start_from_jax_goes_by_numpy() -> None:
    criterion, state = trained()
    online = OnlineBatchRelation(LABELS, relation=criterion.to_numpy(state))
    assert_exact("relation_sum", online.init().relation_sum, state.relation_sum)
    for wrong in (online, state):
        with pytest.raises(TypeError, match=r"relation must be .*to_numpy\(state\)"):
            OBRLoss(LABELS, relation=wrong)


def test_a_state_restored_as_a_plain_tuple() -> None:
    criterion, state = trained()
    logits, targets = (array[0] for array in batches(1, 8, seed=5))
    loss, after = criterion(logits, targets, tuple(state))
    assert isinstance(after, RelationState)
    assert_exact("loss", loss, criterion(logits, targets, state)[0])
    assert criterion.pairs(tuple(state)) == criterion.pairs(state)


def test_a_float64_state_stays_one() -> None:
    with jax.enable_x64(True):
        logits, targets = batches(2, 8, dtype=jnp.float64)
        criterion, numpy = OBRLoss(LABELS), obrl.OBRLoss(LABELS)
        state = criterion.init(jnp.float64)
        for x, y in zip(logits, targets, strict=True):
            loss, state = criterion(x, y, state)
            assert_close("loss", loss, numpy(np.asarray(x), np.asarray(y)), band(40, 10.0))
        assert state.relation_sum.dtype == jnp.float64
        assert_close("relation_sum", state.relation_sum, numpy.relation_sum, band(8, 10.0))


def test_classes_name_their_public_module() -> None:
    for kind in (OBRLoss, RelationLoss, OnlineBatchRelation):
        assert kind.__module__ == "obrl.jax"
        assert hash(kind(3)) == hash(kind(3))
        assert kind(3) == kind(3) != kind(4)
    logits, targets = batches(1, 4)
    terms, _ = OBRLoss(LABELS).terms(logits[0], targets[0], OBRLoss(LABELS).init())
    assert isinstance(terms, LossTerms)
