"""`impl="fused"` for a CUDA device, without one: the custom calls of a program, over a driver that records calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from obrl.jax import OBRLoss, RelationLoss, RelationState, relation_loss
from obrl_jax import cuda
from obrl_native.cuda import Library
from tests.jax.data import LABELS, batches
from tests.native import recording
from tests.support.tolerances import assert_exact


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """JAX's default device is said to be a GPU, and its driver is the recording one."""
    monkeypatch.setattr(cuda.cuda, "Library", partial(Library, driver=recording.driver().path))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    cuda.prepare()
    yield
    recording.driver().reset()


def lowered(function: Any, *arguments: Any) -> str:
    return jax.jit(function).trace(*arguments).lower(lowering_platforms=("cuda",)).as_text()


def targets_of(text: str) -> list[str]:
    return [word.partition("(")[0] for word in text.split("@obrl_jax_cuda_")[1:]]


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize("update", [True, False])
def test_a_step_is_two_calls(update: bool, kind: Any) -> None:
    criterion = kind(LABELS, impl="fused")

    def step(x: Array, y: Array, state: RelationState) -> Any:
        return jax.value_and_grad(criterion, has_aux=True)(x, y, state, update=update)

    logits, targets = (array[0] for array in batches(1, 6))
    text = lowered(step, logits, targets, criterion.init())
    assert targets_of(text) == ["move" if update else "code", "loss"]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["bool", "int32", "bfloat16", "float32"])
def test_results_have_the_types_of_the_algebras(dtype: str, reduction: str) -> None:
    logits, targets = (array[0] for array in batches(1, 6))
    mask, weight = targets > 0.5, jnp.ones(6)
    types = []
    for impl in ("fused", "auto"):
        criterion = OBRLoss(LABELS, reduction=reduction, pos_weight=np.ones(LABELS), impl=impl)

        def step(x: Array, y: Array, state: RelationState, criterion: OBRLoss = criterion) -> Any:
            loss = partial(criterion.terms, observed=mask, sample_weight=weight)
            terms, new = loss(x, y, state)
            gradients = jax.grad(lambda x: loss(x, y, state)[0].relation_loss.sum())(x)
            second = jax.hessian(lambda x: criterion(x, y, state)[0].sum())(x)
            return terms, new, gradients, second

        arguments = logits.astype(jnp.bfloat16), targets.astype(dtype), criterion.init()
        types.append(jax.tree.map(lambda part: (part.shape, part.dtype), jax.eval_shape(step, *arguments)))
    assert types[0] == types[1]


def test_vmap_over_a_shared_relation_and_the_relation_loss_alone() -> None:
    logits, targets = batches(3, 8)
    criterion = OBRLoss(LABELS, impl="fused", axis_name="runs")
    step = jax.vmap(jax.value_and_grad(criterion, has_aux=True), (0, 0, None), axis_name="runs")
    text = lowered(step, logits, targets, criterion.init())
    assert sorted(targets_of(text)) == ["count", "loss", "move_by_counts"]
    stateless = jax.grad(lambda x: relation_loss(x, jnp.ones((LABELS, LABELS)), impl="fused"))
    assert targets_of(lowered(stateless, logits[0])) == ["code", "loss"]


def test_refusals() -> None:
    criterion = OBRLoss(LABELS, impl="fused")
    logits, targets = (array[0] for array in batches(1, 6))
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match="computes in float32, got logits in float64"):
            jax.eval_shape(criterion, logits.astype(jnp.float64), targets, criterion.init())
        with pytest.raises(ValueError, match="needs a state in float32, got float64"):
            jax.eval_shape(criterion, logits, targets, criterion.init(jnp.float64))
    wide = jax.ShapeDtypeStruct((1, 2**14 + 1), jnp.float32)
    with pytest.raises(ValueError, match="16385"):
        jax.eval_shape(lambda x: relation_loss(x, jnp.zeros((2**14 + 1,) * 2), impl="fused"), wide)


def test_codes_leave_out_the_padding_of_rows() -> None:
    rows = np.zeros((LABELS, 16), np.uint8)
    rows[:, :LABELS] = np.arange(LABELS**2).reshape(LABELS, LABELS)
    pairs = jnp.asarray(np.concatenate([rows.reshape(-1), np.full(64, 255, np.uint8)]))
    assert_exact("codes", cuda.codes(pairs, LABELS), rows[:, :LABELS])


def test_a_missing_target_is_nan() -> None:
    """Also one that `observed` marks: the kernels take no mask."""
    targets, observed = jnp.array([[1, 0, 1]]), jnp.array([[True, False, True]])
    np.testing.assert_array_equal(
        cuda._nan_where_missing(targets, observed), np.array([[1.0, np.nan, 1.0]], np.float32)
    )
    np.testing.assert_array_equal(cuda._nan_where_missing(targets > 0, None), np.array([[1.0, 0.0, 1.0]], np.float32))
