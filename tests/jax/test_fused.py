"""`impl="fused"` under JAX's transformations; values, gradients and state are the parity suite's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from obrl.jax import OBRLoss, RelationLoss, RelationState, relation_loss
from tests.jax.data import LABELS, batches, labels
from tests.support.hlo import count_kernels, largest_buffer
from tests.support.tolerances import assert_close, assert_exact, band

DEVICES = 4
SETTINGS: dict[str, Any] = {"alpha": 40.0, "decay": 0.5}


def both(**settings: Any) -> tuple[OBRLoss, OBRLoss]:
    """The criterion in native code, and in XLA's."""
    fused, auto = (OBRLoss(LABELS, **{**SETTINGS, **settings}, impl=impl) for impl in ("fused", "auto"))
    return fused, auto


def step(criterion: OBRLoss) -> Any:
    return jax.value_and_grad(criterion, has_aux=True)


def assert_same(found: Any, expected: Any, precision: str = "float32") -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        assert_close("result", ours, theirs, band(80, 100.0, precision))


@pytest.mark.parametrize("axes", [(0, 0, 0), (1, 1, 0), (0, None, None), (None, 0, None), (None, None, 0)], ids=str)
def test_vmap(axes: tuple[int | None, ...]) -> None:
    """Over runs, and over any part of one."""
    logits, targets = batches(3, 8, seed=1)
    fused, auto = both()
    states = jax.vmap(lambda y: auto(logits[0], y, auto.init())[1])(targets[::-1])
    given = [
        jax.tree.map(lambda part, axis=axis: part[0] if axis is None else jnp.moveaxis(part, 0, axis), argument)
        for argument, axis in zip((logits, targets, states), axes, strict=True)
    ]
    assert_same(*(jax.jit(jax.vmap(step(criterion), axes))(*given) for criterion in (fused, auto)))


def test_vmap_over_the_axis_of_the_counts() -> None:
    logits, targets = batches(3, 8)
    found, expected = (
        jax.jit(jax.vmap(step(criterion), (0, 0, None), axis_name="runs"))(logits, targets, criterion.init())
        for criterion in both(axis_name="runs")
    )
    assert_same(found, expected)


def test_scan_and_a_gradient_through_it() -> None:
    logits, targets = batches(4, 8)

    def last(criterion: OBRLoss, x: Array) -> Any:
        def body(state: RelationState, batch: tuple[Array, Array]) -> Any:
            loss, state = criterion(*batch, state)
            return state, loss

        state, losses = jax.lax.scan(body, criterion.init(), (x, targets))
        return losses.sum(), state

    found, expected = (jax.jit(step(lambda x, c=criterion: last(c, x)))(logits) for criterion in both())
    assert_same(found, expected)


def test_a_checkpointed_model() -> None:
    logits, targets = (array[0] for array in batches(1, 8))

    def gradient(criterion: OBRLoss) -> Array:
        def loss(x: Array) -> Array:
            return criterion(jnp.sin(x), targets, criterion.init())[0]

        return jax.jit(jax.grad(jax.checkpoint(loss)))(logits)

    assert_same(*map(gradient, both()))


def test_a_donated_state_and_one_that_is_kept() -> None:
    logits, targets = batches(2, 6)
    fused, auto = both()
    donating, state = jax.jit(step(fused), donate_argnums=2), fused.init()
    kept = fused(logits[0], targets[0], state)[1]
    assert_exact("the old state", state.relation_weight, jnp.zeros((LABELS, LABELS)))
    given = kept
    (_, state), _ = donating(logits[1], targets[1], given)
    assert given.relation_sum.is_deleted()
    expected = auto(logits[1], targets[1], auto(logits[0], targets[0], auto.init())[1])[1]
    assert_same(state, expected)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()[:DEVICES]), ("data",))


