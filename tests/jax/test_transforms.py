"""jit, grad, vmap, scan, donation, forward mode and higher derivatives, debug_nans, and what XLA makes of a step."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array
from jax.test_util import check_grads

from obrl.jax import OBRLoss, RelationLoss, RelationState, relation_loss, update_relation
from obrl_jax import rows
from tests.jax.data import LABELS, batches, labels
from tests.support.blocks import few_rows
from tests.support.hlo import count_kernels, largest_buffer
from tests.support.tolerances import assert_close, assert_exact, band

ALPHA = 40.0
MOST_KERNELS = 40
"""Of a step at (64, 40), as XLA compiles it for a CPU."""


def run(criterion: OBRLoss, logits: Array, targets: Array) -> tuple[list[Array], list[Array], RelationState]:
    """Every loss and gradient of a run, batch by batch, without a compiler."""
    state, losses, gradients = criterion.init(), [], []
    for x, y in zip(logits, targets, strict=True):
        (loss, state), gradient = jax.value_and_grad(criterion, has_aux=True)(x, y, state)
        losses.append(loss)
        gradients.append(gradient)
    return losses, gradients, state


def assert_states(first: RelationState, second: RelationState) -> None:
    for name, ours, theirs in zip(RelationState._fields, first, second, strict=True):
        assert ours.dtype == theirs.dtype
        assert_close(name, ours, theirs, band(4, np.asarray(theirs), "float32"))


@pytest.mark.parametrize("observed", [None, np.array([[True, True], [True, False], [True, True]])])
def test_one_half_counts_as_one_where_no_value_is_read(observed: Any) -> None:
    criterion = OBRLoss(2, estimator="counts")
    soft = jnp.array([[0.5, 0.5], [0.4375, 1.0], [0.5, 0.0]])

    def update(targets: Array) -> RelationState:
        return criterion(jnp.zeros(targets.shape), targets, criterion.init(), observed)[1]

    found = jax.jit(update)(soft)
    assert_states(found, update(jnp.array([[1, 1], [0, 1], [1, 0]])))
    n, s, r = found.relation_sum
    assert (n[0, 1], s[0, 1], r[0, 1]) == ((3.0, 1.0, 2.0) if observed is None else (2.0, 1.0, 2.0))


@pytest.mark.usefixtures("size")
def test_a_run_under_scan_and_jit_is_the_run_batch_by_batch() -> None:
    criterion = OBRLoss(LABELS, alpha=ALPHA)
    logits, targets = batches(4, 8)
    losses, gradients, last = run(criterion, logits, targets)

    @jax.jit
    def scanned(state: RelationState) -> Any:
        def body(carry: RelationState, batch: tuple[Array, Array]) -> Any:
            (loss, carry), gradient = jax.value_and_grad(criterion, has_aux=True)(*batch, carry)
            return carry, (loss, gradient)

        return jax.lax.scan(body, state, (logits, targets))

    state, (found, slopes) = scanned(criterion.init())
    assert_states(state, last)
    assert_close("losses", found, jnp.stack(losses), band(40, 100.0, "float32"))
    assert_close("gradients", slopes, jnp.stack(gradients), band(40, 10.0, "float32"))
    assert criterion.pairs(state)


@pytest.mark.usefixtures("size")
def test_vmap_over_several_runs() -> None:
    criterion = OBRLoss(LABELS, alpha=ALPHA)
    logits, targets = batches(3, 8, seed=1)
    states = jax.vmap(lambda _: criterion.init())(jnp.arange(3))
    step = jax.vmap(jax.value_and_grad(criterion, has_aux=True))
    (losses, states), gradients = step(logits, targets, states)
    for index in range(3):
        (loss, state), gradient = jax.value_and_grad(criterion, has_aux=True)(
            logits[index], targets[index], criterion.init()
        )
        assert_close("loss", losses[index], loss, band(40, 100.0, "float32"))
        assert_close("gradient", gradients[index], gradient, band(40, 10.0, "float32"))
        assert_states(RelationState(*(part[index] for part in states)), state)


def test_the_configuration_is_a_static_argument() -> None:
    traces = []

    @partial(jax.jit, static_argnums=0)
    def loss(criterion: OBRLoss, x: Array, y: Array, state: RelationState) -> Any:
        traces.append(criterion)
        return criterion(x, y, state)

    logits, targets = batches(1, 6)
    for decay in (0.9, 0.9, 0.5):
        criterion = OBRLoss(LABELS, decay=decay, pos_weight=np.arange(LABELS), label_names=list("abcde"))
        loss(criterion, logits[0], targets[0], criterion.init())
    assert len(traces) == 2
    with pytest.raises(AttributeError):
        traces[0].num_labels = 3


def test_a_donated_state() -> None:
    criterion = OBRLoss(LABELS)
    logits, targets = batches(2, 6)
    step = jax.jit(criterion, donate_argnums=2)
    state = criterion.init()
    for x, y in zip(logits, targets, strict=True):
        given = state
        _, state = step(x, y, given)
        assert given.relation_sum.is_deleted()
    assert_states(state, run(criterion, logits, targets)[2])


@pytest.mark.usefixtures("size")
def test_a_backward_pass_outlives_a_state_that_was_donated() -> None:
    criterion = OBRLoss(LABELS, alpha=ALPHA)
    logits, targets = batches(1, 6)

    def loss(sample_weight: Array) -> tuple[Array, RelationState]:
        return criterion(logits[0], targets[0], criterion.init(), sample_weight=sample_weight)

    _, backward, state = jax.vjp(loss, jnp.ones(6), has_aux=True)
    (expected,) = backward(jnp.ones(()))
    jax.jit(lambda state: jax.tree.map(jnp.negative, state), donate_argnums=0)(state)
    assert state.relation_sum.is_deleted()
    assert_exact("gradient", backward(jnp.ones(()))[0], expected)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("below", [0.0, 1e-12])
def test_a_float64_relation_meets_its_thresholds_in_float64(below: float) -> None:
    criterion = RelationLoss(3)
    with jax.enable_x64(True):
        weight = jnp.ones((3, 3), jnp.float64)
        state = RelationState((criterion.settings.positive_threshold - below) * weight, weight)
        value, _ = criterion(jnp.eye(3, dtype=jnp.float32), jnp.zeros((3, 3)), state, update=False)
    assert (value.dtype, bool(value > 0)) == (jnp.float32, below == 0)


def test_update_says_whether_the_state_moves() -> None:
    criterion = OBRLoss(LABELS)
    logits, targets = batches(2, 6)
    _, state = criterion(logits[0], targets[0], criterion.init())
    for update, frozen in ((False, criterion), (None, OBRLoss(LABELS, freeze=True))):
        _, same = frozen(logits[1], targets[1], state, update=update)
        assert_exact("state", same.relation_sum, state.relation_sum)
    _, moved = criterion(logits[1], targets[1], state, update=True)
    assert (moved.relation_weight > state.relation_weight).any()


def test_no_gradient_flows_through_the_relation() -> None:
    criterion = OBRLoss(3, alpha=ALPHA, impl="plain")
    targets = jnp.asarray(labels(np.random.default_rng(0), 6, 3)) * 0.8 + 0.1

    def relation(y: Array) -> Array:
        return criterion(jnp.zeros((6, 3)), y, criterion.init())[1].relation_sum.sum()

    assert_exact("gradient", jax.grad(relation)(targets), jnp.zeros((6, 3)))


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("argument", ["targets", "sample_weight"])
def test_gradients_of_targets_and_weights_are_those_of_the_plain_path(argument: str, reduction: str) -> None:
    """They are seldom wanted, but a silent zero would be wrong."""
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.standard_normal((6, 3)).astype(np.float32))
    values = {
        "targets": jnp.asarray(labels(random, 6, 3)) * 0.8 + 0.1,
        "sample_weight": jnp.asarray(random.random(6).astype(np.float32)),
    }

    def gradient(impl: str) -> Array:
        criterion = OBRLoss(3, alpha=ALPHA, impl=impl, reduction=reduction, pos_weight=[1.0, 2.0, 3.0])

        def loss(value: Array) -> Array:
            terms, _ = criterion.terms(logits, state=criterion.init(), **{**values, argument: value})
            return (terms.total + 3 * terms.cross_entropy).sum()

        return jax.grad(loss)(values[argument])

    assert np.abs(gradient("plain")).max() > 0
    assert_close("gradient", gradient("auto"), gradient("plain"), band(20, 100.0, "float32"))


def test_each_term_can_be_differentiated_alone() -> None:
    logits, targets = batches(1, 6)

    def gradient(impl: str, name: str) -> Array:
        criterion = OBRLoss(LABELS, alpha=ALPHA, impl=impl)
        return jax.grad(lambda x: getattr(criterion.terms(x, targets[0], criterion.init())[0], name))(logits[0])

    for name in ("total", "cross_entropy", "relation_loss"):
        assert_close(name, gradient("auto", name), gradient("plain", name), band(40, 10.0, "float32"))


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(("impl", "modes"), [("auto", ["rev"]), ("plain", ["fwd", "rev"])])
def test_derivatives_of_first_and_second_order(impl: str, modes: list[str]) -> None:
    with jax.enable_x64(True):
        logits, targets = batches(1, 4, dtype=jnp.float64)
        criterion = OBRLoss(LABELS, alpha=ALPHA, impl=impl)
        _, state = criterion(logits[0], targets[0], criterion.init())

        def loss(x: Array) -> Array:
            return criterion(x, targets[0], state, update=False)[0]

        check_grads(loss, (logits[0],), order=2, modes=modes)
        hessian = jax.hessian(loss)(logits[0])  # forward over reverse
        assert_close("hessian", hessian, jax.jacrev(jax.grad(loss))(logits[0]), band(40, 10.0))


def test_forward_mode_needs_the_plain_path() -> None:
    logits, targets = batches(1, 4)
    criterion = OBRLoss(LABELS)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda x: criterion(x, targets[0], criterion.init())[0], (logits[0],), (logits[0],))


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("compiled", [False, True])
def test_debug_nans(compiled: bool) -> None:
    """Missing targets, pairs without evidence and saturated logits: no operation gives a NaN."""
    random = np.random.default_rng(0)
    targets = labels(random, 6)
    targets[:, 3] = 1
    targets[random.random(targets.shape) < 0.3] = np.nan
    logits = jnp.asarray(random.choice([-1e4, -100.0, 0.0, 100.0, 1e4], targets.shape).astype(np.float32))
    before = jax.config.jax_debug_nans
    jax.config.update("jax_debug_nans", True)
    try:
        for estimator in ("batch", "counts"):
            criterion = OBRLoss(LABELS, estimator=estimator, normalization="active_pairs")
            step = jax.value_and_grad(criterion, has_aux=True)
            (loss, state), gradient = (jax.jit(step) if compiled else step)(logits, targets, criterion.init())
            assert np.isfinite(loss)
            assert np.isfinite(gradient).all()
            assert np.isnan(criterion.relation(state)).any()
    finally:
        jax.config.update("jax_debug_nans", before)


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_xla_holds_nothing_of_batch_by_labels_by_labels(kind: Any) -> None:
    size, num_labels = 48, 17
    criterion = kind(num_labels)
    arguments = jnp.zeros((size, num_labels)), jnp.zeros((size, num_labels)), criterion.init()
    compiled = jax.jit(jax.value_and_grad(criterion, has_aux=True)).lower(*arguments).compile()
    assert largest_buffer(compiled.as_text()) <= size * num_labels

    def naive(logits: Array) -> Array:
        return ((logits[:, :, None] - logits[:, None, :]) ** 2 * jnp.arange(num_labels)).sum()

    control = jax.jit(jax.grad(naive)).lower(arguments[0]).compile()
    assert largest_buffer(control.as_text()) >= size * num_labels**2


def test_xla_makes_few_kernels_of_a_step() -> None:
    """Of the loss, its gradient and the update together, beside those of the cross-entropy alone."""
    x, y = jnp.zeros((64, 40)), jnp.zeros((64, 40))
    criterion = OBRLoss(40)
    step = jax.jit(jax.value_and_grad(criterion, has_aux=True)).lower(x, y, criterion.init()).compile()

    def cross_entropy(logits: Array, targets: Array) -> Array:
        return optax.sigmoid_binary_cross_entropy(logits, targets).mean()

    plain = jax.jit(jax.value_and_grad(cross_entropy)).lower(x, y).compile()
    assert 0 < count_kernels(plain.as_text()) < count_kernels(step.as_text()) <= MOST_KERNELS


def test_many_labels_take_no_second_matrix_of_floats() -> None:
    """The state moves where it lies; beside it there are a few rows, and a byte a pair where a measure has two ways."""
    size, num_labels = 2, 512

    def scratch(measure: str) -> int:
        criterion = OBRLoss(num_labels, measure=measure)
        arguments = jnp.zeros((size, num_labels)), jnp.zeros((size, num_labels)), criterion.init()
        step = jax.jit(jax.value_and_grad(criterion, has_aux=True), donate_argnums=2)
        return step.lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    pairs = num_labels**2
    with few_rows(rows):
        assert scratch("unit_pearson") < pairs // 2
        assert pairs < scratch("conditional") < 4 * pairs
    assert scratch("unit_pearson") > 4 * pairs


def test_half_precision_keeps_a_float32_state() -> None:
    logits, targets = batches(1, 8)
    criterion = OBRLoss(LABELS)
    (loss, state), gradient = jax.value_and_grad(criterion, has_aux=True)(
        logits[0].astype(jnp.bfloat16), targets[0], criterion.init()
    )
    assert (loss.dtype, gradient.dtype) == (jnp.float32, jnp.bfloat16)
    assert {part.dtype for part in state} == {jnp.dtype(jnp.float32)}


def test_stateless_functions() -> None:
    logits, targets = batches(2, 8)
    state = OBRLoss(LABELS, decay=0.9).init()
    for y in targets:
        state = jax.jit(partial(update_relation, decay=0.9))(state, y)
    criterion = RelationLoss(LABELS, decay=0.9)
    expected, last = criterion(logits[1], targets[1], criterion(logits[0], targets[0], criterion.init())[1])
    assert_states(state, last)
    value = jax.jit(relation_loss)(logits[1], criterion.relation(state))
    assert_close("L_B", value, expected, band(40, 1.0, "float32"))


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_every_product_is_at_full_precision(kind: Any) -> None:
    """Whatever the device makes of float32 by default: no TF32, no bfloat16."""
    criterion = kind(3)
    arguments = jnp.zeros((4, 3)), jnp.zeros((4, 3)), criterion.init()
    text = jax.jit(jax.value_and_grad(criterion, has_aux=True)).lower(*arguments).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) >= 5
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


@pytest.mark.usefixtures("size")
def test_numpy_targets_beside_a_traced_mask() -> None:
    random = np.random.default_rng(0)
    targets, observed = labels(random, 6), random.random((6, LABELS)) < 0.7
    criterion = OBRLoss(LABELS)
    found, _ = jax.jit(lambda mask: criterion(jnp.zeros((6, LABELS)), targets, criterion.init(), mask))(observed)
    expected, _ = criterion(jnp.zeros((6, LABELS)), targets, criterion.init(), observed)
    assert_close("loss", found, expected, band(40, 10.0, "float32"))
