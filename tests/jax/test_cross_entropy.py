"""A function in place of Eq. 4 in JAX: transforms, second derivatives, hashing; `ignore_index` outside of losses."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array
from jax.test_util import check_grads

from obrl.jax import OBRLoss, OnlineBatchRelation, update_relation
from obrl_jax.namespace import JAX
from tests.jax.data import LABELS, SETTINGS, assert_same, batch, batches, missing_some, step
from tests.support.other_losses import functions
from tests.support.tolerances import assert_exact

FUNCTIONS = functions(JAX, jnp.log)
both = pytest.mark.parametrize("impl", ["auto", "fused"])


@both
def test_jit_vmap_and_scan(impl: str) -> None:
    """Each gives what calls one by one give."""
    logits, targets = batches(3, 8)
    targets = jax.vmap(missing_some)(targets)
    criterion = OBRLoss(LABELS, **SETTINGS, impl=impl, cross_entropy=FUNCTIONS["focal"])
    one, state = step(criterion), criterion.init()
    singles = [one(x, y, state) for x, y in zip(logits, targets, strict=True)]
    results = jax.jit(jax.vmap(one, (0, 0, None)))(logits, targets, state)
    for index, single in enumerate(singles):
        assert_same(jax.tree.map(lambda part, index=index: part[index], results), single)

    def scanned(state: Any, arrays: Any) -> Any:
        (loss, state), gradient = one(*arrays, state)
        return state, (loss, gradient)

    last, (losses, _) = jax.jit(lambda state: jax.lax.scan(scanned, state, (logits, targets)))(state)
    for x, y, loss in zip(logits, targets, losses, strict=True):
        expected, state = criterion(x, y, state)
        assert_same(loss, expected)
    assert_same(last, state)


@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
@pytest.mark.parametrize("name", ["focal", "asymmetric"])
def test_derivatives(name: str, impl: str) -> None:
    """Both orders in reverse mode; "plain" and "auto" in forward mode too."""
    with jax.enable_x64(True):
        logits, targets = batch(6)
        x, y = jnp.clip(logits, -2, 2).astype(jnp.float64), missing_some(targets).astype(jnp.float64)
        criterion = OBRLoss(LABELS, **SETTINGS, impl=impl, cross_entropy=FUNCTIONS[name])
        _, state = criterion(x, y, criterion.init())
        modes = ["rev"] if impl == "fused" else ["rev", "fwd"]
        for term in range(3):
            check_grads(
                lambda x, term=term: criterion.terms(x, y, state, update=False)[0][term], (x,), order=2, modes=modes
            )


def test_a_function_is_part_of_what_a_criterion_is() -> None:
    focal = FUNCTIONS["focal"]
    one, same, other = (OBRLoss(2, cross_entropy=function) for function in (focal, focal, FUNCTIONS["bce"]))
    assert one == same and hash(one) == hash(same)
    assert one not in (other, OBRLoss(2), OBRLoss(2, cross_entropy=focal, ignore_index=-1))

    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, x: Array, y: Array) -> Array:
            return x

    with pytest.raises(TypeError, match=r"cross_entropy must be hashable, .* got a Unhashable"):
        OBRLoss(2, cross_entropy=Unhashable())


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, y: 1.0, TypeError, "cross_entropy must return the loss of each label, .* got float"),
        (lambda x, y: None, TypeError, "got NoneType: it ends without `return`"),
        (lambda x, y: x.astype(jnp.bfloat16), TypeError, "float32, got bfloat16"),
        (lambda x, y: x.sum(1), ValueError, r"losses of shape .* got \(4,\)"),
    ],
)
def test_what_a_function_must_return(function: Any, error: type[Exception], message: str) -> None:
    criterion, (x, y) = OBRLoss(LABELS, cross_entropy=function), batch(4)
    for call in (criterion, jax.jit(criterion)):
        with pytest.raises(error, match=message):
            call(x, y, criterion.init())


def test_ignored_targets_while_tracing() -> None:
    """Metadata are checked; values, which are not there to be read, are taken as they are coded."""
    x, y = batch(20)
    signs = (2 * y - 1).astype(jnp.int8)
    criterion, expected = OBRLoss(LABELS, ignore_index=-1), OBRLoss(LABELS)
    loss, state = jax.jit(criterion)(x, signs, criterion.init())
    assert_same((loss, state), jax.jit(expected)(x, y, expected.init(), observed=signs != -1))
    with pytest.raises(TypeError, match=r"targets must be integers .* got float32"):
        jax.jit(criterion)(x, y, criterion.init())
    with pytest.raises(ValueError, match="no 0"):
        criterion(x, signs, criterion.init())


def test_relations_by_themselves_ignore_the_number_too() -> None:
    _, y = batch(9)
    marked = np.where(np.isnan(missing_some(y)), 255, np.asarray(y)).astype(np.uint8)
    expected = update_relation(missing_some(y), OnlineBatchRelation(LABELS).init())
    online = OnlineBatchRelation(LABELS, ignore_index=255)
    for state in (online.update(marked, online.init()), update_relation(marked, online.init(), ignore_index=255)):
        assert_exact("the relation", state.relation_sum, expected.relation_sum)
    assert online.to_numpy(expected).ignore_index == 255
    assert "ignore_index=255" in repr(online)
