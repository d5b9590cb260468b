"""Labels whose meaning was turned round are named, and others are not."""

from __future__ import annotations

import numpy as np
import pytest

from obrl.mining import compare
from obrl.mining.changes.drift import comparison_drift
from obrl.mining.changes.inversion import inversions
from tests.mining.test_compare import drawn, mined


@pytest.mark.parametrize("turned", [[2], [0, 3], [1, 2, 4]])
def test_labels_that_were_turned_round_are_named(turned: list[int]) -> None:
    a, b = drawn(4_000, 0, labels=8), drawn(4_000, 1, labels=8)
    b[:, turned] = 1 - b[:, turned]
    result = compare(mined(a, None), mined(b, None))
    assert [each.label for each in result.inverted] == turned
    assert all(each.turned == each.pairs == 8 - len(turned) for each in result.inverted)
    for label in turned:
        words = (
            f"label “{label}”: all its {8 - len(turned)} clear pairs with labels that kept their meaning changed sign"
        )
        assert words in str(result)
    assert f"pairs changed (q <= 0.05): {len(turned) * (8 - len(turned))} changed sign\n" in str(result)
    assert "its meaning may have been inverted" in comparison_drift(result).note
    touched = np.isin(result.i, turned) ^ np.isin(result.j, turned)
    assert np.array_equal(result.changed(), touched)


def test_one_pair_that_changed_sign_names_no_label() -> None:
    agreement = np.ones((4, 4))
    agreement[0, 1] = agreement[1, 0] = -1
    assert inversions(agreement) == ()
    assert inversions(np.array([[0, -1], [-1, 0.0]])) == ()
    assert inversions(np.zeros((3, 3))) == ()


def test_some_of_the_pairs_of_a_label_that_was_turned_round() -> None:
    """One of the five clear pairs of the first label stays, and it has pairs that are not clear at all."""
    a = np.column_stack([drawn(4_000, 0, labels=6), np.random.default_rng(9).random((4_000, 2)) < 0.5])
    b = a.copy()
    b[:, 0] = 1 - b[:, 0]
    b[:, 5] = np.where(np.random.default_rng(8).random(4_000) < 0.4, b[:, 0], b[:, 1])
    words = "label “0”: 4 of its 5 clear pairs with labels that kept their meaning changed sign"
    assert words in str(compare(mined(a, None), mined(b, None)))
