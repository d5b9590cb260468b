"""How far an implementation may be from the specification; the only place where tolerances are written.

Three rules:

- Counts, and sums of them with decay 1, are exact.
- In float64 an error may grow with the number of terms in the sum that a result is: (terms + `ROUNDINGS`) eps times
  the size of what is added up.
- In a lower precision an error may be at most `PLAIN_ERROR_FACTOR` times that of plain framework code in that
  precision, plus one rounding band, plus `PAIR_ROUNDINGS` eps sum(A + B) / normaliser, absolute: the closed form
  cancels where probabilities agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from obrl import spec
from tests.support.cases import Batch, Case
from tests.support.oracle import Expected

ROUNDINGS = 16
"""Roundings that one term of a sum may have seen: a tanh, its powers, products and two divisions."""

PLAIN_ERROR_FACTOR = 2
"""How many times the error of plain framework code in the same precision is allowed."""

PAIR_ROUNDINGS = 4
"""c in c eps sum(A + B) / normaliser: four products with the pair weights, each rounded once."""

THRESHOLD_MARGIN = 1e-3
"""Strategies keep relations at least this far from thresholds; float32 errs by less for every case they draw."""

FINITE_DIFFERENCE_STEP = 1e-6
"""Central differences in float64: the error is about step^2, and eps / step."""

FINITE_DIFFERENCE = 1e-8
"""What central differences with that step may be off by, relative to the size of the value."""

EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
"""The spacing of numbers at 1."""

SMALLEST = {"float64": 2.0**-1074, "float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}
"""The smallest positive number: what a result next to zero may be off by, whatever its size."""


def band(terms: int, magnitude: ArrayLike, precision: str = "float64") -> NDArray[np.float64]:
    """What rounding may do to a sum.

    Args:
        terms: how many terms are added up.
        magnitude: the sum of their absolute values, intermediate results included.
        precision: a key of `EPS`.
    """
    return (terms + ROUNDINGS) * EPS[precision] * np.abs(np.asarray(magnitude, np.float64)) + SMALLEST[precision]


def assert_close(name: str, actual: ArrayLike, expected: ArrayLike, bound: ArrayLike) -> None:
    """Raise AssertionError unless shapes agree, NaNs stand in the same places, and the rest is within `bound`."""
    result, exact = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if result.shape != exact.shape:
        raise AssertionError(f"{name}: expected shape {exact.shape}, got {result.shape}")
    if not np.array_equal(np.isnan(result), np.isnan(exact)):
        raise AssertionError(f"{name}: NaN in other places: expected\n{exact}\ngot\n{result}")
    limit = np.broadcast_to(np.asarray(bound, np.float64), exact.shape)
    known = ~np.isnan(exact)
    error = np.abs(np.subtract(result, exact, out=np.zeros(exact.shape), where=known))
    if not (error <= limit).all():
        worst = np.unravel_index(np.argmax(np.where(known, error - limit, -np.inf)), exact.shape)
        raise AssertionError(
            f"{name}: off by {error[worst]:.3g} where {limit[worst]:.3g} is allowed, at {tuple(map(int, worst))}: "
            f"expected {exact[worst]!r}, got {result[worst]!r}"
        )


def assert_exact(name: str, actual: ArrayLike, expected: ArrayLike) -> None:
    """Raise AssertionError unless both are equal, NaN for NaN."""
    assert_close(name, actual, expected, 0.0)


@dataclass(frozen=True)
class Sizes:
    """How large the terms are that the losses of a batch add up, per sample or per logit.

    Attributes:
        entropy: (K,), of L_E.
        pairs: (K,), of L_B: sum(A + B) / normaliser, since no pair costs more than 1.
        entropy_slope: (K, M), of dL_E / dx.
        pairs_slope: (K, M), of dL_B / dx: each label's share of sum(A + B) / normaliser.
        weight: (K,), the sample weights, divided by K for the mean.
    """

    entropy: NDArray[np.float64]
    pairs: NDArray[np.float64]
    entropy_slope: NDArray[np.float64]
    pairs_slope: NDArray[np.float64]
    weight: NDArray[np.float64]


def sizes(case: Case, batch: Batch, codes: spec.PairCodes) -> Sizes:
    """The magnitudes that rounding acts on; see `Sizes`."""
    x = np.abs(batch.logits)
    present = ~np.isnan(batch.targets.astype(np.float64))
    if batch.observed is not None:
        present = present & batch.observed
    label_weight = 1.0 + (0.0 if case.pos_weight is None else case.pos_weight)
    softplus = np.maximum(x, 1.0)  # softplus(|x|) and |x| are at most 2 max(|x|, 1)
    active = codes.positive + codes.negative
    normaliser = 2.0 * (case.num_labels**2 if case.normalization == "all_pairs" else max(codes.active, 1))
    by_label = (active.sum(axis=0) + active.sum(axis=1)) / normaliser
    weight = np.ones(batch.size) if batch.sample_weight is None else batch.sample_weight
    return Sizes(
        entropy=(2 * label_weight * softplus * present).sum(axis=1),
        pairs=np.full(batch.size, active.sum() / normaliser),
        entropy_slope=label_weight * present,
        pairs_slope=np.broadcast_to(4 * by_label, batch.logits.shape),
        weight=weight / max(batch.size, 1) if case.reduction == "mean" else weight,
    )


@dataclass(frozen=True)
class Bounds:
    """Bounds on every result of a call, in the shapes of the results."""

    total: Any
    cross_entropy: Any
    relation_loss: Any
    gradient: NDArray[np.float64]
    relation_gradient: NDArray[np.float64]


def bounds(case: Case, batch: Batch, expected: Expected, precision: str = "float64") -> Bounds:
    """The rounding bands of a batch's results in one precision."""
    size = sizes(case, batch, expected.codes)

    def reduced(per_sample: NDArray[np.float64]) -> Any:
        if case.reduction == "none":
            return band(case.num_labels, size.weight * per_sample, precision)
        return band(case.num_labels * max(batch.size, 1), (size.weight * per_sample).sum(), precision)

    def slope(per_logit: NDArray[np.float64]) -> NDArray[np.float64]:
        return band(case.num_labels, size.weight[:, None] * per_logit, precision)

    return Bounds(
        total=reduced(size.entropy + case.alpha * size.pairs),
        cross_entropy=reduced(size.entropy),
        relation_loss=reduced(size.pairs),
        gradient=slope(size.entropy_slope + case.alpha * size.pairs_slope),
        relation_gradient=slope(size.pairs_slope),
    )


