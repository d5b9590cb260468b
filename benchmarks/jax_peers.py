"""The loss that obrl.jax is compared with: the paper's formula written plainly, as in `benchmarks.peers` for torch."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array


class PlainState(NamedTuple):
    """R_sb and the scalar S of Eq. 1."""

    relation_sum: Array
    relation_weight: Array


def plain_init(num_labels: int) -> PlainState:
    """An empty relation."""
    return PlainState(jnp.zeros((num_labels, num_labels)), jnp.zeros(()))


def plain_relation(state: PlainState) -> Array:
    """R_g = R_sb / S."""
    return state.relation_sum / state.relation_weight


def batch_unit_pearson(targets: Array) -> Array:
    """R_b: (1 + phi) / 2 between the columns of `targets` (batch, num_labels); 1/2 where phi is undefined."""
    centred = targets - targets.mean(axis=0)
    covariance = centred.T @ centred
    deviation = jnp.sqrt(jnp.diagonal(covariance))
    return (1 + jnp.nan_to_num(covariance / (deviation[:, None] * deviation))) / 2


def plain_relation_loss(
    logits: Array, relation: Array, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2
) -> Array:
    """L_B of Eq. 2, with the pairs i = j left out, through a (batch, num_labels, num_labels) array of differences."""
    batch, num_labels = logits.shape
    probabilities = jax.nn.sigmoid(logits)
    different = ~jnp.eye(num_labels, dtype=bool)
    positive = (relation >= positive_threshold) & different  # f_p, Eq. 3
    negative = (relation <= negative_threshold) & different  # f_n, Eq. 3
    squared = (probabilities[:, :, None] - probabilities[:, None, :]) ** 2
    pairs = positive * squared + negative * (1 - squared) ** 2
    return pairs.sum() / (2 * batch * num_labels**2)


def plain_loss(
    logits: Array, targets: Array, state: PlainState, *, decay: float = 0.99, alpha: float = 0.5
) -> tuple[Array, PlainState]:
    """Update the relation from the targets (Eq. 1), then L = L_E + alpha L_B."""
    state = PlainState(
        decay * state.relation_sum + batch_unit_pearson(targets),
        decay * state.relation_weight + 1,
    )
    cross_entropy = optax.sigmoid_binary_cross_entropy(logits, targets).sum() / logits.shape[0]
    return cross_entropy + alpha * plain_relation_loss(logits, plain_relation(state)), state
