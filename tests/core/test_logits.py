"""Logits that are probabilities are noticed, and few others are."""

import warnings

import numpy as np
import pytest

from obrl import OBRLoss
from obrl.logits import LEAST_ENTRIES, warn_of_probabilities

RNG = np.random.default_rng(0)
PROBABILITIES = RNG.uniform(0.01, 0.99, (32, 4))


def told(logits):
    """What is said of logits."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_probabilities(logits)
    return [str(warning.message) for warning in caught]


def test_probabilities_are_noticed_and_the_remedy_is_named():
    (message,) = told(PROBABILITIES)
    assert message.startswith("all logits of a batch lie in [0, 1]")
    assert message.endswith("pass the values before the sigmoid, since the loss applies it")


def test_targets_in_the_place_of_logits_are_noticed():
    (message,) = told(PROBABILITIES.round())
    assert message.startswith("all logits of a batch are 0 or 1, as targets are: the order is (logits, targets)")


def test_other_batches_are_told_of_once_at_the_line_of_the_caller():
    criterion = OBRLoss(4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for scale in (1, 0.9, 0.8):
            criterion(scale * PROBABILITIES, np.ones((32, 4)))
    (warning,) = caught
    assert warning.filename == __file__


@pytest.mark.parametrize(
    "logits",
    [
        RNG.standard_normal((32, 4)),
        np.zeros((32, 4)),
        np.full((32, 4), 0.3),
        np.full((32, 4), np.nan),
        PROBABILITIES[: LEAST_ENTRIES // 4 - 1],
        np.vstack([PROBABILITIES, [[0.1, 0.2, 0.3, 1.01]]]),
        np.vstack([PROBABILITIES, [[0.1, 0.2, 0.3, -0.01]]]),
        np.zeros((0, 4)),
    ],
    ids=["logits", "an untrained model", "a constant", "NaN", "too few", "one above 1", "one below 0", "no row"],
)
def test_others_are_not(logits):
    assert told(logits) == []


class FirstRow(np.ndarray):
    """An array that fails where more than its first row is read."""

    def min(self, *arguments, **options):
        raise AssertionError("values after the first row were read")


def test_the_first_row_nearly_always_decides():
    assert told(RNG.standard_normal((10_000, 40)).view(FirstRow)) == []
    with pytest.raises(AssertionError, match="after the first row"):
        told(PROBABILITIES.view(FirstRow))


def test_the_loss_warns_before_anything_moves():
    criterion = OBRLoss(4)
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="before the sigmoid"):
        warnings.simplefilter("error")
        criterion(PROBABILITIES, np.ones((32, 4)))
    assert not criterion.relation_weight.any()
