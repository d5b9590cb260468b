"""How near results of a table in pieces must be to those of one process."""

from __future__ import annotations

import numpy as np

from obrl.mining.accumulate import TableCounts

MOST_DIFFERENCE = 1e-12
"""Of a relation with decay or of batches; counts must be the same."""


def assert_same_counts(counts: TableCounts, expected: TableCounts) -> None:
    """Bit for bit, the parts of the jackknife included."""
    assert counts.rows == expected.rows and counts.grouped == expected.grouped
    assert counts.num_groups == expected.num_groups
    for field, other in zip(counts.counts, expected.counts, strict=True):
        assert field.dtype == other.dtype == np.int64 and np.array_equal(field, other)
    assert (counts.groups is None) == (expected.groups is None)
    if counts.groups is not None and expected.groups is not None:
        for field, other in zip(counts.groups, expected.groups, strict=True):
            assert np.array_equal(field, other)