def missing_some(targets: Array) -> Array:
    return jnp.where(jnp.arange(targets.size).reshape(targets.shape) % 7 == 0, jnp.nan, targets)


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("checked", [False, True])
def test_shard_map(mesh: Mesh, checked: bool, estimator: str) -> None:
    """Two updates in a scan; the relation is that of the whole batches, to the bit."""
    logits, targets = batches(2, 4 * DEVICES)
    targets = missing_some(targets)
    criterion = OBRLoss(LABELS, **SETTINGS, estimator=estimator, impl="fused", axis_name="data")
    rows, everywhere = PartitionSpec(None, "data"), PartitionSpec()

    def run(x: Array, y: Array, state: RelationState) -> Any:
        def body(state: RelationState, batch: tuple[Array, Array]) -> Any:
            (loss, state), gradient = step(criterion)(*batch, state)
            return state, (jax.lax.pmean(loss, "data"), gradient)

        return jax.lax.scan(body, state, (x, y))

    sharded = jax.shard_map(
        run,
        mesh=mesh,
        in_specs=(rows, rows, everywhere),
        out_specs=(everywhere, (everywhere, rows)),
        check_vma=checked,
    )
    state, (losses, gradients) = jax.jit(sharded)(logits, targets, criterion.init())
    whole = OBRLoss(LABELS, **SETTINGS, estimator=estimator, impl="fused")
    last = whole.init()
    for x, y, loss, gradient in zip(logits, targets, losses, gradients, strict=True):
        (expected, last), slope = step(whole)(x, y, last)
        assert_same((loss, gradient / DEVICES), (expected, slope))  # each device's own mean
    assert_exact("relation_sum", state.relation_sum, last.relation_sum)
    assert_exact("relation_weight", state.relation_weight, last.relation_weight)


def test_shard_map_of_runs_that_share_nothing(mesh: Mesh) -> None:
    logits, targets = (array[0] for array in batches(1, 4 * DEVICES))

    def run(criterion: OBRLoss) -> Any:
        def local(x: Array, y: Array, state: RelationState) -> Any:
            return jax.tree.map(lambda part: part[None], step(criterion)(x, y, state))

        rows, everywhere = PartitionSpec("data"), PartitionSpec()
        sharded = jax.shard_map(local, mesh=mesh, in_specs=(rows, rows, everywhere), out_specs=rows)
        return jax.jit(sharded)(logits, targets, criterion.init())

    assert_same(*map(run, both()))


def test_pmap() -> None:
    logits, targets = (array[0].reshape(DEVICES, 4, LABELS) for array in batches(1, 4 * DEVICES))

    def run(criterion: OBRLoss) -> Any:
        mapped = jax.pmap(criterion, axis_name="data", in_axes=(0, 0, None), devices=jax.devices()[:DEVICES])
        return mapped(logits, targets, criterion.init())

    assert_same(*map(run, both(axis_name="data")))


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_plain_jit_on_sharded_arrays(kind: AxisType, reduction: str) -> None:
    """What comes is spread as what JAX's own operations give, and each device has the whole relation."""
    logits, targets = (array[0] for array in batches(1, 4 * DEVICES))
    targets = missing_some(targets)
    fused, auto = both(reduction=reduction)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(kind,))

    def run(criterion: OBRLoss, x: Array, y: Array) -> Any:
        def loss(x: Array) -> Any:
            value, state = criterion(x, y, criterion.init())
            return value.sum(), (value, state)

        return step(loss)(x)

    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec("data"))
        placed = jax.device_put(logits, sharding), jax.device_put(targets, sharding)
        found = jax.jit(run, static_argnums=0)(fused, *placed)
        specs = [jax.typeof(part).sharding.spec for part in jax.tree.leaves(found)]
        like = jax.jit(run, static_argnums=0)(auto, *placed)
        assert specs == [jax.typeof(part).sharding.spec for part in jax.tree.leaves(like)]
    assert_same(jax.tree.map(np.asarray, found), jax.tree.map(np.asarray, run(auto, logits, targets)))


