"""Several devices: shard_map, pmap, and plain jit on sharded arrays give the relation of the whole batch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from obrl.jax import OBRLoss, OnlineBatchRelation, RelationState
from tests.jax.data import LABELS, batches
from tests.support.tolerances import assert_close, assert_exact, band

DEVICES = 4


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    assert jax.device_count() >= DEVICES, "tests/jax/conftest.py asks for four devices on the CPU"
    return Mesh(np.array(jax.devices()[:DEVICES]), ("data",))


def whole(criterion: OBRLoss, logits: Array, targets: Array) -> Any:
    return jax.value_and_grad(criterion, has_aux=True)(logits, targets, criterion.init())


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("missing", [False, True])
def test_shard_map(mesh: Mesh, missing: bool, estimator: str) -> None:
    """Two updates; the estimator "counts" keeps the counts themselves, so that a wrong scale shows."""
    logits, targets = batches(2, 4 * DEVICES)
    if missing:
        targets = jnp.where(jnp.arange(targets.size).reshape(targets.shape) % 7 == 0, jnp.nan, targets)
    settings: dict[str, Any] = {"alpha": 40.0, "decay": 0.5, "estimator": estimator}
    criterion = OBRLoss(LABELS, **settings, axis_name="data")
    rows, everywhere = PartitionSpec("data"), PartitionSpec()

    def step(x: Array, y: Array, state: RelationState) -> Any:
        (loss, state), gradient = jax.value_and_grad(criterion, has_aux=True)(x, y, state)
        return jax.lax.pmean(loss, "data"), gradient, state

    sharded = jax.shard_map(
        step, mesh=mesh, in_specs=(rows, rows, everywhere), out_specs=(everywhere, rows, everywhere)
    )
    state = last = criterion.init()
    for x, y in zip(logits, targets, strict=True):
        loss, gradient, state = jax.jit(sharded)(x, y, state)
        (expected, last), slope = jax.value_and_grad(OBRLoss(LABELS, **settings), has_aux=True)(x, y, last)
    assert_exact("relation_sum", state.relation_sum, last.relation_sum)
    assert_exact("relation_weight", state.relation_weight, last.relation_weight)
    assert_close("loss", loss, expected, band(80, 100.0, "float32"))
    assert_close("gradient", gradient / DEVICES, slope, band(80, 10.0, "float32"))  # each device's own mean


@pytest.mark.usefixtures("size")
def test_shard_map_of_runs_that_share_nothing(mesh: Mesh) -> None:
    logits, targets = (array[0] for array in batches(1, 4 * DEVICES))
    criterion = OBRLoss(LABELS, alpha=40.0)

    def local(x: Array, y: Array, state: RelationState) -> Any:
        return jax.tree.map(lambda part: part[None], criterion(x, y, state))

    rows, everywhere = PartitionSpec("data"), PartitionSpec()
    sharded = jax.shard_map(local, mesh=mesh, in_specs=(rows, rows, everywhere), out_specs=rows)
    losses, states = jax.jit(sharded)(logits, targets, criterion.init())
    for device in range(DEVICES):
        own = slice(4 * device, 4 * device + 4)
        loss, state = criterion(logits[own], targets[own], criterion.init())
        assert_close("loss", losses[device], loss, band(80, 100.0, "float32"))
        assert_close("state", states.relation_sum[device], state.relation_sum, band(8, 1.0, "float32"))


def test_pmap() -> None:
    logits, targets = (array[0] for array in batches(1, 4 * DEVICES))
    criterion = OBRLoss(LABELS, axis_name="data")
    shape = (DEVICES, 4, LABELS)
    step = jax.pmap(criterion, axis_name="data", in_axes=(0, 0, None), devices=jax.devices()[:DEVICES])
    losses, states = step(logits.reshape(shape), targets.reshape(shape), criterion.init())
    (expected, last), _ = whole(OBRLoss(LABELS), logits, targets)
    for device in range(DEVICES):
        assert_exact("relation_sum", states.relation_sum[device], last.relation_sum)
    assert_close("loss", losses.mean(), expected, band(80, 10.0, "float32"))


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_plain_jit_on_sharded_arrays(kind: AxisType, missing: bool) -> None:
    """Explicit axes are what `jax.make_mesh` gives by default."""
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(kind,))
    logits, targets = (array[0] for array in batches(1, 4 * DEVICES))
    if missing:
        targets = jnp.where(jnp.arange(targets.size).reshape(targets.shape) % 7 == 0, jnp.nan, targets)
    criterion = OBRLoss(LABELS)
    with jax.set_mesh(mesh):
        sharding = NamedSharding(mesh, PartitionSpec("data"))
        placed = jax.device_put(logits, sharding), jax.device_put(targets, sharding)
        (loss, state), _ = jax.jit(jax.value_and_grad(criterion, has_aux=True))(*placed, criterion.init())
    (expected, last), _ = whole(criterion, logits, targets)
    assert_exact("relation_sum", state.relation_sum, last.relation_sum)
    assert_close("loss", loss, expected, band(80, 10.0, "float32"))


def test_nothing_is_exchanged_where_nothing_moves() -> None:
    """Validation outside of any mapped axis, with the configuration of the training."""
    logits, targets = (array[0] for array in batches(1, 8))
    criterion = OBRLoss(LABELS, axis_name="data")
    loss, _ = criterion(logits, targets, criterion.init(), update=False)
    assert np.isfinite(loss)


def test_runs_on_two_machines_merge_exactly() -> None:
    _, targets = batches(6, 8)
    online = OnlineBatchRelation(LABELS, decay=0.9)
    parts = [online.init(), online.init()]
    together = online.init()
    for index, y in enumerate(targets):
        parts[index // 3] = online.update(parts[index // 3], y)
        together = online.update(together, y)
    merged = online.merge(*parts)
    assert_close("relation_sum", merged.relation_sum, together.relation_sum, band(6, 10.0, "float32"))
    assert_close("relation_weight", merged.relation_weight, together.relation_weight, band(6, 10.0, "float32"))
