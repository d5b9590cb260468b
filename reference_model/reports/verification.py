"""Verification of faces: are two pictures of one person? By the cosine of their embeddings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import binary_auroc

MAX_PAIRS = 1_000_000
"""Of each kind; of more, a seeded choice is compared."""

Numbers = npt.NDArray[np.int64]


def verification_pairs(
    person: npt.NDArray[np.integer], *, seed: int, max_pairs: int = MAX_PAIRS
) -> tuple[Numbers, Numbers]:
    """Return all pairs of pictures of one person, and as many of different people.

    Args:
        person: (N,) who is shown; rows with -1 are in no pair.
        seed: Of the choice.
        max_pairs: Of each kind.

    Returns:
        Two arrays (pairs, 2) of rows, the smaller row first, no pair twice. There are fewer pairs of different people
        only where there are no more.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = np.flatnonzero(np.asarray(person) >= 0)
    rows = rows[np.argsort(person[rows], kind="stable")]
    _, starts, sizes = np.unique(person[rows], return_index=True, return_counts=True)
    last = np.cumsum(sizes * (sizes - 1) // 2)  # pairs of a person and of all before
    total = int(last[-1]) if len(last) else 0
    # A draw of a pair that was drawn before is dropped, so there may be a few less than the limit.
    chosen = np.arange(total) if total <= max_pairs else np.unique(generator.integers(0, total, size=max_pairs))
    block = np.searchsorted(last, chosen, side="right")
    places = _triangle(chosen - (last - sizes * (sizes - 1) // 2)[block]) + starts[block][:, np.newaxis]
    same = np.sort(rows[places], axis=1)
    return same, _different_pairs(np.asarray(person), rows, len(same), generator)


def _triangle(number: Numbers) -> Numbers:
    """Return pair number 0, 1, 2 ... of (0, 1), (0, 2), (1, 2), (0, 3) ...: (pairs, 2)."""
    second = ((1 + np.sqrt(1 + 8 * number.astype(np.float64))) // 2).astype(np.int64)
    second -= second * (second - 1) // 2 > number  # where the root was rounded up
    return np.stack([number - second * (second - 1) // 2, second], axis=1)


def _different_pairs(
    person: npt.NDArray[np.integer], rows: Numbers, number: int, generator: np.random.Generator
) -> Numbers:
    count = len(rows)
    _, sizes = np.unique(person[rows], return_counts=True)
    available = (count * (count - 1) - int((sizes * (sizes - 1)).sum())) // 2
    codes = np.zeros(0, dtype=np.int64)
    if available <= 2 * number:  # so few that they can be listed
        first, second = np.triu_indices(count, k=1)
        other = person[rows[first]] != person[rows[second]]
        codes = generator.permutation(first[other] * count + second[other])
    while len(codes) < min(number, available):
        drawn = np.sort(generator.integers(0, count, size=(2 * number, 2)), axis=1)
        other = person[rows[drawn[:, 0]]] != person[rows[drawn[:, 1]]]
        codes = np.concatenate([codes, drawn[other] @ np.array([count, 1])])
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])]
    codes = codes[:number]
    return np.sort(np.stack([rows[codes // max(count, 1)], rows[codes % max(count, 1)]], axis=1), axis=1)


def cosines(embeddings: Tensor, pairs: Numbers) -> Tensor:
    """Return the cosine of the embeddings of every pair.

    Args:
        embeddings: (N, width).
        pairs: (pairs, 2) rows.

    Returns:
        (pairs,) float64.
    """
    unit = functional.normalize(embeddings.double(), dim=1)
    chunks = torch.from_numpy(pairs).split(65536)  # so that memory does not grow with the number of pairs
    parts = [(unit[chunk[:, 0]] * unit[chunk[:, 1]]).sum(dim=1) for chunk in chunks if len(chunk)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def area_under_curve(positive: Tensor, negative: Tensor) -> float:
    """Return the probability that a positive has a higher score than a negative, a tie counting one half.

    Args:
        positive: Scores of the positives, any range.
        negative: Scores of the negatives.

    Returns:
        In [0, 1]; NaN where there are none of one kind.
    """
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    scores = torch.cat([positive, negative])
    # By ranks, which lie in [0, 1]: torchmetrics takes other scores for logits, whose sigmoid would create ties.
    ranks = scores.unique(return_inverse=True)[1].double() / len(scores)
    truth = torch.cat([torch.ones(len(positive), dtype=torch.int64), torch.zeros(len(negative), dtype=torch.int64)])
    return float(binary_auroc(ranks, truth))


def acceptance_rate(same: Tensor, different: Tensor, *, false_rate: float) -> float:
    """Return the true acceptance rate (TAR) at a false acceptance rate (FAR).

    A pair is accepted where its score is above the lowest threshold by which at most ``false_rate`` of the pairs of
    different people are.

    Args:
        same: Scores of pairs of one person.
        different: Scores of pairs of different people.
        false_rate: The FAR, in (0, 1).

    Returns:
        In [0, 1]; NaN where there are too few pairs to measure that rate.
    """
    accepted = int(false_rate * len(different) + 1e-9)
    if len(same) == 0 or accepted < 1:
        return float("nan")
    threshold = different.sort(descending=True).values[min(accepted, len(different) - 1)]
    return float((same > threshold).double().mean())
