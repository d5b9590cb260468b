"""Graphs: tf.function with and without XLA, unknown shapes, XLA's buffers, and derivatives of both orders."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.tensorflow import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support.hlo import count_kernels, largest_buffer
from tests.support.tolerances import FINITE_DIFFERENCE, FINITE_DIFFERENCE_STEP, assert_close, band
from tests.tensorflow.data import LABELS, batch

ALPHA = 40.0
MOST_KERNELS = 43
"""Of a step at (64, 40), as XLA compiles it for a CPU."""


def value_and_gradient(criterion: Any, y: Any, x: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = criterion(y, x)
    return value, tape.gradient(value, x)


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize(("impl", "compiled"), [("auto", False), ("auto", True), ("fused", False)])
def test_a_graph_trains_as_eager_mode_does(impl: str, compiled: bool, kind: Any) -> None:
    eager, graph = kind(LABELS, impl=impl), kind(LABELS, impl=impl)
    step = tf.function(value_and_gradient, jit_compile=compiled)
    for seed in range(4):
        y, x = map(tf.constant, batch(8, seed=seed))
        expected, actual = value_and_gradient(eager, y, x), step(graph, y, x)
        for name, ours, theirs in zip(("loss", "gradient"), actual, expected, strict=True):
            assert_close(name, ours.numpy(), theirs.numpy(), band(40, 10.0, "float32"))
    assert step.experimental_get_tracing_count() == 1
    assert_close("relation", graph.relation.numpy(), eager.relation.numpy(), band(8, 1.0, "float32"))
    assert graph.relation_weight.numpy().max() > 3


@pytest.mark.parametrize("shape", [(None, LABELS), (None, None), None], ids=str)
@pytest.mark.parametrize("targets", ["float32", "int64"])
@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_shapes_that_a_graph_does_not_know(impl: str, shape: Any, targets: str) -> None:
    """As a data set gives them: the size of a batch, the number of labels, or everything is left open."""
    criterion, numpy = OBRLoss(LABELS, impl=impl), obrl.OBRLoss(LABELS)
    signature = tf.TensorSpec(shape, targets), tf.TensorSpec(shape, tf.float32), tf.TensorSpec(None, tf.float32)
    step = tf.function(criterion.__call__, input_signature=signature)
    for size in (8, 3, 0):
        y, x = batch(size, seed=size)
        weight = np.linspace(0, 1, size, dtype=np.float32)
        loss = step(tf.constant(y.astype(targets)), tf.constant(x), tf.constant(weight))
        assert_close("loss", loss.numpy(), numpy(x, y, sample_weight=weight), band(40, 10.0, "float32"))
    assert_close("relation_sum", criterion.relation_sum.numpy(), numpy.relation_sum, band(8, 10.0, "float32"))
    with pytest.raises(
        tf.errors.InvalidArgumentError if shape is None or shape[1] is None else (TypeError, ValueError)
    ):
        # As many numbers as (LABELS + 1, LABELS) would have.
        step(tf.zeros((LABELS, LABELS + 1), targets), tf.zeros((LABELS, LABELS + 1)), tf.zeros(LABELS + 1))


def test_a_loss_can_be_printed_while_a_graph_is_traced() -> None:
    words: list[str] = []
    criterion = OBRLoss(LABELS, decay=0.995)
    tf.function(lambda: words.append(repr(criterion)) or tf.constant(0))()
    assert words == [repr(criterion)]


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_a_batch_that_does_not_fit_fails_and_moves_nothing(impl: str) -> None:
    """Where a graph knows no size, one row must not be spread over many."""
    criterion = OBRLoss(LABELS, impl=impl)
    wide, flat = tf.TensorSpec((None, LABELS)), tf.TensorSpec((None,))
    step = tf.function(criterion.__call__, input_signature=(wide, wide, flat))
    targets, logits = batch(4)
    for y, x, weight in (
        (targets[:1], logits, 4),
        (targets, logits[:1], 4),
        (targets, logits, 1),
        (targets, logits, 5),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have as many rows"):
            step(y, x, tf.zeros(weight))
        assert not criterion.relation_weight.numpy().any()
    step(targets, logits, tf.zeros(4))
    assert criterion.relation_weight.numpy().any()


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_the_relation_waits_for_checks_that_take_long(impl: str) -> None:
    """A weight that arrives late does not fit; by then the targets alone could have moved the relation.

    With `validate=False`, as the check of the targets' values would wait for that of the weight.
    """
    criterion = OBRLoss(LABELS, impl=impl, validate=False)

    def late(weight: Any) -> Any:
        time.sleep(0.3)
        return weight

    @tf.function
    def step(y: Any, x: Any, weight: Any) -> Any:
        return criterion(y, x, tf.ensure_shape(tf.py_function(late, [weight], tf.float32), (None,)))

    targets, logits = batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have as many rows"):
        step(targets, logits, tf.ones(5))
    assert not criterion.relation_weight.numpy().any()
    step(targets, logits, tf.ones(4))
    assert criterion.relation_weight.numpy().any()


def test_an_update_whose_mask_does_not_fit_moves_nothing() -> None:
    online = OnlineBatchRelation(LABELS)
    signature = tf.TensorSpec((None, LABELS)), tf.TensorSpec((None, LABELS), tf.bool)
    update = tf.function(lambda y, o: online.update(y, observed=o).relation_sum, input_signature=signature)
    y = batch(4)[0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have as many rows"):
        update(y, tf.ones((1, LABELS), tf.bool))
    assert not online.relation_weight.numpy().any()
    update(y, tf.ones((4, LABELS), tf.bool))
    assert online.relation_weight.numpy().any()


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_soft_targets_in_a_graph(impl: str) -> None:
    """Where no value is read, one half still counts as 1."""
    y = np.random.default_rng(0).choice([0.0, 0.25, 0.5, 0.75, 1.0, np.nan], (16, LABELS)).astype(np.float32)
    x = batch(16)[1]
    criterion, numpy = OBRLoss(LABELS, impl=impl), obrl.OBRLoss(LABELS)
    loss = tf.function(criterion.__call__)(tf.constant(y), tf.constant(x))
    assert_close("loss", loss.numpy(), numpy(x, y), band(40, 10.0, "float32"))
    assert_close("sum", criterion.relation_sum.numpy(), numpy.relation_sum, band(16, 1.0, "float32"))


def test_a_mask_may_be_all_that_is_known() -> None:
    @tf.function(input_signature=(tf.TensorSpec(None), tf.TensorSpec((None, LABELS)), tf.TensorSpec(None, tf.bool)))
    def step(y: Any, x: Any, observed: Any) -> Any:
        return criterion(y, x, observed=observed)

    criterion, numpy = OBRLoss(LABELS), obrl.OBRLoss(LABELS)
    y, x = batch(8)
    observed = np.random.default_rng(0).random(y.shape) < 0.7
    loss = step(tf.constant(y), tf.constant(x), tf.constant(observed))
    assert_close("loss", loss.numpy(), numpy(x, y, observed=observed), band(40, 10.0, "float32"))


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_xla_holds_nothing_of_batch_by_labels_by_labels(kind: Any) -> None:
    size, num_labels = 48, 17
    x, y = tf.zeros((size, num_labels)), tf.zeros((size, num_labels))
    step = tf.function(value_and_gradient, jit_compile=True)
    compiler_ir = step.experimental_get_compiler_ir(kind(num_labels), y, x)
    assert largest_buffer(compiler_ir(stage="optimized_hlo")) <= size * num_labels

    @tf.function(jit_compile=True)
    def naive(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            squares = (x[:, :, None] - x[:, None, :]) ** 2
            value = tf.reduce_sum(squares * tf.range(num_labels, dtype=tf.float32))
        return tape.gradient(value, x)

    assert largest_buffer(naive.experimental_get_compiler_ir(x)(stage="optimized_hlo")) >= size * num_labels**2


def test_xla_makes_few_kernels_of_a_step() -> None:
    """Of the loss, its gradient and the update together, beside those of the cross-entropy alone."""
    x, y = tf.zeros((64, 40)), tf.zeros((64, 40))
    step, plain = (
        tf.function(value_and_gradient, jit_compile=True).experimental_get_compiler_ir(criterion, y, x)
        for criterion in (OBRLoss(40), keras.losses.BinaryCrossentropy(from_logits=True))
    )
    kernels = count_kernels(step(stage="optimized_hlo"))
    assert 0 < count_kernels(plain(stage="optimized_hlo")) < kernels <= MOST_KERNELS


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_each_term_can_be_differentiated(impl: str, in_graph: bool, reduction: str) -> None:
    y, x = map(tf.constant, batch(8))

    def gradients(impl: str) -> list[Any]:
        criterion = OBRLoss(LABELS, alpha=ALPHA, impl=impl, reduction=reduction)

        def run() -> list[Any]:
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(x)
                terms = [term * tf.range(1.0, 9.0) for term in criterion.terms(y, x)]
                mixed = terms[0] + 2 * terms[1] + 3 * terms[2]
            return [tape.gradient(term, x) for term in (*terms, mixed)]

        return (tf.function(run) if in_graph else run)()

    for ours, theirs in zip(gradients(impl), gradients("plain"), strict=True):
        assert_close("gradient", ours.numpy(), theirs.numpy(), band(400, 100.0, "float32"))


@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives(reduction: str, in_graph: bool, impl: str) -> None:
    """Against central differences of the gradient, in float64."""
    y, x = batch(4)
    criterion = OBRLoss(LABELS, alpha=ALPHA, impl=impl, reduction=reduction)
    criterion(y, x)
    direction = tf.constant(np.random.default_rng(1).standard_normal(x.shape))
    upstream = tf.constant([1.0, -2.0, 3.0, 0.5], tf.float64) if reduction == "none" else tf.constant(1.0, tf.float64)

    def slope(at: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = criterion(y, at, update=False) * upstream
        return tape.gradient(value, at)

    def curvature(at: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(at)
            along = tf.reduce_sum(slope(at) * direction)
        return tape.gradient(along, at)

    at, step = tf.constant(x, tf.float64), FINITE_DIFFERENCE_STEP
    actual = (tf.function(curvature) if in_graph else curvature)(at)
    expected = (slope(at + step * direction) - slope(at - step * direction)) / (2 * step)
    size = np.abs(expected).max()
    assert size > 0.01
    assert_close("curvature", actual.numpy(), expected.numpy(), FINITE_DIFFERENCE * size)


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_what_arrives_at_a_gradient_gets_one_too(impl: str) -> None:
    """The gradient with respect to a factor of the loss, taken through the gradient of the logits."""
    y, x = map(tf.constant, batch(4))

    def through(impl: str) -> Any:
        factor = tf.constant(2.0)
        with tf.GradientTape() as outer:
            outer.watch(factor)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = factor * OBRLoss(LABELS, impl=impl)(y, x)
            norm = tf.reduce_sum(inner.gradient(value, x) ** 2)
        return outer.gradient(norm, factor).numpy()

    assert_close("slope", through(impl), through("plain"), band(400, 10.0, "float32"))
    assert through(impl) > 0


def test_targets_and_weights_get_gradients_from_the_plain_path() -> None:
    y, x = map(tf.constant, batch(4))
    weight = tf.ones(4)
    with tf.GradientTape() as tape:
        tape.watch([y, weight])
        value = OBRLoss(LABELS, impl="plain")(y, x, weight)
    by_target, by_weight = tape.gradient(value, [y, weight])
    assert_close("by target", by_target.numpy(), -x.numpy() / 4, band(40, 1.0, "float32"))
    assert by_weight.shape == (4,)


def test_the_stateless_loss() -> None:
    criterion, (y, x) = RelationLoss(LABELS), batch(8)
    expected = criterion(y, x)
    value = tf.function(relation_loss)(tf.constant(x), criterion.relation)
    assert_close("L_B", value.numpy(), expected.numpy(), band(40, 1.0, "float32"))
