"""Several devices: shard_map, pmap, and plain jit on sharded arrays give the relation of the whole batch."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from obrl.jax import OBRLoss, OnlineBatchRelation, RelationState
from tests.jax.data import LABELS, SETTINGS, assert_same, batch, batches, missing_some, step
from tests.support.tolerances import assert_close, assert_exact, band

DEVICES = 4
IMPLEMENTATIONS = ("auto", "fused")


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    assert jax.device_count() >= DEVICES, "tests/jax/conftest.py asks for four devices on the CPU"
    return Mesh(np.array(jax.devices()[:DEVICES]), ("data",))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("checked", [False, True])
def test_shard_map(mesh: Mesh, checked: bool, estimator: str, impl: str) -> None:
    """Two updates in a scan; the estimator "counts" holds the counts themselves, so that a wrong scale shows."""
    logits, targets = batches(2, 4 * DEVICES)
    targets = missing_some(targets)
    settings: dict[str, Any] = {**SETTINGS, "estimator": estimator, "impl": impl}
    criterion = OBRLoss(LABELS, **settings, axis_name="data")
    rows, everywhere = PartitionSpec(None, "data"), PartitionSpec()

    def steps(x: Array, y: Array, state: RelationState) -> Any:
        def body(state: RelationState, batch: tuple[Array, Array]) -> Any:
            (loss, state), gradient = step(criterion)(*batch, state)
            return state, (jax.lax.pmean(loss, "data"), gradient)

        return jax.lax.scan(body, state, (x, y))

    sharded = jax.shard_map(
        steps,
        mesh=mesh,
        in_specs=(rows, rows, everywhere),
        out_specs=(everywhere, (everywhere, rows)),
        check_vma=checked,
    )
    state, (losses, gradients) = jax.jit(sharded)(logits, targets, criterion.init())
    whole = OBRLoss(LABELS, **settings)
    last = whole.init()
    for x, y, loss, gradient in zip(logits, targets, losses, gradients, strict=True):
        (expected, last), slope = step(whole)(x, y, last)
        assert_same((loss, gradient / DEVICES), (expected, slope))  # each device's own mean
    assert_exact("relation_sum", state.relation_sum, last.relation_sum)
    assert_exact("relation_weight", state.relation_weight, last.relation_weight)


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_shard_map_of_runs_that_share_nothing(mesh: Mesh, impl: str) -> None:
    logits, targets = batch(4 * DEVICES)
    targets = missing_some(targets)
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl)

    def local(x: Array, y: Array, state: RelationState) -> Any:
        return jax.tree.map(lambda part: part[None], step(criterion)(x, y, state))

    rows, everywhere = PartitionSpec("data"), PartitionSpec()
    sharded = jax.shard_map(local, mesh=mesh, in_specs=(rows, rows, everywhere), out_specs=rows)
    results = jax.jit(sharded)(logits, targets, criterion.init())
    alone = jax.vmap(step(OBRLoss(LABELS, **SETTINGS)), (0, 0, None))
    parts = (array.reshape(DEVICES, 4, LABELS) for array in (logits, targets))
    assert_same(results, alone(*parts, criterion.init()))


@pytest.mark.parametrize("impl", IMPLEMENTATIONS)
def test_pmap(impl: str) -> None:
    logits, targets = batch(4 * DEVICES)
    criterion = OBRLoss(LABELS, impl=impl, axis_name="data")
    mapped = jax.pmap(criterion, axis_name="data", in_axes=(0, 0, None), devices=jax.devices()[:DEVICES])
    parts = (array.reshape(DEVICES, 4, LABELS) for array in (logits, targets))
    losses, states = mapped(*parts, criterion.init())
    expected, last = OBRLoss(LABELS)(logits, targets, criterion.init())
    for device in range(DEVICES):
        assert_exact("relation_sum", states.relation_sum[device], last.relation_sum)
    assert_close("loss", losses.mean(), expected, band(80, 10.0, "float32"))


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_plain_jit_on_sharded_arrays(kind: AxisType, reduction: str, missing: bool) -> None:
    """Explicit axes are what `jax.make_mesh` gives by default; native code shards its results as the algebra does."""
    logits, targets = batch(4 * DEVICES)
    targets = missing_some(targets) if missing else targets
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(kind,))

    def run(criterion: OBRLoss, x: Array, y: Array) -> Any:
        def loss(x: Array) -> Any:
            value, state = criterion(x, y, criterion.init())
            return value.sum(), (value, state)

        return step(loss)(x)

    auto, fused = (OBRLoss(LABELS, **SETTINGS, reduction=reduction, impl=impl) for impl in IMPLEMENTATIONS)
    expected = jax.tree.map(np.asarray, run(auto, logits, targets))
    shardings = []
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec("data"))
        arrays = jax.device_put(logits, sharding), jax.device_put(targets, sharding)
        for criterion in (auto, fused):
            results = jax.jit(run, static_argnums=0)(criterion, *arrays)
            shardings.append([jax.typeof(part).sharding.spec for part in jax.tree.leaves(results)])
            assert_same(jax.tree.map(np.asarray, results), expected)
    assert shardings[0] == shardings[1]


def test_no_counts_are_summed_where_nothing_moves() -> None:
    """Validation outside of any mapped axis, with the configuration of the training."""
    criterion = OBRLoss(LABELS, axis_name="data")
    loss, _ = criterion(*batch(8), criterion.init(), update=False)
    assert np.isfinite(loss)


def test_runs_on_two_machines_merge_exactly() -> None:
    _, targets = batches(6, 8)
    online = OnlineBatchRelation(LABELS, decay=0.9)
    parts = [online.init(), online.init()]
    together = online.init()
    for index, y in enumerate(targets):
        parts[index // 3] = online.update(y, parts[index // 3])
        together = online.update(y, together)
    merged = online.merge(*parts)
    assert_close("relation_sum", merged.relation_sum, together.relation_sum, band(6, 10.0, "float32"))
    assert_close("relation_weight", merged.relation_weight, together.relation_weight, band(6, 10.0, "float32"))
