"""A loss and a relation of JAX condition on known labels; both take the state after the arrays."""

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np

from obrl.jax import OBRLoss, OnlineBatchRelation
from tests.support.conditioned import assert_conditions
from tests.support.start import LABELS, table


def bound(configuration: Any, state: Any) -> SimpleNamespace:
    """The three functions with their state filled in."""

    def method(name: str) -> Any:
        return lambda p, y, observed: getattr(configuration, name)(p, y, state, observed=observed)

    return SimpleNamespace(**{name: method(name) for name in ("condition", "suspicion", "query_scores")})


def test_a_loss_and_a_relation_condition_arrays() -> None:
    criterion, relation = OBRLoss(LABELS, estimator="counts"), OnlineBatchRelation(LABELS, estimator="counts")
    _, state = criterion(jnp.zeros((400, LABELS)), jnp.asarray(table()), criterion.init())
    assert_conditions(bound(criterion, state), jnp.asarray)
    assert_conditions(bound(relation, relation.update(jnp.asarray(table()), relation.init())), jnp.asarray)


def test_bfloat16_is_taken() -> None:
    criterion = OBRLoss(LABELS, estimator="counts")
    half = jnp.full((3, LABELS), 0.5, jnp.bfloat16)
    assert (criterion.condition(half, np.full((3, LABELS), np.nan), criterion.init()) == 0.5).all()
