r"""How far to shrink correlations of labels towards none, from pair counts alone.

Schaefer and Strimmer estimate the shrinkage that makes the mean squared error least as

    lambda = sum_{i != j} Var(r_ij) / sum_{i != j} r_ij^2,
    Var(r_ij) = n / (n - 1)^3 sum_k (w_kij - mean w_ij)^2,   w_kij = x_ki x_kj,

with x the standardised labels. A binary label takes two values, hence w_kij four, so the sum over the rows k is one
over the four cells of the pair, which the counts hold.

Source: Schaefer and Strimmer, Statistical Applications in Genetics and Molecular Biology 4 (2005), article 32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from obrl.counts import PairCounts

FloatArray = npt.NDArray[np.float64]
MIN_SHRINKAGE = 1e-6
"""Keeps the matrix invertible where two labels always agree."""


def correlation_variances(counts: PairCounts) -> FloatArray:
    """The variance of each correlation over samples of this size.

    Args:
        counts: of the table, each field (num_labels, num_labels).

    Returns:
        (num_labels, num_labels) float64; NaN where a label is constant among the rows in which both are known, or
        where these are fewer than two.

    Example:
        >>> from obrl import count_pairs
        >>> correlation_variances(count_pairs([[1, 1], [1, 0], [0, 0], [0, 1]])).round(3)
        array([[0.   , 0.333],
               [0.333, 0.   ]])
    """
    n, both, first, second = (np.asarray(field, np.float64) for field in counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = first / n, second / n
        variance_product = p * (1 - p) * q * (1 - q) * (n / (n - 1)) ** 2
        square = (
            both * ((1 - p) * (1 - q)) ** 2
            + (first - both) * ((1 - p) * q) ** 2
            + (second - both) * (p * (1 - q)) ** 2
            + (n - first - second + both) * (p * q) ** 2
        ) / variance_product
        mean = (both / n - p * q) / np.sqrt(variance_product)
        result: FloatArray = n / (n - 1) ** 3 * np.maximum(square - n * mean**2, 0.0)
    result[~((variance_product > 0) & (n >= 2))] = np.nan
    return result


def estimated_shrinkage(phi: npt.ArrayLike, variances: npt.ArrayLike) -> float:
    """The share of the identity matrix that makes the mean squared error of the correlations least.

    Args:
        phi: (num_labels, num_labels); pairs that are NaN here or in `variances` do not count.
        variances: as of `correlation_variances`.

    Returns:
        A number in [`MIN_SHRINKAGE`, 1]; 1 where no pair is defined.
    """
    r, variance = np.array(phi, np.float64), np.asarray(variances, np.float64)
    np.fill_diagonal(r, np.nan)
    defined = ~(np.isnan(r) | np.isnan(variance))
    squares = float((r[defined] ** 2).sum())
    if squares == 0:
        return 1.0
    return float(np.clip(variance[defined].sum() / squares, MIN_SHRINKAGE, 1.0))
