"""The order of the labels, against SciPy's average linkage."""

import itertools

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from obrl.report.clustering import clustered_order


def random_phi(size, seed):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(size, 4))
    return np.corrcoef(factors @ factors.T + 0.3 * rng.normal(size=(size, size)))


@pytest.mark.parametrize(("size", "seed"), [(2, 0), (9, 1), (40, 2), (150, 3)])
def test_clusters_of_average_linkage_stand_together(size, seed):
    phi = random_phi(size, seed)
    phi = (phi + phi.T) / 2
    order = clustered_order(phi)
    assert sorted(order.tolist()) == list(range(size))
    tree = linkage(squareform(1 - phi, checks=False), "average")
    for clusters in range(1, size + 1, max(1, size // 12)):
        membership = fcluster(tree, clusters, "maxclust")[order]
        assert len(list(itertools.groupby(membership))) == len(set(membership))


def test_undefined_pairs_and_equal_distances_end():
    phi = np.full((6, 6), np.nan)
    assert sorted(clustered_order(phi).tolist()) == list(range(6))
    assert sorted(clustered_order(np.ones((5, 5))).tolist()) == list(range(5))
    assert clustered_order(np.ones((1, 1))).tolist() == [0]


def test_a_thousand_labels_take_seconds():
    assert len(clustered_order(random_phi(1_000, 4))) == 1_000
