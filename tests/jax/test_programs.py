"""What XLA makes of a step: its largest array, its kernels, its products, and the custom calls of native code."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest
from jax import Array

from obrl.jax import OBRLoss, RelationLoss, RelationState
from tests.jax.data import step
from tests.support.hlo import count_kernels, largest_buffer

MOST_KERNELS = 40
"""Of a step at (64, 40), as XLA compiles it for a CPU."""

kinds = pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])


@kinds
def test_no_array_is_batch_by_labels_by_labels(kind: Any) -> None:
    size, num_labels = 48, 17
    criterion = kind(num_labels)
    arguments = jnp.zeros((size, num_labels)), jnp.zeros((size, num_labels)), criterion.init()
    compiled = jax.jit(step(criterion)).lower(*arguments).compile()
    assert largest_buffer(compiled.as_text()) <= size * num_labels

    def naive(logits: Array) -> Array:
        return ((logits[:, :, None] - logits[:, None, :]) ** 2 * jnp.arange(num_labels)).sum()

    control = jax.jit(jax.grad(naive)).lower(arguments[0]).compile()
    assert largest_buffer(control.as_text()) >= size * num_labels**2


def test_few_kernels() -> None:
    """Of the loss, its gradient and the update together, beside those of the cross-entropy alone."""
    x, y = jnp.zeros((64, 40)), jnp.zeros((64, 40))
    criterion = OBRLoss(40)
    compiled = jax.jit(step(criterion)).lower(x, y, criterion.init()).compile()

    def cross_entropy(logits: Array, targets: Array) -> Array:
        return optax.sigmoid_binary_cross_entropy(logits, targets).mean()

    plain = jax.jit(jax.value_and_grad(cross_entropy)).lower(x, y).compile()
    assert 0 < count_kernels(plain.as_text()) < count_kernels(compiled.as_text()) <= MOST_KERNELS


@kinds
def test_every_product_is_at_full_precision(kind: Any) -> None:
    """Whatever the device makes of float32 by default: no TF32, no bfloat16."""
    criterion = kind(3)
    text = jax.jit(step(criterion)).lower(jnp.zeros((4, 3)), jnp.zeros((4, 3)), criterion.init()).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) >= 5
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)


@kinds
@pytest.mark.parametrize("update", [True, False])
def test_a_fused_step_is_two_calls_and_nothing_else(update: bool, kind: Any) -> None:
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
