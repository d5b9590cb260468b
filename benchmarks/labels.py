"""Labels for benchmarks: random, but with a chosen share of strongly related pairs."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

FLIP = 0.03
"""How often a label differs from its factor; two labels of one factor have phi = (1 - 2 FLIP)^2 = 0.88."""

LABEL_KINDS = {"correlated": 0.1, "sparse": 0.0026}
"""Kinds of labels, and the share of all pairs that each sign of relation takes up.

`sparse` is the share of active pairs in CelebA under the default settings: 2 of 780 in each sign.
"""


@dataclass(frozen=True)
class Blocks:
    """How many blocks of related labels there are, and how many labels follow or oppose a block's factor."""

    count: int
    follow: int
    oppose: int

    @property
    def together(self) -> int:
        """Number of pairs related positively: both follow, or both oppose, one factor."""
        return self.count * (comb(self.follow, 2) + comb(self.oppose, 2))

    @property
    def apart(self) -> int:
        """Number of pairs related negatively."""
        return self.count * self.follow * self.oppose


def plan_blocks(num_labels: int, share: float, *, counts: tuple[int, ...] = (1, 2)) -> Blocks:
    """Choose blocks that bring the share of related pairs of each sign as near to `share` as they can.

    Args:
        num_labels: M, at least 1.
        share: of all M (M - 1) / 2 pairs, for each sign, in [0, 0.25].
        counts: the numbers of blocks to try.

    Example:
        >>> blocks = plan_blocks(40, 0.1)
        >>> blocks.together / 780, blocks.apart / 780
        (0.09743589743589744, 0.09871794871794871)
    """
    if num_labels < 1:
        raise ValueError(f"num_labels must be at least 1, got {num_labels}")
    if not 0 <= share <= 0.25:
        raise ValueError(f"share must be in [0, 0.25], got {share}")
    target = share * num_labels * (num_labels - 1) / 2
    least, best = np.inf, Blocks(counts[0], 0, 0)
    for count in counts:
        for follow in range(num_labels // count + 1):
            oppose = np.arange(min(follow, num_labels // count - follow) + 1)
            together = count * (comb(follow, 2) + oppose * (oppose - 1) // 2)
            distance = abs(together - target) + abs(count * follow * oppose - target)
            at = int(distance.argmin())
            if distance[at] < least:
                least, best = distance[at], Blocks(count, follow, at)
    return best


def draw_targets(rows: int, num_labels: int, *, share: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw 0/1 targets (rows, num_labels) in which about `share` of the pairs are related, in each sign.

    Each block of labels has a hidden factor, a fair coin a row. Some of its labels follow the factor and the
    others its opposite, all with a small flip rate: phi is 0.88 or -0.88 within a block and 0 elsewhere.
    Labels outside the blocks are independent, with rates between 0.2 and 0.5. The order of the columns and
    the rates come from seed 0, so that every call draws from the same population.
    """
    blocks = plan_blocks(num_labels, share)
    population = np.random.default_rng(0)
    columns = population.permutation(num_labels)
    rates = population.uniform(0.2, 0.5, num_labels)
    targets = rng.random((rows, num_labels)) < rates
    size = blocks.follow + blocks.oppose
    for block in range(blocks.count):
        members = columns[block * size : (block + 1) * size]
        factor = rng.random((rows, 1)) < 0.5
        opposes = np.arange(size) >= blocks.follow
        targets[:, members] = factor ^ opposes ^ (rng.random((rows, size)) < FLIP)
    return targets.astype(np.float32)


def active_share(
    relation: NDArray[np.floating], *, positive_threshold: float = 0.8, negative_threshold: float = 0.2
) -> tuple[float, float]:
    """The shares of the pairs i < j with a relation at or above r_p, and at or below r_n (NaN is neither)."""
    pairs = relation[np.triu_indices(relation.shape[0], k=1)]
    if pairs.size == 0:
        return 0.0, 0.0
    together = (pairs >= positive_threshold).mean()
    apart = (pairs <= negative_threshold).mean()
    return float(together), float(apart)
