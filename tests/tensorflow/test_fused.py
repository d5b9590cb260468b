"""`impl="fused"` as a user meets it; values, gradients and state are the parity suite's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from obrl.tensorflow import OBRLoss, RelationLoss, relation_loss
from obrl_keras.graphs import RefusalWords
from obrl_tensorflow import fused, native
from tests.support.tolerances import assert_close, band
from tests.tensorflow.data import LABELS, batch

NATIVE = {
    "ObrlCheckTargets",
    "ObrlCountPairs",
    "ObrlMoveRelation",
    "ObrlMoveVariables",
    "ObrlCodePairs",
    "ObrlLossTerms",
}


def operations(graph: Any) -> set[str]:
    return {operation.type for operation in graph.get_operations()}


@pytest.fixture
def never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has not loaded the operations, with an empty cache and no compiler."""
    monkeypatch.setenv("OBRL_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    native.operations.cache_clear()
    yield
    native.operations.cache_clear()


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.usefixtures("never_loaded")
def test_without_a_compiler(in_graph: bool) -> None:
    """It says what is missing, and the relation stays; everything else works."""
    targets, logits = map(tf.constant, batch(6))
    criterion = OBRLoss(LABELS, impl="fused")
    step = tf.function(criterion.__call__) if in_graph else criterion
    with pytest.raises(ImportError, match="needs a C\\+\\+ compiler"):
        step(targets, logits)
    assert not criterion.relation_weight.numpy().any()
    with pytest.raises(ImportError, match="needs a C\\+\\+ compiler"):
        relation_loss(logits, tf.eye(LABELS), impl="fused")
    OBRLoss(LABELS)(targets, logits)
    assert not relation_loss(logits, tf.zeros((LABELS, LABELS)) + 0.5).numpy()


def test_where_it_runs() -> None:
    """In graphs, as operations of its own, where it is asked for."""
    targets, logits = map(tf.constant, batch(6))

    def traced(impl: str, y: Any = targets, validate: bool | None = None) -> set[str]:
        step = tf.function(OBRLoss(LABELS, impl=impl, validate=validate).__call__)
        return operations(step.get_concrete_function(y, logits).graph) & NATIVE

    unchecked = {"ObrlMoveVariables", "ObrlLossTerms"}
    assert traced("fused") == traced("fused", validate=True) == unchecked | {"ObrlCheckTargets"}
    assert traced("fused", validate=False) == traced("fused", targets > 0) == unchecked
    assert traced("auto") == traced("plain") == set()


@pytest.mark.parametrize("nested", [False, True])
def test_what_xla_compiles_is_refused(nested: bool) -> None:
    """Also in a function within the compiled one, as Keras has it: the inner graph does not say that it is compiled."""
    targets, logits = map(tf.constant, batch(6))
    criterion = OBRLoss(LABELS, impl="fused")
    inner = tf.function(criterion.__call__) if nested else criterion.__call__

    @tf.function(jit_compile=True)
    def outer(y: Any, x: Any) -> Any:
        return tf.cond(tf.size(y) > 0, lambda: inner(y, x), lambda: 0.0)

    with pytest.raises(ValueError, match=r"native code, which XLA cannot compile.*jit_compile=False.*impl=\"auto\""):
        outer(targets, logits)
    assert not criterion.relation_weight.numpy().any()
    with pytest.raises(ValueError, match="XLA cannot compile"):
        tf.function(partial(relation_loss, impl="fused"), jit_compile=True)(logits, tf.eye(LABELS))


def test_a_graph_traced_elsewhere_is_refused_by_xla() -> None:
    targets, logits = map(tf.constant, batch(6))
    criterion = OBRLoss(LABELS, impl="fused")
    inner = tf.function(criterion.__call__)
    inner(targets, logits)
    before = criterion.relation_weight.numpy()
    with pytest.raises(tf.errors.InvalidArgumentError, match="ObrlCheckTargets"):
        tf.function(lambda y, x: inner(y, x), jit_compile=True)(targets, logits)
    assert (criterion.relation_weight.numpy() == before).all()


def test_fit_with_xla_is_refused() -> None:
    """Where there is a GPU, `jit_compile="auto"` is True."""
    targets, logits = batch(6)
    model = keras.Sequential([keras.layers.Input((LABELS,)), keras.layers.Dense(LABELS)])
    model.compile("sgd", loss=OBRLoss(LABELS, impl="fused"), jit_compile=True)
    with pytest.raises(ValueError, match=r"model.compile\(..., jit_compile=False\)"):
        model.fit(logits, targets, verbose=0)


@pytest.mark.parametrize("in_graph", [False, True])
def test_what_has_been_read_stays_as_it_was(in_graph: bool) -> None:
    """The variables move in place, in memory that a tensor read before may share."""
    criterion = OBRLoss(LABELS, impl="fused")
    criterion(*batch(6))
    expected = [part.numpy().copy() for part in criterion.online.accumulators]

    def step(y: Any, x: Any) -> Any:
        before = [part.read_value() for part in criterion.online.accumulators]
        criterion(y, x)
        return before, [part.read_value() for part in criterion.online.accumulators]

    before, after = (tf.function(step) if in_graph else step)(*map(tf.constant, batch(6, seed=1)))
    for then, now, first_state in zip(before, after, expected, strict=True):
        assert (then.numpy() == first_state).all()
        assert (now.numpy() != first_state).any()


def test_variables_move_in_place() -> None:
    """What nobody else has read is not copied."""
    criterion = OBRLoss(LABELS, impl="fused")
    step = tf.function(criterion.__call__)

    def addresses() -> list[int]:
        tensors = [part.read_value() for part in criterion.online.accumulators]
        return [np.asarray(memoryview(tensor)).ctypes.data for tensor in tensors]

    step(*map(tf.constant, batch(6)))
    before = addresses()
    step(*map(tf.constant, batch(6)))
    assert addresses() == before


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_variables_that_are_elsewhere(
    estimator: str, masked: bool, paused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their values are read, moved to the same bits, and assigned."""

    def run() -> list[Any]:
        criterion, losses = OBRLoss(LABELS, impl="fused", estimator=estimator), []
        for seed in range(3):
            targets, logits = batch(9, seed=seed)
            observed = np.random.default_rng(seed).random(targets.shape) < 0.7 if masked else None
            losses.append(tf.function(criterion.__call__)(targets, logits, observed=observed).numpy())
            if paused:
                criterion.pause()
        return [*losses, *(part.numpy() for part in criterion.online.accumulators)]

    expected = run()
    monkeypatch.setattr(fused, "_is_in_memory", lambda variable: False)
    assert all(map(np.array_equal, run(), expected))


def test_which_variables_are_in_memory() -> None:
    local = "/job:localhost/replica:0/task:0/device:CPU:0"
    assert fused._is_in_memory(SimpleNamespace(device=local))
    for device in (local.replace("CPU", "GPU"), local.replace("localhost", "worker"), ""):
        assert not fused._is_in_memory(SimpleNamespace(device=device))


def test_settings_are_doubles() -> None:
    """Where float64 is computed in; a graph keeps them as whole numbers of the same bits."""
    targets, logits = batch(6)
    criterion = OBRLoss(LABELS, impl="fused", alpha=1000.1, positive_threshold=0.51, negative_threshold=0.49)
    total, entropy, relation = (term.numpy() for term in criterion.terms(targets, tf.constant(logits, tf.float64)))
    assert relation > 0
    assert_close("L", total, entropy + 1000.1 * relation, band(2, total))


@pytest.mark.parametrize(("rows", "labels"), [(2**24 + 1, 1), (1, 2**14 + 1)])
def test_sizes_that_are_too_large(rows: int, labels: int) -> None:
    """Refused where they are known, and else when the graph runs."""
    expected = f"at most {2**24} rows and {2**14} labels"
    with pytest.raises(ValueError, match=f"{expected}, got {rows} and {labels}"):
        fused.check(tf.zeros((rows, labels), tf.bool), labels)
    with pytest.raises(tf.errors.InvalidArgumentError, match=expected):
        native.count_pairs(tf.zeros((rows, labels), tf.bool), None)


def test_what_does_not_fit_is_refused_when_it_runs() -> None:
    """As in a graph of open sizes; the messages name what came."""
    targets, logits = map(tf.constant, batch(6))
    square, three = tf.zeros((LABELS, LABELS)), tf.zeros((3, LABELS, LABELS))
    code = tf.zeros((LABELS, LABELS), tf.uint8)
    settings, counting = OBRLoss(LABELS).settings, OBRLoss(LABELS, estimator="counts").settings
    loss: dict[str, Any] = {"alpha": 0.5, "normalization": "all_pairs", "reduction": "mean"}
    loss |= {"dtype": tf.float32, "parts": False}

    def move(sum_: Any, weight: Any, how: Any = settings, **tensors: Any) -> Any:
        arguments = {"targets": None, "observed": None, "counts": None, **tensors}
        return native.move_relation(**arguments, state=native.RelationState(sum_, weight), hold=False, settings=how)

    def move_variables(sum_: Any, weight: Any, y: Any = targets, mask: Any = None) -> Any:
        variables = native.RelationState(tf.Variable(sum_), tf.Variable(weight))
        return native.move_variables(y, mask, variables, False, settings)

    twice = native.RelationState(*[tf.Variable(square)] * 2)
    mask, short = tf.ones((5, LABELS), tf.bool), tf.ones(5)
    for call, name in (
        (lambda: native.check_targets(targets, mask, RefusalWords("from", "to", "")), "observed"),
        (lambda: native.count_pairs(targets, mask), "observed"),
        (lambda: native.count_pairs(targets[0], None), "targets"),
        (lambda: move(three, square), "relation_sum"),
        (lambda: move(square, square, counting), "relation_sum"),
        (lambda: move(square, square[:2]), "relation_weight"),
        (lambda: move(square, square[0]), "relation_weight"),
        (lambda: move(square, square, targets=targets[:, 1:]), "targets"),
        (lambda: move(square, square, targets=targets, observed=mask), "observed"),
        (lambda: move(square, square, counts=tf.zeros((3, 2, 2), tf.float64)), "counts"),
        (lambda: move_variables(three, square), "relation_sum"),
        (lambda: move_variables(square, square[:2]), "relation_weight"),
        (lambda: move_variables(square, tf.cast(square, tf.float64)), "relation_sum and relation_weight"),
        (lambda: native.move_variables(targets, None, twice, False, settings), "the two accumulators"),
        (lambda: move_variables(square, square, targets[:, 1:]), "targets"),
        (lambda: move_variables(square, square, targets, mask), "observed"),
        (lambda: fused.loss_terms(logits, targets[1:], None, None, None, code, **loss), "targets"),
        (lambda: fused.loss_terms(logits, targets, mask, None, None, code, **loss), "observed"),
        (lambda: fused.loss_terms(logits, targets, None, short, None, code, **loss), "sample_weight"),
        (lambda: fused.loss_terms(logits, targets, None, None, [1.0] * 6, code, **loss), "pos_weight"),
        (lambda: fused.loss_terms(logits, targets, None, None, None, code[1:], **loss), "code"),
        (lambda: fused.loss_terms(logits[0], None, None, None, None, code, **loss), "logits"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must"):
            call()


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
def test_shapes_of_what_a_graph_gives(kind: Any) -> None:
    for reduction, shape in (("mean", ()), ("none", (None,))):
        criterion = kind(LABELS, impl="fused", reduction=reduction)

        @tf.function(input_signature=[tf.TensorSpec((None, LABELS))] * 2)
        def step(y: Any, x: Any, criterion: Any = criterion) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                value = criterion(y, x)
            return value, tape.gradient(value, x)

        value, gradient = step.get_concrete_function().structured_outputs
        assert value.shape.as_list() == list(shape)
        assert gradient.shape.as_list() == [None, LABELS]


def test_a_thread_more_changes_nothing() -> None:
    """Two threads at once, on a criterion each, as data-parallel replicas are."""
    random = np.random.default_rng(0)
    targets = tf.constant((random.random((64, 300)) < 0.5).astype(np.float32))
    logits = tf.constant(random.standard_normal((64, 300)).astype(np.float32))

    def run(_: int) -> list[Any]:
        criterion = OBRLoss(300, impl="fused", positive_threshold=0.55, negative_threshold=0.45)
        return [criterion(targets, logits).numpy(), criterion.relation_sum.numpy()]

    with ThreadPoolExecutor(2) as pool:
        for results in pool.map(run, range(4)):
            assert all(map(np.array_equal, results, run(0)))
