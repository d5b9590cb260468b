"""A logistic curve for each label from an expectation to a probability, learnt from counts in bins."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BINS = 64
STEPS = 40
PRIOR_ENTRIES = 1.0
"""The curve is drawn towards the prior one as by so many entries a label."""
SMALLEST = 1e-6


class Curves:
    """Counts entries in 64 bins a label, and fits a logistic curve to each.

    The bins hold how many entries fall into them, how many of these are present, and the sum of their inputs, so that
    a bin stands for the mean of its inputs.

    Args:
        num_labels: M.
        low, high: the range of the bins; inputs outside fall into the outermost bins.
        prior: intercept and slope of the curve of a label without entries.

    Example:
        >>> curves = Curves(1)
        >>> x = np.linspace(0, 1, 2000)[:, None]
        >>> curves.add(x, (x > 0.5).astype(float), np.ones(x.shape, bool))
        >>> curves.fit().probability(np.array([[0.1], [0.5], [0.9]])).round(1)
        array([[0. ],
               [0.5],
               [1. ]])
    """

    def __init__(
        self, num_labels: int, *, low: float = -0.25, high: float = 1.25, prior: tuple[float, float] = (-2.0, 4.0)
    ) -> None:
        self.low, self.high = low, high
        self._prior = np.array(prior)
        self.entries, self.present, self.inputs = (np.zeros((num_labels, BINS)) for _ in range(3))
        self.intercepts = np.full(num_labels, self._prior[0])
        self.slopes = np.full(num_labels, self._prior[1])

    def add(self, inputs: FloatArray, values: FloatArray, counted: npt.NDArray[np.bool_]) -> None:
        """Count entries.

        Args:
            inputs: (rows, num_labels).
            values: (rows, num_labels), 0 or 1.
            counted: (rows, num_labels), which entries count.
        """
        shape = self.entries.shape
        x = np.clip(inputs[counted], self.low, self.high)
        position = np.minimum((x - self.low) * (BINS / (self.high - self.low)), BINS - 1).astype(np.int64)
        position += np.nonzero(counted)[1] * BINS
        for total, weights in ((self.entries, None), (self.present, values[counted]), (self.inputs, x)):
            total += np.bincount(position, weights, minlength=total.size).reshape(shape)

    def fit(self) -> Curves:
        """Fit the curves to the entries so far by Newton's method, and return self."""
        x, weight = self._means(), self.entries
        theta = np.repeat(self._prior[None], len(weight), axis=0)
        design = np.stack([np.ones_like(x), x], axis=-1)
        penalty = np.diag([PRIOR_ENTRIES * 0.25, PRIOR_ENTRIES * 0.25])
        for _ in range(STEPS):
            p = logistic((design @ theta[:, :, None])[..., 0])
            gradient = ((self.present - weight * p)[..., None] * design).sum(1) - (theta - self._prior) @ penalty
            curvature = np.einsum("mb,mbi,mbj->mij", weight * p * (1 - p), design, design) + penalty
            step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
            length = np.abs(step).max(axis=1, keepdims=True)
            theta += step * np.minimum(1.0, 2.0 / np.maximum(length, 1e-12))  # a full step may overshoot at first
            if length.max(initial=0.0) < 1e-8:
                break
        self.intercepts, self.slopes = theta.T.copy()
        return self

    def probability(self, inputs: FloatArray, labels: npt.NDArray[np.intp] | slice = slice(None)) -> FloatArray:
        """The fitted curves at inputs whose last axis runs over `labels`, by default all."""
        x = np.clip(inputs, self.low, self.high)
        return np.clip(logistic(self.intercepts[labels] + self.slopes[labels] * x), SMALLEST, 1 - SMALLEST)

    def log_loss(self, other: Curves) -> tuple[float, float]:
        """The sum of the log-loss of these curves over the entries that `other` has counted, and their number."""
        p = self.probability(other._means().T).T
        loss = -(other.present * np.log(p) + (other.entries - other.present) * np.log1p(-p))
        return float(loss.sum()), float(other.entries.sum())

    def _means(self) -> FloatArray:
        middle = self.low + (np.arange(BINS) + 0.5) * ((self.high - self.low) / BINS)
        means = np.broadcast_to(middle, self.entries.shape).copy()
        return np.divide(self.inputs, self.entries, out=means, where=self.entries > 0)


def logistic(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), without overflow."""
    result: FloatArray = 0.5 * (1 + np.tanh(0.5 * x))
    return result
