"""The operations for a CUDA device, run on a CPU through another launcher: casts, reductions, derivatives.

That launcher (`tests/native/host_launcher.cc`) reads the same arrays as the one for a GPU. Not tested here are
TensorFlow's stream, which `python -m obrl.tensorflow --check-gpu` uses, and the kernels, which tests/kernels has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from obrl.measures import MEASURES
from obrl.tensorflow import OBRLoss, RelationLoss, relation_loss
from obrl_native import build, cpu
from obrl_native.build import Recipe, Unit
from obrl_tensorflow import check_gpu, cuda, fused, native
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, batch
from tests.tensorflow.test_distributed import by_replica, strategy

ROOT = Path(__file__).parents[2]
HOST_LAUNCHER = ROOT / "tests" / "native" / "host_launcher.cc"


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The operations, for a CPU."""
    sources = tmp_path_factory.mktemp("operations") / "src"
    shutil.copytree(build.SOURCES, sources)
    shutil.copy(HOST_LAUNCHER, sources)
    units = (
        *cpu.UNITS,
        native.source_unit("tensorflow_cuda.cc", "-DOBRL_TENSORFLOW_CUDA_ON_CPU"),
        Unit(HOST_LAUNCHER.name),
    )
    links = tuple(tf.sysconfig.get_link_flags())
    # The tests run few labels, so optimising would cost more than it saves.
    recipe = Recipe("obrl_tensorflow_test", units, flags=("-O0",), links=links)
    return native.load_operations(build.build(recipe, sources=sources))


