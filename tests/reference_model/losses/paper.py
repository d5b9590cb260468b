"""Wen et al.'s formulas as loops in float64, and five batches with repeated labels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.tolerances import band

CLASSES = 7
EMBEDDING = 5
ROWS = 12
BATCHES = 5
WEIGHT = 0.3
RATE = 0.5

Array = NDArray[Any]


class Batch(NamedTuple):
    """Labels (ROWS,), embeddings (ROWS, EMBEDDING) and logits (ROWS, CLASSES), float32."""

    labels: Array
    embeddings: Array
    logits: Array


def batches() -> list[Batch]:
    """Five batches; classes 0 to 4 are repeated within them, class 6 never comes."""
    generator = np.random.default_rng(5)
    return [
        Batch(
            generator.choice(6, size=ROWS, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]),
            generator.normal(size=(ROWS, EMBEDDING)).astype(np.float32),
            generator.normal(size=(ROWS, CLASSES)).astype(np.float32),
        )
        for _ in range(BATCHES)
    ]


class Step(NamedTuple):
    """What the paper's formulas give for a batch, in float64."""

    total: float
    cross_entropy: float
    center_loss: float
    embedding_gradient: Array
    logit_gradient: Array
    centers: Array


def paper_steps(stream: list[Batch]) -> list[Step]:
    """Run the formulas over the batches, centres starting at zero."""
    centers = np.zeros((CLASSES, EMBEDDING))
    steps = []
    for batch in stream:
        x, z = batch.embeddings.astype(np.float64), batch.logits.astype(np.float64)
        m = len(x)
        softmax_loss = center_loss = 0.0
        embedding_gradient, logit_gradient = np.zeros_like(x), np.zeros_like(z)
        for i, y in enumerate(batch.labels):
            softmax_loss -= z[i, y] - np.log(np.exp(z[i]).sum())
            center_loss += ((x[i] - centers[y]) ** 2).sum() / 2  # Eq. 2
            embedding_gradient[i] = WEIGHT * (x[i] - centers[y]) / m  # Eq. 3
            logit_gradient[i] = (np.exp(z[i]) / np.exp(z[i]).sum() - np.eye(CLASSES)[y]) / m
        moved = centers.copy()
        for j in range(CLASSES):
            members = [i for i in range(m) if batch.labels[i] == j]
            delta = sum((centers[j] - x[i] for i in members), np.zeros(EMBEDDING)) / (1 + len(members))  # Eq. 4
            moved[j] = centers[j] - RATE * delta
        total = (softmax_loss + WEIGHT * center_loss) / m  # Eq. 5
        centers = moved
        steps.append(Step(total, softmax_loss / m, center_loss / m, embedding_gradient, logit_gradient, centers.copy()))
    return steps


def value_bound() -> Any:
    """Rounding of a mean over the batch of sums over the embedding and the classes, in float32."""
    largest = 4.0**2 * EMBEDDING + 4.0 * CLASSES
    return band(ROWS * (EMBEDDING + CLASSES), largest, "float32")


def gradient_bound() -> Any:
    """Rounding of one entry of a gradient."""
    return band(CLASSES, 4.0 / ROWS, "float32")


def center_bound() -> Any:
    """Rounding of a centre after five steps."""
    return band(BATCHES * ROWS, 4.0, "float32")
