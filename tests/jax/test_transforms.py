"""jit, vmap, scan, checkpoint, donation and jax_debug_nans, by the algebra and in native code."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from obrl.jax import OBRLoss, RelationLoss, RelationState, relation_loss, update_relation
from tests.jax.data import LABELS, SETTINGS, assert_same, batch, batches, labels, run, step
from tests.support.tolerances import assert_close, assert_exact, band

AXES: tuple[tuple[int | None, ...], ...] = ((1, 1, 0), (0, None, None), (None, 0, None), (None, None, 0))
both = pytest.mark.parametrize("impl", ["auto", "fused"])


@pytest.mark.parametrize(
    ("impl", "axes"), [("auto", (0, 0, 0)), ("fused", (0, 0, 0)), *(("fused", axes) for axes in AXES)], ids=str
)
def test_vmap(impl: str, axes: tuple[int | None, ...]) -> None:
    """Over runs, and, for the custom calls, over any part of one."""
    logits, targets = batches(3, 8, seed=1)
    alone = jax.jit(step(OBRLoss(LABELS, **SETTINGS)))
    states = [alone(logits[0], y, OBRLoss(LABELS).init())[0][1] for y in targets[::-1]]
    stacked = (logits, targets, jax.tree.map(lambda *parts: jnp.stack(parts), *states))
    arguments = [
        jax.tree.map(lambda part, axis=axis: part[0] if axis is None else jnp.moveaxis(part, 0, axis), argument)
        for argument, axis in zip(stacked, axes, strict=True)
    ]
    results = jax.jit(jax.vmap(step(OBRLoss(LABELS, **SETTINGS, impl=impl)), axes))(*arguments)
    for index in range(3):
        single = (
            jax.tree.map(lambda part, place=0 if axis is None else index: part[place], argument)
            for argument, axis in zip(stacked, axes, strict=True)
        )
        assert_same(jax.tree.map(lambda part, index=index: part[index], results), alone(*single))


@both
def test_vmap_over_the_axis_of_the_counts(impl: str) -> None:
    logits, targets = batches(3, 8)
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl, axis_name="runs")
    shared = jax.jit(jax.vmap(criterion, (0, 0, None), axis_name="runs"))
    losses, states = shared(logits, targets, criterion.init())
    whole = OBRLoss(LABELS, **SETTINGS)
    loss, state = whole(logits.reshape(-1, LABELS), targets.reshape(-1, LABELS), whole.init())
    assert_close("the mean loss", losses.mean(), loss, band(80, 100.0, "float32"))
    for index in range(3):
        assert_same(RelationState(*(part[index] for part in states)), state)


@both
def test_scan_and_a_gradient_through_it(impl: str) -> None:
    """It is the run batch by batch."""
    logits, targets = batches(4, 8)
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl)

    def total(x: Array) -> Any:
        def body(state: RelationState, batch: tuple[Array, Array]) -> Any:
            loss, state = criterion(*batch, state)
            return state, loss

        state, losses = jax.lax.scan(body, criterion.init(), (x, targets))
        return losses.sum(), (losses, state)

    (_, (losses, state)), gradients = jax.jit(step(total))(logits)
    assert_same((losses, gradients, state), run(OBRLoss(LABELS, **SETTINGS), logits, targets))
    assert criterion.pairs(state)


def test_a_checkpointed_model() -> None:
    logits, targets = batch(8)

    def gradient(impl: str) -> Array:
        criterion = OBRLoss(LABELS, **SETTINGS, impl=impl)

        def loss(x: Array) -> Array:
            return criterion(jnp.sin(x), targets, criterion.init())[0]

        return jax.jit(jax.grad(jax.checkpoint(loss)))(logits)

    expected = gradient("plain")
    assert_same(gradient("auto"), expected)
    assert_same(gradient("fused"), expected)


def test_the_configuration_is_a_static_argument() -> None:
    traces = []

    @partial(jax.jit, static_argnums=0)
    def loss(criterion: OBRLoss, x: Array, y: Array, state: RelationState) -> Any:
        traces.append(criterion)
        return criterion(x, y, state)

    for decay in (0.9, 0.9, 0.5):
        criterion = OBRLoss(LABELS, decay=decay, pos_weight=np.arange(LABELS), label_names=list("abcde"))
        loss(criterion, *batch(6), criterion.init())
    assert len(traces) == 2
    with pytest.raises(AttributeError):
        traces[0].num_labels = 3


@both
def test_a_donated_state(impl: str) -> None:
    """It is used up; one that is not donated stays as it was."""
    logits, targets = batches(2, 6)
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl)
    start = criterion.init()
    state = criterion(logits[0], targets[0], start)[1]
    assert_exact("the old state", start.relation_weight, jnp.zeros((LABELS, LABELS)))
    donated = state
    (_, state), _ = jax.jit(step(criterion), donate_argnums=2)(logits[1], targets[1], donated)
    assert donated.relation_sum.is_deleted()
    assert_same(state, run(OBRLoss(LABELS, **SETTINGS), logits, targets)[2])


@both
def test_a_backward_pass_outlives_a_state_that_was_donated(impl: str) -> None:
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl)
    logits, targets = batch(6)

    def loss(logits: Array, sample_weight: Array) -> tuple[Array, RelationState]:
        return criterion(logits, targets, criterion.init(), sample_weight=sample_weight)

    _, backward, state = jax.vjp(loss, logits, jnp.ones(6), has_aux=True)
    expected = backward(jnp.ones(()))
    jax.jit(lambda state: jax.tree.map(jnp.negative, state), donate_argnums=0)(state)
    assert state.relation_sum.is_deleted()
    for ours, theirs in zip(backward(jnp.ones(())), expected, strict=True):
        assert_exact("gradient", ours, theirs)


@both
@pytest.mark.parametrize("compiled", [False, True])
def test_debug_nans(compiled: bool, impl: str) -> None:
    """Missing targets, pairs without evidence and saturated logits: no operation gives a NaN."""
    random = np.random.default_rng(0)
    targets = labels(random, 6)
    targets[:, 3] = 1
    targets[random.random(targets.shape) < 0.3] = np.nan
    logits = jnp.asarray(random.choice([-1e4, -100.0, 0.0, 100.0, 1e4], targets.shape).astype(np.float32))
    for estimator, dtype in (("batch", "float16"), ("counts", "float32"), ("batch", "float64")):
        settings: dict[str, Any] = {"estimator": estimator, "normalization": "active_pairs"}
        criterion = OBRLoss(LABELS, **settings, impl=impl)
        with jax.debug_nans(True):
            function = jax.jit(step(criterion)) if compiled else step(criterion)
            (loss, state), gradient = function(logits, targets.astype(dtype), criterion.init())
            relation = criterion.relation(state)
        expected = step(OBRLoss(LABELS, **settings))(logits, targets, criterion.init())
        assert_same(((loss, state), gradient), expected)
        assert np.isnan(relation).any()


def test_update_says_whether_the_state_moves() -> None:
    logits, targets = batches(2, 6)
    criterion = OBRLoss(LABELS)
    _, state = criterion(logits[0], targets[0], criterion.init())
    frozen = OBRLoss(LABELS, freeze=True, relation=criterion.to_numpy(state))
    for update, still in ((False, criterion), (None, frozen)):
        _, same = still(logits[1], targets[1], state, update=update)
        assert_exact("state", same.relation_sum, state.relation_sum)
    _, moved = criterion(logits[1], targets[1], state, update=True)
    assert (moved.relation_weight > state.relation_weight).any()


@pytest.mark.parametrize("below", [0.0, 1e-12])
def test_a_float64_relation_meets_its_thresholds_in_float64(below: float) -> None:
    criterion = RelationLoss(3)
    with jax.enable_x64(True):
        weight = jnp.ones((3, 3), jnp.float64)
        state = RelationState((criterion.settings.positive_threshold - below) * weight, weight)
        value, _ = criterion(jnp.eye(3, dtype=jnp.float32), jnp.zeros((3, 3)), state, update=False)
    assert (value.dtype, bool(value > 0)) == (jnp.float32, below == 0)


@pytest.mark.parametrize("observed", [None, np.array([[True, True], [True, False], [True, True]])])
def test_one_half_counts_as_one_where_no_value_is_read(observed: Any) -> None:
    criterion = OBRLoss(2, estimator="counts")
    soft = jnp.array([[0.5, 0.5], [0.4375, 1.0], [0.5, 0.0]])

    def update(targets: Array) -> RelationState:
        return criterion(jnp.zeros(targets.shape), targets, criterion.init(), observed=observed)[1]

    state = jax.jit(update)(soft)
    assert_same(state, update(jnp.array([[1, 1], [0, 1], [1, 0]])))
    n, s, r = state.relation_sum
    assert (n[0, 1], s[0, 1], r[0, 1]) == ((3.0, 1.0, 2.0) if observed is None else (2.0, 1.0, 2.0))


def test_numpy_targets_beside_a_traced_mask() -> None:
    random = np.random.default_rng(0)
    targets, observed = labels(random, 6), random.random((6, LABELS)) < 0.7
    criterion = OBRLoss(LABELS)

    def loss(mask: Any) -> Array:
        return criterion(jnp.zeros((6, LABELS)), targets, criterion.init(), observed=mask)[0]

    assert_close("loss", jax.jit(loss)(observed), loss(observed), band(40, 10.0, "float32"))


@both
def test_half_precision_keeps_a_float32_state(impl: str) -> None:
    logits, targets = batch(8)
    criterion = OBRLoss(LABELS, impl=impl)
    (loss, state), gradient = step(criterion)(logits.astype(jnp.bfloat16), targets, criterion.init())
    assert (loss.dtype, gradient.dtype) == (jnp.float32, jnp.bfloat16)
    assert {part.dtype for part in state} == {jnp.dtype(jnp.float32)}


def test_weakly_typed_arrays() -> None:
    """Such as `jnp.full` gives: what comes out is not weakly typed, so that a loop compiles once."""
    logits = jnp.full((4, LABELS), 0.5)
    assert logits.weak_type
    criterion = OBRLoss(LABELS)
    (loss, state), gradient = jax.jit(step(criterion))(logits, batch(4)[1], criterion.init())
    assert {part.weak_type for part in (loss, *state)} == {False}
    assert gradient.shape == logits.shape


def test_stateless_functions() -> None:
    logits, targets = batches(2, 8)
    state = OBRLoss(LABELS, decay=0.9).init()
    for y in targets:
        state = jax.jit(partial(update_relation, decay=0.9))(y, state)
    criterion = RelationLoss(LABELS, decay=0.9)
    expected, last = criterion(logits[1], targets[1], criterion(logits[0], targets[0], criterion.init())[1])
    assert_same(state, last)
    value = jax.jit(relation_loss)(logits[1], criterion.relation(state))
    assert_close("L_B", value, expected, band(40, 1.0, "float32"))
