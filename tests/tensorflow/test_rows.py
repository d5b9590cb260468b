"""Many labels by blocks of rows, in what XLA compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss
from obrl_tensorflow import rows
from tests.support.blocks import few_rows
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, batch

ALPHA = 40.0


def compiled(function: Callable[..., Any], *arguments: Any, by_rows: bool) -> Any:
    """What a function gives under XLA, of batches whose size its graph does not know."""
    shapes = [tf.TensorSpec((None, *argument.shape[1:]), argument.dtype) for argument in arguments]
    step = tf.function(function, input_signature=shapes, jit_compile=True)
    if not by_rows:
        return step(*arguments)
    with few_rows(rows):
        return step(*arguments)


def test_the_program_has_loops() -> None:
    """Of the default implementation; else nothing here would be by rows."""
    y, x = tf.zeros((2, 64)), tf.zeros((2, 64))

    def program() -> str:
        criterion = OBRLoss(64)
        step = tf.function(lambda y, x: criterion(y, x), jit_compile=True)
        return str(step.experimental_get_compiler_ir(y, x)(stage="optimized_hlo"))

    with few_rows(rows):
        assert " while(" in program()
    assert " while(" not in program()


@pytest.mark.parametrize("missing", [False, True])
def test_second_derivatives(missing: bool) -> None:
    """They come from matrices: what goes by rows cannot be differentiated."""
    targets, logits = batch(8)
    if missing:
        targets = np.where(np.arange(targets.size).reshape(targets.shape) % 7 == 0, np.nan, targets)
    y, x = tf.constant(targets), tf.constant(logits)

    def derivatives(by_rows: bool) -> Any:
        criterion = OBRLoss(LABELS, alpha=ALPHA)

        def step(y: Any, x: Any) -> Any:
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    value = criterion(y, x)
                gradient = inner.gradient(value, x)
                total = tf.reduce_sum(gradient**2)
            return value, gradient, outer.gradient(total, x)

        return [*compiled(step, y, x, by_rows=by_rows), *criterion.online.accumulators]

    for found, expected in zip(derivatives(True), derivatives(False), strict=True):
        assert np.abs(expected).max() > 0
        assert_close("by rows", found, expected, band(80, 100.0, "float32"))


@pytest.mark.parametrize("paused", [False, True])
def test_a_pause_holds(paused: bool) -> None:
    y, x = map(tf.constant, batch(8))
    criterion = OBRLoss(LABELS)
    criterion(y, x)
    before = [part.numpy() for part in criterion.online.accumulators]
    criterion.pause(paused)
    compiled(lambda y, x: criterion(y, x), y, x, by_rows=True)
    if paused:
        for old, part in zip(before, criterion.online.accumulators, strict=True):
            assert_exact("state", part, old)
    else:
        assert_exact("batches", criterion.relation_weight[0, 0], np.float32(0.99 * before[1][0, 0] + 1))


def test_a_graph_made_for_xla_runs_without_it() -> None:
    """TensorFlow keeps one graph of a function that both a compiled and another function call."""
    y, x = map(tf.constant, batch(8))
    criterion = OBRLoss(LABELS, alpha=ALPHA, estimator="counts")
    loss = tf.function(lambda y, x: criterion(y, x))
    with few_rows(rows):
        tf.function(loss, jit_compile=True)(y, x)
        found = loss(y, x)
    expected = OBRLoss(LABELS, alpha=ALPHA, estimator="counts")
    expected(y, x)
    assert_close("loss", found, expected(y, x), band(80, 100.0, "float32"))
    for ours, theirs in zip(criterion.online.accumulators, expected.online.accumulators, strict=True):
        assert_close("state", ours, theirs, band(8, 10.0, "float32"))