def test_second_derivatives() -> None:
    with jax.enable_x64(True):
        logits, targets = batches(1, 4, dtype=jnp.float64)
        weight = jnp.linspace(0.5, 2.0, 4)
        hessians = []
        for criterion in both(normalization="active_pairs"):
            state = criterion(logits[0], targets[0], criterion.init(jnp.float64))[1]

            def loss(x: Array, w: Array = weight, criterion: Any = criterion, state: Any = state) -> Array:
                terms, _ = criterion.terms(x, targets[0], state, None, w, update=False)
                return terms.total + terms.cross_entropy * terms.relation_loss

            both_orders = jax.jit(lambda x, w, f=loss: (jax.hessian(f)(x), jax.jacrev(jax.grad(f), 1)(x, w)))
            hessians.append(both_orders(logits[0], weight))
        assert_same(*hessians, precision="float64")


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_gradients_of_targets_and_weights(kind: str, reduction: str) -> None:
    """Those of the algebra; the relation gets none, and labels that are not numbers have none."""
    random = np.random.default_rng(0)
    logits = jnp.asarray(random.standard_normal((6, 3)).astype(np.float32))
    targets = jnp.asarray(labels(random, 6, 3))
    targets = targets > 0.5 if kind == "bool" else jnp.where(jnp.eye(6, 3) > 0, jnp.nan, targets * 0.8 + 0.1)
    weight = jnp.asarray(random.random(6).astype(np.float32))
    found = []
    for impl in ("fused", "plain"):
        criterion = OBRLoss(3, **SETTINGS, impl=impl, reduction=reduction, pos_weight=[1.0, 2.0, 3.0])

        def loss(y: Array, w: Array, criterion: OBRLoss = criterion) -> Array:
            terms, state = criterion.terms(logits, y, criterion.init(), None, w)
            return (terms.total + 3 * terms.cross_entropy).sum() + 0 * state.relation_sum.sum()

        found.append(jax.grad(loss, 1 if kind == "bool" else (0, 1))(targets, weight))
    assert np.abs(jax.tree.leaves(found[1])[-1]).max() > 0
    assert_same(*found)


def test_each_term_and_sample_has_its_own_upstream() -> None:
    logits, targets = (array[0] for array in batches(1, 8))
    upstream = jnp.linspace(-1.0, 2.0, 8)

    def value_and_gradient(criterion: OBRLoss) -> Any:
        def loss(x: Array) -> Array:
            terms, _ = criterion.terms(x, targets, criterion.init())
            return terms.total @ upstream + terms.relation_loss @ upstream**2 - terms.cross_entropy.sum()

        return jax.value_and_grad(loss)(logits)

    assert_same(*map(value_and_gradient, both(reduction="none")))


def test_forward_mode_needs_the_plain_path() -> None:
    logits, targets = (array[0] for array in batches(1, 4))
    criterion = OBRLoss(LABELS, impl="fused")
    for function in (
        lambda x: criterion(x, targets, criterion.init())[0],
        lambda x: relation_loss(x, jnp.eye(LABELS), impl="fused"),
    ):
        with pytest.raises(TypeError, match="custom_vjp"):
            jax.jvp(function, (logits,), (logits,))
        with pytest.raises(TypeError, match="custom_vjp"):
            jax.jacfwd(function)(logits)


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize("update", [True, False])
def test_a_step_is_two_calls_and_nothing_else(update: bool, kind: Any) -> None:
    """One moves the relation or reads it, one gives the loss with its gradient; no array is larger than the batch."""
    size, num_labels = 48, 17
    criterion = kind(num_labels, impl="fused")
    arguments = jnp.zeros((size, num_labels)), jnp.zeros((size, num_labels)), criterion.init()

    def run(x: Array, y: Array, state: RelationState) -> Any:
        return jax.value_and_grad(criterion, has_aux=True)(x, y, state, update=update)

    text = jax.jit(run, donate_argnums=2).lower(*arguments).compile().as_text()
    assert text.count("custom-call(") == count_kernels(text) == 2
    assert text.count(f'custom_call_target="obrl_jax_{"move" if update else "code"}"') == 1
    assert text.count('custom_call_target="obrl_jax_loss"') == 1
    assert largest_buffer(text) <= size * num_labels


