"""What JAX does for a CUDA device, on a CPU with another launcher: custom calls, casts, reductions, derivatives.

That launcher (`tests/native/host_launcher.cc`) takes the arrays as the one of a GPU does. Not tested here: XLA's
stream and scratch memory, and the kernels, which `tests/kernels` tests.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from obrl.jax import OBRLoss, RelationLoss, relation_loss
from obrl_jax import cuda, fused
from obrl_native import build, cpu
from obrl_native.build import Recipe, Unit
from tests.jax.data import LABELS, batch, batches
from tests.support.tolerances import assert_close, assert_exact, band

HOST_LAUNCHER = Path(__file__).parents[1] / "native" / "host_launcher.cc"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The custom calls, for a CPU."""
    sources = tmp_path_factory.mktemp("calls") / "src"
    shutil.copytree(build.SOURCES, sources)
    shutil.copy(HOST_LAUNCHER, sources)
    units = (*cpu.UNITS, cuda.handlers("-DOBRL_JAX_CUDA_ON_CPU"), Unit(HOST_LAUNCHER.name))
    recipe = Recipe("obrl_jax_test", units, flags=("-O0",))  # a few labels; compiling takes longer
    return cuda.register(str(build.build(recipe, sources=sources)), "cpu")


@pytest.fixture(autouse=True)
def on_gpu(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every program were for a GPU."""
    monkeypatch.setattr(cuda, "prepare", lambda: library)
    monkeypatch.setattr(fused.Target, "calls", cuda)


def step(criterion: Any, x: Array, y: Array, state: Any, observed: Any = None, sample_weight: Any = None) -> Any:
    """Terms, new state, and the gradient of them together."""

    def loss(x: Array) -> Any:
        terms, new = criterion.terms(x, y, state, observed=observed, sample_weight=sample_weight)
        return terms.total.sum() + (terms.cross_entropy * terms.relation_loss).sum(), (terms, new)

    (_, (terms, new)), gradient = jax.value_and_grad(loss, has_aux=True)(x)
    return terms, new, gradient


def assert_same(results: Any, expected: Any) -> None:
    pairs = list(zip(jax.tree.leaves(results), jax.tree.leaves(expected), strict=True))
    assert pairs
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype
        ours, theirs = (np.asarray(part.astype(jnp.float32)) for part in (ours, theirs))
        assert_close("value", ours, theirs, band(400, 40.0, "float32"))


def both(settings: dict[str, Any], run: Any) -> tuple[Any, Any]:
    return run(OBRLoss(LABELS, impl="fused", **settings)), run(OBRLoss(LABELS, **settings))


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("measure", ["unit_pearson", "conditional", "phi_ratio"])
def test_the_relation_is_the_same(measure: str, estimator: str) -> None:
    def run(criterion: OBRLoss) -> Any:
        state, steps = criterion.init(), []
        for seed, size in enumerate((6, 1, 0)):
            x, y = batch(size, seed)
            observed = jnp.asarray(np.random.default_rng(seed).random(y.shape) < 0.8)
            terms, state, gradient = jax.jit(step, static_argnums=0)(criterion, x, y, state, observed)
            steps += [terms, state, gradient]
        return steps, state

    (ours, state), (theirs, expected) = both({"measure": measure, "estimator": estimator}, run)
    assert_same(ours, theirs)
    for name, one, other in zip(state._fields, state, expected, strict=True):
        assert_exact(name, np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("normalization", ["all_pairs", "active_pairs"])
def test_the_loss_is_the_same(normalization: str, reduction: str) -> None:
    settings = {"reduction": reduction, "normalization": normalization, "pos_weight": [0.1] * LABELS}
    x, y = batch(8)
    y = y.at[1, 2].set(jnp.nan)
    weight = jnp.linspace(0, 2, 8)
    assert_same(*both(settings, lambda criterion: step(criterion, x, y, criterion.init(), None, weight)))


@pytest.mark.parametrize("targets", ["bool", "uint8", "int32", "float16", "float32"])
@pytest.mark.parametrize("logits", ["float16", "bfloat16", "float32"])
def test_every_dtype(logits: str, targets: str) -> None:
    x, y = batch(8)
    x, y = x.astype(logits), y.astype(targets)
    assert_same(*both({}, lambda criterion: step(criterion, x, y, criterion.init())))


def test_one_half_is_decided_in_the_dtype_of_the_targets() -> None:
    with jax.enable_x64(True):
        for value, counted in ((0.5, 1.0), (0.49999999999, 0.0)):
            criterion = OBRLoss(1, estimator="counts", impl="fused")
            targets = jnp.full((1, 1), value, jnp.float64)
            _, state = criterion(jnp.zeros((1, 1), jnp.float32), targets, criterion.init())
            assert state.relation_sum[1, 0, 0] == counted


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives(reduction: str) -> None:
    x, y = batch(4)

    def run(criterion: OBRLoss) -> Any:
        state = criterion(x, y, criterion.init())[1]
        return jax.hessian(lambda x: (criterion(x, y, state, update=False)[0] ** 2).sum())(x)

    settings = {"alpha": 40.0, "reduction": reduction, "normalization": "active_pairs"}
    hessian, expected = (np.asarray(part) for part in both(settings, run))
    most = np.abs(expected).max()
    assert most > 1
    assert_close("hessian", hessian / most, expected / most, band(400, 40.0, "float32"))


def test_a_shared_relation() -> None:
    logits, targets = batches(3, 8)

    def run(criterion: OBRLoss) -> Any:
        return jax.vmap(criterion, (0, 0, None), axis_name="runs")(logits, targets, criterion.init())

    assert_same(*both({"axis_name": "runs"}, run))


def test_the_relation_loss_alone() -> None:
    x, y = batch(8)
    results = []
    for impl in ("fused", "auto"):
        criterion = RelationLoss(LABELS, impl=impl)
        value, state = criterion(x, y, criterion.init())
        relation = criterion.relation(state).at[0, 1].set(jnp.nan)
        gradient = jax.grad(lambda x, relation=relation, impl=impl: relation_loss(x, relation, impl=impl))(x)
        results.append((value, state, gradient))
    assert_same(*results)


def test_thresholds_are_met_in_the_dtype_of_the_relation() -> None:
    with jax.enable_x64(True):
        relation = jnp.array([[1.0, 0.2 + 1e-9], [0.2 + 1e-9, 1.0]])
        logits = jnp.zeros((1, 2), jnp.float32)
        assert relation_loss(logits, relation, impl="fused") == 0
        assert relation_loss(logits, relation - 1e-9, impl="fused") > 0