def state_bounds(case: Case, state: spec.SpecState, precision: str = "float64") -> tuple[Any, Any, Any]:
    """Bounds on `relation_sum`, `relation_weight` and `relation`.

    Counts with decay 1 are exact. A relation measured on averaged counts is as accurate as the smallest cell of its
    fourfold table, since the cells are differences of the averages.
    """
    updates = len(case.batches)
    weight = state.relation_weight
    if case.estimator == "batch":
        exact = case.decay == 1
        counted = 0.0 if exact else band(updates, weight, precision)
        relation = band(updates, np.ones_like(weight), precision)
        return band(updates, weight, precision), counted, relation
    counted = 0.0 if case.decay == 1 else band(updates, weight, precision)
    total = 0.0 if case.decay == 1 else band(updates, state.relation_sum, precision)
    return total, counted, band(updates, table_condition(state), precision)


def table_condition(state: spec.SpecState) -> NDArray[np.float64]:
    """By how much the fourfold tables of averaged counts magnify a rounding, pair by pair."""
    n, s, r = state.relation_sum
    c = r.T
    cells = np.stack([s, r - s, c - s, n - r - c + s, r, c, n - r, n - c])
    noise = ROUNDINGS * EPS["float64"] * np.maximum(n, 1.0)
    smallest = np.where(cells > noise, cells, np.inf).min(axis=0)
    return np.where(np.isfinite(smallest), n / np.where(np.isfinite(smallest), smallest, 1.0), 1.0)


def rounding_band(terms: int, magnitude: ArrayLike, precision: str) -> NDArray[np.float64]:
    """One rounding, and one more for each doubling of the number of terms: what any code in this precision may do."""
    roundings = 1 + np.ceil(np.log2(max(terms, 1)))
    return roundings * EPS[precision] * np.abs(np.asarray(magnitude, np.float64)) + SMALLEST[precision]


def lower_precision(plain_error: ArrayLike, output_band: ArrayLike, pairs_band: ArrayLike) -> NDArray[np.float64]:
    """The bound for a precision below float64: the third rule.

    Args:
        plain_error: the error of plain framework code in this precision.
        output_band: one rounding band of the result.
        pairs_band: c eps sum(A + B) / normaliser.
    """
    return PLAIN_ERROR_FACTOR * np.abs(np.asarray(plain_error)) + np.asarray(output_band) + np.asarray(pairs_band)


@dataclass(frozen=True)
class Results:
    """The results of some code for a batch, in float64."""

    total: Any
    cross_entropy: Any
    relation_loss: Any
    gradient: NDArray[np.float64]
    relation_gradient: NDArray[np.float64]


def lower_bounds(
    case: Case, batch: Batch, expected: Expected, plain: Results, *, computed: str, returned: str
) -> Bounds:
    """The bounds of a batch's results below float64.

    Args:
        case: what was run.
        batch: with the logits that the code saw, in float64.
        expected: the specification for them.
        plain: plain framework code for them, in the precision `computed`.
        computed: the precision of the loss.
        returned: the precision of the gradient.
    """
    size = sizes(case, batch, expected.codes)
    terms = case.num_labels if case.reduction == "none" else case.num_labels * max(batch.size, 1)

    def reduced(per_sample: NDArray[np.float64]) -> Any:
        weighted = size.weight * per_sample
        return weighted if case.reduction == "none" else weighted.sum()

    def value(name: str, exact: Any, entropy: float, pairs: float) -> Any:
        return lower_precision(
            np.asarray(getattr(plain, name)) - np.asarray(exact),
            rounding_band(terms, reduced(entropy * size.entropy), computed),
            PAIR_ROUNDINGS * EPS[computed] * reduced(pairs * size.pairs),
        )

    def slope(name: str, exact: NDArray[np.float64], entropy: float, pairs: float) -> NDArray[np.float64]:
        weight = size.weight[:, None]
        band = rounding_band(1, weight * entropy * size.entropy_slope, computed)
        return lower_precision(
            getattr(plain, name) - exact,
            band + rounding_band(1, exact, returned),
            PAIR_ROUNDINGS * EPS[computed] * weight * pairs * size.pairs_slope,
        )

    exact = expected.terms
    return Bounds(
        total=value("total", exact.total, 1.0, case.alpha),
        cross_entropy=value("cross_entropy", exact.cross_entropy, 1.0, 0.0),
        relation_loss=value("relation_loss", expected.relation_value, 0.0, 1.0),
        gradient=slope("gradient", exact.gradient, 1.0, case.alpha),
        relation_gradient=slope("relation_gradient", expected.relation_gradient, 0.0, 1.0),
    )


CONDITION_FLOAT32 = 1e-5
"""What `Condition` in float32 may differ from NumPy's: measured 4e-6 over random cases of up to 64 labels."""

CONDITION_FLOAT64 = 1e-12
"""The same in float64, with correlations that were not rounded to float32: measured 2e-14."""
