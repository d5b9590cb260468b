"""Pairs of values that labels all but exclude, and how often predictions hold them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import RunConfig
from reference_model.data.catalogue import AttributeLabels, Catalogue
from reference_model.data.sampling import sample_training_labels, sample_training_rows
from reference_model.reports.attributes import describe_implausible, implausible_report
from reference_model.reports.implausible import (
    MAX_SHARE,
    MIN_EXPECTED,
    ImplausiblePair,
    flag_implausible,
    implausible_pairs,
    implausible_rate,
    pairs_from_plain,
    plain_pairs,
)
from reference_model.stages.attributes import attribute_targets
from tests.reference_model.stages.pictures import colour_catalogue

Labels = npt.NDArray[np.float64]


def counted_by_hand(labels: Labels) -> set[tuple[int, int, int, float, int]]:
    """The definition as loops over pictures."""
    pairs = set()
    for i in range(labels.shape[1]):
        for j in range(labels.shape[1]):
            for value in (0, 1):
                if i == j or (value == 1 and j < i):
                    continue
                rows = [(row[i], row[j]) for row in labels if not (math.isnan(row[i]) or math.isnan(row[j]))]
                first = sum(a >= 0.5 for a, _ in rows)
                second = sum((b >= 0.5) == bool(value) for _, b in rows)
                both = sum(a >= 0.5 and (b >= 0.5) == bool(value) for a, b in rows)
                expected = first * second / len(rows) if rows else math.nan
                if expected >= MIN_EXPECTED and both <= MAX_SHARE * expected:
                    pairs.add((i, j, value, round(expected, 9), both))
    return pairs


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_pairs_are_those_of_loops_over_the_pictures(missing: float) -> None:
    generator = np.random.default_rng(0)
    latent = generator.normal(size=(400, 1)) + 0.15 * generator.normal(size=(400, 6))
    labels = (latent * np.array([1, 1, -1, 1, -1, 1]) > np.array([0.0, 0.5, 0.2, -0.4, 0.9, 0.0])).astype(np.float64)
    labels[generator.random(labels.shape) < missing] = math.nan
    pairs = implausible_pairs(labels)
    assert len(pairs) > 5 and {pair.second_value for pair in pairs} == {0, 1}
    assert {(*pair[:3], round(pair.expected, 9), pair.observed) for pair in pairs} == counted_by_hand(labels)
    assert [pair.expected for pair in pairs] == sorted((pair.expected for pair in pairs), reverse=True)


def rows(*counts: tuple[int, float, float]) -> Labels:
    return np.concatenate([np.full((count, 2), (first, second)) for count, first, second in counts])


def test_the_two_thresholds_are_part_of_the_range() -> None:
    # 40 of 80 have the first, 40 have the second: 20 are expected to have both, and 2 may.
    assert implausible_pairs(rows((2, 1, 1), (38, 1, 0), (38, 0, 1), (2, 0, 0))) == (ImplausiblePair(0, 1, 1, 20.0, 2),)
    assert implausible_pairs(rows((3, 1, 1), (37, 1, 0), (37, 0, 1), (3, 0, 0))) == ()
    assert implausible_pairs(rows((1, 1, 1), (37, 1, 0), (37, 0, 1), (1, 0, 0))) == ()


def test_labels_that_never_occur_together_exclude_nothing() -> None:
    labels = np.concatenate([rows((100, 1, math.nan)), rows((100, math.nan, 1))])
    assert implausible_pairs(labels) == ()
    assert implausible_pairs(np.empty((0, 3))) == ()


def test_flags_and_rate() -> None:
    pairs = (ImplausiblePair(0, 1, 0, 25.0, 0), ImplausiblePair(1, 2, 1, 25.0, 0))
    predicted = [[0.9, 0.2, 0.9], [0.9, 0.5, 0.5], [0.9, math.nan, 0.9], [0.1, 0.9, 0.1]]
    assert flag_implausible(predicted, pairs).tolist() == [
        [True, False],
        [False, True],
        [False, False],
        [False, False],
    ]
    assert implausible_rate(predicted, pairs) == 0.5
    assert implausible_rate(torch.tensor(predicted), pairs) == 0.5
    assert implausible_rate(predicted, ()) == 0.0
    assert math.isnan(implausible_rate(np.empty((0, 3)), pairs))


def test_pairs_in_words_and_in_plain_values() -> None:
    pairs = (ImplausiblePair(0, 1, 0, 25.0, 0), ImplausiblePair(1, 2, 1, 24.5, 2))
    names = ["Goatee", "Male", "Bangs"]
    assert [pair.describe(names) for pair in pairs] == ["Goatee without Male", "Male with Bangs"]
    assert pairs_from_plain(plain_pairs(pairs)) == pairs


def test_the_report_has_both_rates() -> None:
    logits = torch.tensor([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [0.0, -1e-9]])
    targets = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, math.nan], [0.0, 0.0]])
    report = implausible_report(logits, targets, ["Goatee", "Male"], [ImplausiblePair(0, 1, 0, 25.0, 1)])
    assert report == {
        "pairs": [{"attributes": ["Goatee", "Male"], "values": [1, 0], "expected": 25.0, "observed": 1}],
        "rate_predicted": 0.5,
        "rate_labels": 0.25,
    }
    (sentence,) = describe_implausible(report)
    assert (
        sentence.startswith("1 pair of values") and "50.00 % of the predictions, in 25.00 % of the labels" in sentence
    )


def test_reports_of_earlier_versions_say_nothing_of_them() -> None:
    assert describe_implausible(None) == []
    none = implausible_report(torch.zeros(2, 2), torch.zeros(2, 2), ["a", "b"], [])
    assert describe_implausible(none) == [] and math.isnan(none["rate_predicted"])


def test_the_pairs_are_counted_in_the_training_partition_alone() -> None:
    values = rows((40, 1, 0), (40, 0, 1), (100, 1, 1)).astype(np.float32)
    split = ["train"] * 80 + ["test"] * 50 + ["valid"] * 50
    labels = AttributeLabels(("a", "b"), values)
    catalogue = colour_catalogue({"attributes": labels}, brightness=[0.5] * 180, split=split)
    targets = attribute_targets(replace(catalogue, data="table"), RunConfig())
    assert targets.details["implausible_pairs"] == plain_pairs([ImplausiblePair(0, 1, 1, 20.0, 0)])


@pytest.mark.parametrize("paper", [False, True])
def test_the_pairs_are_those_of_all_training_labels_whatever_part_is_trained_on(paper: bool) -> None:
    values = rows((40, 1, 0), (40, 0, 1), (20, 1, 1)).astype(np.float32)
    names = ("a", "b")
    if paper:  # its attributes are brought into another order
        names = CELEBA_ATTRIBUTES[::-1]
        values = np.concatenate([values, np.zeros((100, 38), dtype=np.float32)], axis=1)
    whole = colour_catalogue(
        {"attributes": AttributeLabels(names, values)}, brightness=[0.5] * 100, split=["train"] * 80 + ["test"] * 20
    )
    whole = replace(whole, data="celeba" if paper else "table")

    def pairs(catalogue: Catalogue) -> list[dict[str, object]]:
        stored: list[dict[str, object]] = attribute_targets(catalogue, RunConfig()).details["implausible_pairs"]
        return stored

    every = pairs(whole)
    assert every
    assert [pair["expected"] for pair in every] == [20.0]
    few = sample_training_rows(whole, 10, seed=0)
    for part in (few, sample_training_labels(whole, 0.1, seed=0), sample_training_labels(few, 0.5, seed=0)):
        assert pairs(part) == every
    rates = attribute_targets(few, RunConfig()).details["train_rates"]
    assert rates != attribute_targets(whole, RunConfig()).details["train_rates"]