@pytest.fixture(autouse=True)
def on_gpu(operations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all tensors were on a GPU."""
    monkeypatch.setattr(cuda, "operations", lambda: operations)
    monkeypatch.setattr(fused, "is_on_gpu", lambda tensor: True)


def value_and_gradient(criterion: Any, y: Any, x: Any, *rest: Any, **options: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(x)
        terms = criterion.terms(y, x, *rest, **options)
        value = tf.reduce_sum(terms[0]) + tf.reduce_sum(terms[1] * terms[2])
    return *terms, tape.gradient(value, x)


def assert_same(actual: Any, expected: Any) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.dtype == theirs.dtype
        ours, theirs = (tf.cast(part, tf.float32).numpy() for part in (ours, theirs))
        assert_close("term", ours, theirs, band(400, 40.0, "float32"))


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("measure", MEASURES)
def test_the_relation_is_the_same(measure: str, estimator: str) -> None:
    settings = {"measure": measure, "estimator": estimator}
    ours, theirs = OBRLoss(LABELS, impl="fused", **settings), OBRLoss(LABELS, **settings)
    for seed, size in enumerate((6, 1, 0, 9)):
        y, x = batch(size, seed=seed)
        observed = np.random.default_rng(seed).random(y.shape) < 0.8
        assert_same(*(value_and_gradient(loss, y, tf.constant(x), observed=observed) for loss in (ours, theirs)))
    for name in ("relation_sum", "relation_weight"):
        assert_exact(name, getattr(ours, name).numpy(), getattr(theirs, name).numpy())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("normalization", ["all_pairs", "active_pairs"])
@pytest.mark.parametrize("in_graph", [False, True])
def test_the_loss_is_the_same(in_graph: bool, normalization: str, reduction: str) -> None:
    settings: dict[str, Any] = {"reduction": reduction, "normalization": normalization, "pos_weight": [0.1] * LABELS}
    y, x = map(tf.constant, batch(8))
    weight = tf.constant(np.linspace(0, 2, 8, dtype=np.float32))
    results = []
    for impl in ("fused", "auto"):
        step = partial(value_and_gradient, OBRLoss(LABELS, impl=impl, **settings))
        results.append((tf.function(step) if in_graph else step)(y, x, weight))
    assert_same(*results)


TARGETS = ("bool", "uint8", "int64", "float16", "float32", "float64")


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("logits", ["float16", "bfloat16", "float32"])
def test_every_dtype(logits: str, targets: str) -> None:
    y, x = batch(8)
    y, x = tf.cast(y, targets), tf.cast(x, logits)
    assert_same(*(value_and_gradient(OBRLoss(LABELS, impl=impl), y, x) for impl in ("fused", "auto")))


@pytest.mark.parametrize("on_cpu", ["targets", "logits", None])
def test_tensorflow_checks_the_range(on_cpu: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless targets and logits are both on a CPU: the native check reads the memory of the host."""
    y, x = batch(8)
    criterion = OBRLoss(LABELS, impl="fused", validate=True)
    answers: list[bool] = []

    def step(y: Any, x: Any) -> Any:
        def is_on_gpu(tensor: Any) -> bool:
            answers.append(tensor is not {"targets": y, "logits": x}.get(on_cpu))
            return answers[-1]

        monkeypatch.setattr(fused, "is_on_gpu", is_on_gpu)
        return criterion(y, x, update=False)

    run = tf.function(step)
    graph = run.get_concrete_function(tf.constant(y), tf.constant(x)).graph
    assert not [operation for operation in graph.get_operations() if operation.type == "ObrlCheckTargets"]
    assert (False in answers) == (on_cpu == "logits")  # which are asked for first
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets must lie in"):
        run(tf.constant(y - 2), tf.constant(x))


def test_one_half_is_decided_in_the_dtype_of_the_targets() -> None:
    for value, counted in ((0.5, 1.0), (0.49999999999, 0.0)):
        counts = cuda.count_pairs(tf.constant([[value]], tf.float64), None)
        assert counts[1].numpy().item() == counted


@pytest.mark.parametrize("elsewhere", [False, True])
def test_missing_targets(elsewhere: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a CPU, as a data set gives targets; the logits say where the kernels are."""
    y, x = batch(8)
    y[1, 2], y[3] = np.nan, np.nan
    y, x = map(tf.constant, (y, x))
    monkeypatch.setattr(fused, "is_on_gpu", lambda tensor: not elsewhere or tensor is not y)
    assert_same(*(value_and_gradient(OBRLoss(LABELS, impl=impl), y, x) for impl in ("fused", "auto")))


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("in_graph", [False, True])
def test_second_derivatives(in_graph: bool, reduction: str) -> None:
    y, x = map(tf.constant, batch(4))
    weight = tf.constant([1.0, 0.5, 2.0, 1.0])

    def curvature(impl: str) -> Any:
        criterion = OBRLoss(LABELS, alpha=40.0, impl=impl, reduction=reduction, normalization="active_pairs")
        criterion(y, x)

        def run() -> Any:
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    value = tf.reduce_sum(criterion(y, x, weight, update=False) ** 2)
                slope = tf.reduce_sum(inner.gradient(value, x) ** 2)
            return outer.gradient(slope, x)

        return (tf.function(run) if in_graph else run)().numpy()

    expected = curvature("auto")
    size = np.abs(expected).max()
    assert size > 1
    assert_close("curvature", curvature("fused"), expected, band(400, size, "float32"))


def test_the_relation_loss_alone() -> None:
    y, x = map(tf.constant, batch(8))
    ours, theirs = RelationLoss(LABELS, impl="fused"), RelationLoss(LABELS)
    assert_same([ours(y, x)], [theirs(y, x)])
    relation = np.array(theirs.relation)
    relation[0, 1] = np.nan
    assert_same(*([relation_loss(x, relation, impl=impl)] for impl in ("fused", "auto")))


def test_a_pause_and_a_frozen_relation() -> None:
    y, x = map(tf.constant, batch(8))
    criterion = OBRLoss(LABELS, impl="fused")
    criterion(y, x)
    before = criterion.relation_sum.numpy()
    criterion.pause()
    other = criterion(1 - y, x)
    assert_exact("relation", criterion.relation_sum.numpy(), before)
    frozen = OBRLoss(LABELS, impl="fused", relation=criterion.to_numpy(), freeze=True)
    assert_exact("loss", frozen(1 - y, x).numpy(), other.numpy())


def test_thresholds_are_met_in_the_dtype_of_the_relation() -> None:
    relation = tf.constant([[1.0, 0.2 + 1e-9], [0.2 + 1e-9, 1.0]], tf.float64)
    assert relation_loss(tf.zeros((1, 2)), relation, impl="fused").numpy() == 0
    assert relation_loss(tf.zeros((1, 2)), relation - 1e-9, impl="fused").numpy() > 0


def test_two_replicas_share_the_relation() -> None:
    mirrored, y, x = strategy(), *batch(10)
    with mirrored.scope():
        shared = OBRLoss(LABELS, impl="fused")
    whole = OBRLoss(LABELS)
    mirrored.run(tf.function(shared.__call__), args=(by_replica(mirrored, y), by_replica(mirrored, x)))
    whole(y, x)
    for copy in mirrored.experimental_local_results(shared.relation_sum):
        assert_exact("relation_sum", copy.numpy(), whole.relation_sum.numpy())


def test_what_the_kernels_do_not_take() -> None:
    y, x = batch(4)
    criterion = OBRLoss(LABELS, impl="fused")
    with pytest.raises(ValueError, match="float32 on a GPU, got float64 logits"):
        criterion(y, tf.constant(x, tf.float64))
    assert not criterion.relation_weight.numpy().any()
    state, settings = native.RelationState(tf.zeros((2, 2)), tf.zeros((2, 2))), criterion.settings
    y, x = map(tf.constant, (y, x))
    for call, name in (
        (lambda: cuda.count_pairs(y[0], None), "targets"),
        (lambda: cuda.move_relation(y, None, None, state, False, settings), "targets"),
        (lambda: cuda.move_relation(None, None, tf.zeros((3, 3, 3)), state, False, settings), "counts"),
        (lambda: evaluated(x, y[1:]), "targets"),
        (lambda: evaluated(x, y, tf.ones(3)), "sample_weight"),
        (lambda: evaluated(x, y), "code"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must"):
            call()


def evaluated(x: Any, y: Any, weight: Any = None) -> Any:
    options: dict[str, Any] = {"alpha": 0.5, "normalization": "all_pairs", "reduction": "mean"}
    options |= {"dtype": tf.float32, "parts": False}
    return fused.loss_terms(x, y, None, weight, None, tf.zeros(7, tf.uint8), **options)


def test_the_check_of_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_gpu.check("CPU:0") == 0
    assert capsys.readouterr().out.count(": agree") == 2 * len(check_gpu.SIZES)


def test_the_check_finds_a_loss_that_is_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate = fused.loss_terms
    monkeypatch.setattr(fused, "loss_terms", lambda *inputs, **how: tuple(1.01 * v for v in evaluate(*inputs, **how)))
    monkeypatch.setattr(check_gpu, "SIZES", ((64, 40),))
    assert check_gpu.check("CPU:0") == 1
    assert "DO NOT AGREE" in capsys.readouterr().out


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python, in a process that sees no GPU."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_check_without_a_gpu() -> None:
    ended = run("-m", "obrl.tensorflow", "--check-gpu")
    assert ended.returncode == 2
    assert ended.stdout == "TensorFlow sees no GPU here; there is nothing to check\n"


STARTED = """
from functools import partial
import tensorflow as tf
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_tensorflow import cuda
from tests.native import recording
assert not tf.test.is_built_with_cuda()
try:
    cuda.operations()
except ImportError as error:
    print(error)
tf.test.is_built_with_cuda = lambda: True
cuda.cuda.start = partial(cuda.cuda.start, driver=str(recording.driver().path))
print(cuda.operations().obrl_cuda_loss_terms.__name__)
with tf.Graph().as_default() as graph:
    state = RelationState(tf.zeros((40, 40)), tf.zeros((40, 40)))
    moved = cuda.move_relation(tf.zeros((4, 40)), None, None, state, False, Settings())
print(moved.code.shape)
"""


@pytest.mark.slow  # compiles TensorFlow's headers once more, for about a minute
def test_the_operations_of_a_gpu_are_built_and_loaded() -> None:
    """As where TensorFlow has CUDA, but with a driver that launches nothing."""
    ended = run("-c", STARTED)
    assert ended.returncode == 0, ended.stderr
    message, name, shape = ended.stdout.splitlines()
    assert message == 'impl="fused" runs on GPUs with CUDA, which this TensorFlow was built without'
    assert name == "obrl_cuda_loss_terms"
    assert shape == "(None,)"
