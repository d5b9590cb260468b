"""Comparisons with the specification in float64, for any implementation whose results convert to NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tests.support import tolerances
from tests.support.cases import Batch, Case
from tests.support.oracle import Expected


def assert_state(case: Case, expected: Expected, holder: Any, precision: str = "float64") -> None:
    """Compare the accumulators and the relation.

    Args:
        case: what was run.
        expected: the specification after the same batch.
        holder: anything with relation_sum, relation_weight and relation.
        precision: of the state.
    """
    total, weight, relation = tolerances.state_bounds(case, expected.state, precision)
    tolerances.assert_close("relation_sum", holder.relation_sum, expected.state.relation_sum, total)
    tolerances.assert_close("relation_weight", holder.relation_weight, expected.state.relation_weight, weight)
    tolerances.assert_close("relation", holder.relation, expected.relation, relation)


def assert_loss_terms(
    case: Case,
    batch: Batch,
    expected: Expected,
    terms: Any,
    gradient: ArrayLike,
    bounds: tolerances.Bounds | None = None,
) -> None:
    """Compare L, L_E, L_B and the gradient of L; without `bounds`, in float64."""
    bounds = tolerances.bounds(case, batch, expected) if bounds is None else bounds
    for name in ("total", "cross_entropy", "relation_loss"):
        tolerances.assert_close(name, getattr(terms, name), getattr(expected.terms, name), getattr(bounds, name))
    tolerances.assert_close("gradient", gradient, expected.terms.gradient, bounds.gradient)


def assert_relation_loss(
    case: Case,
    batch: Batch,
    expected: Expected,
    value: ArrayLike,
    gradient: ArrayLike | None,
    bounds: tolerances.Bounds | None = None,
) -> None:
    """Compare L_B and its gradient, unless that is None; without `bounds`, in float64."""
    bounds = tolerances.bounds(case, batch, expected) if bounds is None else bounds
    tolerances.assert_close("relation_loss", value, expected.relation_value, bounds.relation_loss)
    if gradient is not None:
        tolerances.assert_close("gradient", gradient, expected.relation_gradient, bounds.relation_gradient)


def assert_same_state(first: Any, second: Any) -> None:
    """Raise AssertionError unless both hold the same accumulators, bit for bit."""
    for name in ("relation_sum", "relation_weight"):
        if not np.array_equal(np.asarray(getattr(first, name)), np.asarray(getattr(second, name))):
            raise AssertionError(f"{name} differs:\n{getattr(first, name)}\n{getattr(second, name)}")