DTYPES = ("bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_targets_of_any_dtype(dtype: str, compiled: bool) -> None:
    logits, targets = (array[0] for array in batches(1, 8))
    found, expected = (
        (jax.jit(step(criterion)) if compiled else step(criterion))(logits, targets.astype(dtype), criterion.init())
        for criterion in both()
    )
    assert_same(found, expected)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("value", "counted"), [(0.5, 1.0), (0.49999999999, 0.0)])
def test_one_half_is_decided_in_the_dtype_of_the_targets(value: float, counted: float, wide: bool) -> None:
    targets = np.array([[value, np.nan]])
    with jax.enable_x64(wide):
        criterion = OBRLoss(2, estimator="counts", impl="fused")
        _, state = criterion(jnp.zeros((1, 2)), targets, criterion.init())
    assert_exact("n and s", state.relation_sum[:2], [[[1.0, 0.0], [0.0, 0.0]], [[counted, 0.0], [0.0, 0.0]]])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("compiled", [False, True])
def test_debug_nans(compiled: bool, dtype: str) -> None:
    """Missing targets, pairs without evidence and saturated logits: no operation gives a NaN."""
    random = np.random.default_rng(0)
    targets = labels(random, 6)
    targets[random.random(targets.shape) < 0.3] = np.nan
    logits = jnp.asarray(random.choice([-1e4, -100.0, 0.0, 100.0, 1e4], targets.shape).astype(np.float32))
    before = jax.config.jax_debug_nans
    jax.config.update("jax_debug_nans", True)
    try:
        criterion = OBRLoss(LABELS, impl="fused")
        function = jax.jit(step(criterion)) if compiled else step(criterion)
        (loss, _), gradient = function(logits, targets.astype(dtype), criterion.init())
    finally:
        jax.config.update("jax_debug_nans", before)
    (expected, _), slope = step(OBRLoss(LABELS))(logits, targets, criterion.init())
    assert_same((loss, gradient), (expected, slope))


def test_what_cannot_be_is_refused() -> None:
    logits, targets = (array[0] for array in batches(1, 4))
    criterion = OBRLoss(LABELS, impl="fused")
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 1\]"):
        criterion(logits, targets * 2.0, criterion.init())
    with jax.enable_x64(True):
        mixed = RelationState(criterion.init().relation_sum, criterion.init(jnp.float64).relation_weight)
        with pytest.raises(ValueError, match="both accumulators in float32, or both in float64, got float32, float64"):
            criterion(logits, targets, mixed)
    many = jax.ShapeDtypeStruct((2**24 + 1, LABELS), np.bool_)
    with pytest.raises(ValueError, match="at most 16777216 rows, got 16777217"):
        jax.eval_shape(lambda y: criterion(jnp.zeros(y.shape), y, criterion.init()), many)


def test_another_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays that are there say where they are; traced ones will be on the default device."""
    arguments = (*(array[0] for array in batches(1, 4)), OBRLoss(LABELS).init())
    criterion = OBRLoss(LABELS, impl="fused")
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert_same(criterion(*arguments), OBRLoss(LABELS)(*arguments))
    for function in (criterion, lambda x, *_: relation_loss(x, jnp.eye(LABELS), impl="fused")):
        with pytest.raises(ValueError, match="runs on a CPU or a CUDA device, got the default device on a tpu"):
            jax.eval_shape(function, *arguments)
        with jax.default_device(jax.devices("cpu")[0]):
            jax.eval_shape(function, *arguments)
