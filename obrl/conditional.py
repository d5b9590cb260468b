r"""What a relation says of predictions: labels that follow from known ones, suspicious ones, and which to ask for next.

All three take the labels of a row as jointly Gaussian around the model's probabilities, with the correlations phi:

    known labels o, others u:   p_u <- p_u + s_u R'_uo R'_oo^-1 (y_o - p_o) / s_o,   s = sqrt(p (1 - p) + 0.01)

with R' = 0.7 R + 0.3 I, since a relation is an estimate and labels are no Gaussians. The constants were fixed on
other label tables than those of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from obrl.arrays import host_array
from obrl.errors import Metadata, check_labels, metadata
from obrl.labels import Labels, read_labels

FloatArray = npt.NDArray[np.float64]

CONDITION_SHRINKAGE = 0.3
SUSPICION_SHRINKAGE = 0.1
VARIANCE_FLOOR = 0.01
RATE_LIMIT = 1e-3
EXPECTED_LIMIT = 1e-4


def condition(phi: npt.ArrayLike, probabilities: Any, targets: Any, *, observed: Any = None) -> FloatArray:
    """Probabilities of the unknown labels, after looking at the known ones of the same row.

    Args:
        phi: (num_labels, num_labels), the correlations; NaN where undefined, which counts as unrelated.
        probabilities: (rows, num_labels) in [0, 1], a model's, of any framework.
        targets: (rows, num_labels), the known labels; NaN is unknown.
        observed: (rows, num_labels), bool; False marks an unknown label, whatever `targets` holds.

    Returns:
        (rows, num_labels) float64 in [0, 1]; known labels equal their targets.

    Raises:
        TypeError, ValueError: wrong shapes, probabilities or known targets outside [0, 1], or sparse arrays.

    Example:
        >>> phi = np.array([[1.0, 0.8], [0.8, 1.0]])
        >>> condition(phi, [[0.5, 0.5]], [[1, float("nan")]]).round(2)
        array([[1.  , 0.78]])
    """
    p, labels, known = _inputs(phi, probabilities, targets, observed)
    relation = shrunk(phi, CONDITION_SHRINKAGE)
    scale = np.sqrt(p * (1 - p) + VARIANCE_FLOOR)
    z = np.where(known, (labels.targets - p) / scale, 0.0)
    result = p.copy()
    for rows, o, u in _same_known(known):
        if len(o) and len(u):
            weights = np.linalg.solve(relation[np.ix_(o, o)], relation[np.ix_(o, u)])
            result[np.ix_(rows, u)] += scale[np.ix_(rows, u)] * (z[np.ix_(rows, o)] @ weights)
    return np.where(known, labels.targets, np.clip(result, 0.0, 1.0))


def suspicion(
    phi: npt.ArrayLike,
    probabilities: Any,
    targets: Any,
    *,
    observed: Any = None,
    rates: npt.ArrayLike | None = None,
) -> FloatArray:
    """How much each known label contradicts the model and the other labels of its row; wrong ones score high.

    With the precision Q = (0.9 R + 0.1 I)^-1, sigma the labels' standard deviations and u = (y - p) / sigma, the
    residual of a label after its row's other labels is e = sigma (Q u) / diag Q; the score is the cross-entropy of y
    under y - e.

    Args:
        phi: (num_labels, num_labels), the correlations; NaN counts as unrelated.
        probabilities: (rows, num_labels) in [0, 1], a model's that has not memorised these labels.
        targets: (rows, num_labels), the labels to judge; NaN is unknown.
        observed: (rows, num_labels), bool; False marks an unknown label.
        rates: (num_labels,), the share of rows in which each label is present; by default the mean of `targets`.

    Returns:
        (rows, num_labels) float64, at least 0; -inf for unknown labels.

    Raises:
        TypeError, ValueError: as `condition`.
    """
    p, labels, known = _inputs(phi, probabilities, targets, observed)
    share = _rates(labels, known) if rates is None else check_rates(rates, p.shape[1])
    sigma = np.sqrt(share * (1 - share))
    precision = np.linalg.inv(shrunk(phi, SUSPICION_SHRINKAGE))
    u = np.where(known, (labels.targets - p) / sigma, 0.0)
    residual = sigma * (u @ precision) / precision.diagonal()
    expected = np.clip(labels.targets - residual, EXPECTED_LIMIT, 1 - EXPECTED_LIMIT)
    y = labels.targets
    score = -(y * np.log(expected) + (1 - y) * np.log1p(-expected))
    return np.where(known, score, -np.inf)


def query_scores(phi: npt.ArrayLike, probabilities: Any, targets: Any, *, observed: Any = None) -> FloatArray:
    """Which unknown label of each row an annotator should be asked next: the one with the highest score.

    The score of label j is sum_u rho_uj^2 p_u (1 - p_u) over the unknown labels u, with p and the correlations rho
    conditioned on the known labels: by how much the row's Bernoulli variance is expected to fall.

    Args:
        phi: (num_labels, num_labels), the correlations; NaN counts as unrelated.
        probabilities: (rows, num_labels) in [0, 1], a model's.
        targets: (rows, num_labels), the known labels; NaN is unknown.
        observed: (rows, num_labels), bool; False marks an unknown label.

    Returns:
        (rows, num_labels) float64; -inf for known labels.

    Raises:
        TypeError, ValueError: as `condition`.
    """
    p = condition(phi, probabilities, targets, observed=observed)
    _, _, known = _inputs(phi, probabilities, targets, observed)
    relation = shrunk(phi, CONDITION_SHRINKAGE)
    scores = np.full(p.shape, -np.inf)
    for rows, o, u in _same_known(known):
        if len(u):
            across = relation[np.ix_(u, o)]
            covariance = relation[np.ix_(u, u)] - across @ np.linalg.solve(relation[np.ix_(o, o)], across.T)
            deviation = np.sqrt(covariance.diagonal())
            correlation = covariance / np.outer(deviation, deviation)
            variance = p[np.ix_(rows, u)] * (1 - p[np.ix_(rows, u)])
            scores[np.ix_(rows, u)] = variance @ correlation**2
    return scores


def shrunk(phi: npt.ArrayLike, shrinkage: float) -> FloatArray:
    """The correlations as a positive definite matrix with a unit diagonal, shrunk towards no relation.

    Args:
        phi: (num_labels, num_labels); undefined entries count as 0. Correlations of pairs that were estimated one by
            one may be no correlation matrix, so negative eigenvalues are set to 0 first.
        shrinkage: the share of the identity matrix, above 0.
    """
    matrix = np.nan_to_num(np.asarray(phi, np.float64), nan=0.0)
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    deviation = np.sqrt(np.maximum(clipped.diagonal(), 0.0))
    deviation[deviation < 1e-9] = 1.0  # a constant label stands alone
    clipped /= np.outer(deviation, deviation)
    np.fill_diagonal(clipped, 1.0)
    return (1 - shrinkage) * clipped + shrinkage * np.eye(len(clipped))


def check_rates(rates: npt.ArrayLike, num_labels: int) -> FloatArray:
    """Rates, clipped away from 0 and 1; raises ValueError for another shape or values outside [0, 1]."""
    share = np.asarray(rates, np.float64)
    if share.shape != (num_labels,):
        raise ValueError(f"rates must have shape (num_labels,) = ({num_labels},), got {share.shape}")
    known = share[~np.isnan(share)]
    if known.size and not (known.min() >= 0 and known.max() <= 1):
        raise ValueError(f"rates must lie in [0, 1], got values from {known.min():g} to {known.max():g}")
    return np.clip(np.nan_to_num(share, nan=0.0), RATE_LIMIT, 1 - RATE_LIMIT)


def check_probabilities(probabilities: Metadata, targets: Metadata) -> None:
    """Raise TypeError unless probabilities are numbers, and ValueError unless they have the shape of the targets."""
    if probabilities.shape != targets.shape:
        raise ValueError(f"probabilities must have the shape of targets, {targets.shape}, got {probabilities.shape}")
    if probabilities.kind not in ("bool", "int", "float"):
        raise TypeError(f"probabilities must be numbers, got {probabilities.dtype}")


def check_probability_range(low: float, high: float) -> None:
    """Raise ValueError unless probabilities, from `low` to `high`, lie in [0, 1]; both are NaN where one of them is."""
    if not (low >= 0 and high <= 1):
        came = "NaN" if low != low else f"values from {low:g} to {high:g}"
        raise ValueError(f"probabilities must lie in [0, 1], got {came}; apply the sigmoid to logits")


def _inputs(
    phi: npt.ArrayLike, probabilities: Any, targets: Any, observed: Any
) -> tuple[FloatArray, Labels, npt.NDArray[np.bool_]]:
    """Checked probabilities and labels in float64, and which labels are known."""
    num_labels = len(np.asarray(phi))
    y = host_array("targets", targets)
    mask = None if observed is None else host_array("observed", observed)
    if isinstance(y, np.ma.MaskedArray):
        known = ~np.ma.getmaskarray(y)
        mask = known if mask is None else mask & known
        y = y.filled(0)
    check_labels(metadata(y), None if mask is None else metadata(mask), num_labels=num_labels)
    p = host_array("probabilities", probabilities)
    check_probabilities(metadata(p), metadata(y))
    p = p.astype(np.float64)
    if p.size:
        check_probability_range(float(p.min()), float(p.max()))
    labels = read_labels(y, mask)
    known = np.ones(y.shape, bool) if labels.observed is None else labels.observed
    return p, Labels(labels.targets.astype(np.float64), labels.positive, labels.observed), known


def _rates(labels: Labels, known: npt.NDArray[np.bool_]) -> FloatArray:
    total = known.sum(axis=0)
    ones = np.where(known, labels.targets, 0.0).sum(axis=0)
    return check_rates(np.divide(ones, total, out=np.zeros(len(total)), where=total > 0), len(total))


def _same_known(
    known: npt.NDArray[np.bool_],
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Rows with the same known labels: their numbers, the known labels and the others."""
    if not len(known):
        return
    packed, inverse = np.unique(np.packbits(known, axis=1), axis=0, return_inverse=True)
    order = np.argsort(inverse.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(inverse.reshape(-1), minlength=len(packed)))
    for rows in np.split(order, ends[:-1]):
        pattern = known[rows[0]]
        yield rows, np.flatnonzero(pattern), np.flatnonzero(~pattern)
