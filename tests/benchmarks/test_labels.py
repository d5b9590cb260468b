"""The label generator draws what it promises, and the share of active pairs is counted as Eq. 3 does."""

import numpy as np
import pytest

from benchmarks.labels import LABEL_KINDS, Blocks, active_share, draw_targets, plan_blocks


def unit_pearson(targets):
    return (1 + np.corrcoef(targets.T)) / 2


@pytest.mark.parametrize("num_labels", [40, 312, 1000])
@pytest.mark.parametrize(("kind", "least", "most"), [("correlated", 0.09, 0.11), ("sparse", 0, 0.005)])
def test_each_kind_of_labels_has_its_share_of_active_pairs_in_each_sign(kind, least, most, num_labels):
    targets = draw_targets(4000, num_labels, share=LABEL_KINDS[kind], rng=np.random.default_rng(3))
    together, apart = active_share(unit_pearson(targets))
    assert least < together < most
    assert least < apart < most


def test_the_drawn_pairs_are_those_of_the_plan():
    num_labels = 40
    blocks = plan_blocks(num_labels, 0.1)
    targets = draw_targets(20000, num_labels, share=0.1, rng=np.random.default_rng(0))
    pairs = num_labels * (num_labels - 1) // 2
    together, apart = active_share(unit_pearson(targets))
    assert round(together * pairs) == blocks.together
    assert round(apart * pairs) == blocks.apart


def test_targets_are_zero_or_one_float32_and_follow_the_seed():
    first, again, other = (draw_targets(50, 12, share=0.1, rng=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.dtype == np.float32
    assert first.shape == (50, 12)
    assert set(np.unique(first)) == {0.0, 1.0}
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(("num_labels", "share"), [(0, 0.1), (40, -0.1), (40, 0.3)])
def test_impossible_plans_are_refused(num_labels, share):
    with pytest.raises(ValueError, match="must be"):
        plan_blocks(num_labels, share)


def test_active_share_counts_thresholds_inclusively_and_nan_as_neither():
    relation = np.array([[1, 0.8, 0.2, np.nan], [0.8, 1, 0.5, 0.79], [0.2, 0.5, 1, 0.21], [np.nan, 0.79, 0.21, 1]])
    assert active_share(relation) == (1 / 6, 1 / 6)
    assert active_share(relation, positive_threshold=0.79, negative_threshold=0.21) == (2 / 6, 2 / 6)
    assert active_share(np.ones((1, 1))) == (0.0, 0.0)


@pytest.mark.parametrize("num_labels", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("share", [0.0, 0.0026, 0.1, 0.25])
def test_no_other_blocks_that_fit_are_nearer_to_the_share(num_labels, share):
    def missed(blocks):
        target = share * num_labels * (num_labels - 1) / 2
        return abs(blocks.together - target) + abs(blocks.apart - target)

    others = [
        Blocks(count, follow, oppose)
        for count in (1, 2)
        for follow in range(num_labels + 1)
        for oppose in range(follow + 1)
        if count * (follow + oppose) <= num_labels
    ]
    blocks = plan_blocks(num_labels, share)
    assert blocks in others
    assert missed(blocks) == min(map(missed, others))
