"""A loss that has learnt a relation answers `condition`, `suspicion` and `query_scores`, whatever holds the arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from obrl import OnlineBatchRelation
from tests.support.start import LABELS, table

Convert = Callable[[NDArray[Any]], Any]


def assert_conditions(holder: Any, convert: Convert) -> None:
    """A holder whose counts are those of the table, decay .99, gives what phi of the table gives row by row.

    Args:
        holder: a relation or a loss with estimator "counts", updated once with `table()`.
        convert: from NumPy to the framework's arrays.
    """
    rng = np.random.default_rng(1)
    y, known = table(30), rng.random((30, LABELS)) < 0.4
    p = rng.uniform(0.1, 0.9, y.shape).astype(np.float32)
    arrays, mask = (convert(p), convert(y)), convert(known)
    expected = OnlineBatchRelation(LABELS, decay=0.99, estimator="counts").update(table())
    for name in ("condition", "suspicion", "query_scores"):
        values = getattr(holder, name)(*arrays, observed=mask)
        assert type(values) is np.ndarray
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, getattr(expected, name)(p, y, observed=known), rtol=1e-4, atol=1e-5)
    phi = np.corrcoef(table().T)
    np.testing.assert_allclose(
        holder.condition(*arrays, observed=mask),
        [by_row(phi, *row) for row in zip(p, y, known, strict=True)],
        atol=1e-5,
    )
    rates = np.broadcast_to(table().mean(axis=0), y.shape)
    np.testing.assert_allclose(
        holder.condition(None, arrays[1], observed=mask), holder.condition(rates, y, observed=known), atol=1e-6
    )


def by_row(phi: NDArray[np.float64], p: NDArray[Any], y: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The conditional mean of a Gaussian with covariance S (.7 phi + .3 I) S, by one dense solve."""
    p = p.astype(np.float64)
    s = np.sqrt(p * (1 - p) + 0.01)
    covariance = np.outer(s, s) * (0.7 * phi + 0.3 * np.eye(len(p)))
    result = np.where(known, y, p)
    if known.any():
        weights = np.linalg.solve(covariance[np.ix_(known, known)], y[known] - p[known])
        result[~known] += covariance[np.ix_(~known, known)] @ weights
    return np.clip(result, 0, 1)
