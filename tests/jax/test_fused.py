"""`impl="fused"`: the targets that it reads, and what it refuses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from obrl.jax import OBRLoss, relation_loss
from tests.jax.data import LABELS, SETTINGS, assert_same, batch, step
from tests.support.tolerances import assert_exact

DTYPES = ("bool", "uint8", "int8", "int32", "float16", "bfloat16", "float32")


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_targets_of_any_dtype(dtype: str, compiled: bool) -> None:
    logits, targets = batch(8)
    results, expected = (
        (jax.jit(step(criterion)) if compiled else step(criterion))(logits, targets.astype(dtype), criterion.init())
        for criterion in (OBRLoss(LABELS, **SETTINGS, impl=impl) for impl in ("fused", "plain"))
    )
    assert_same(results, expected)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("value", "counted"), [(0.5, 1.0), (0.49999999999, 0.0)])
def test_one_half_is_decided_in_the_dtype_of_the_targets(value: float, counted: float, wide: bool) -> None:
    targets = np.array([[value, np.nan]])
    with jax.enable_x64(wide):
        criterion = OBRLoss(2, estimator="counts", impl="fused")
        _, state = criterion(jnp.zeros((1, 2)), targets, criterion.init())
    assert_exact("n and s", state.relation_sum[:2], [[[1.0, 0.0], [0.0, 0.0]], [[counted, 0.0], [0.0, 0.0]]])


def test_refusals() -> None:
    logits, targets = batch(4)
    criterion = OBRLoss(LABELS, impl="fused")
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 1\]"):
        criterion(logits, targets * 2.0, criterion.init())
    many = jax.ShapeDtypeStruct((2**24 + 1, LABELS), np.bool_)
    with pytest.raises(ValueError, match="at most 16777216 rows, got 16777217"):
        jax.eval_shape(lambda y: criterion(jnp.zeros(y.shape), y, criterion.init()), many)


def test_another_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    """Concrete arrays say where they are; traced ones will be on the default device."""
    arguments = (*batch(4), OBRLoss(LABELS).init())
    criterion = OBRLoss(LABELS, impl="fused")
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert_same(criterion(*arguments), OBRLoss(LABELS)(*arguments))
    for function in (criterion, lambda x, *_: relation_loss(x, jnp.eye(LABELS), impl="fused")):
        with pytest.raises(ValueError, match="runs on a CPU or a CUDA device, got the default device on a tpu"):
            jax.eval_shape(function, *arguments)
        with jax.default_device(jax.devices("cpu")[0]):
            jax.eval_shape(function, *arguments)
