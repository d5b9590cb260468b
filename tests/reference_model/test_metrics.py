"""Accuracy, balanced accuracy and F1 against torchmetrics and against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    binary_average_precision,
    multilabel_accuracy,
    multilabel_f1_score,
    multilabel_recall,
    multilabel_specificity,
)

from reference_model.metrics import LabelCounts, average_precision, nanmean
from reference_model.reports.attributes import majority_accuracy, prediction_report
from tests.reference_model.compare import assert_rounded


def draw(seed: int, rows: int, labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, labels, generator=generator)
    return logits, torch.randint(0, 2, (rows, labels), generator=generator).float()


def counted(logits: torch.Tensor, targets: torch.Tensor) -> LabelCounts:
    counts = LabelCounts(logits.shape[1])
    for start in range(0, len(logits), 7):
        counts.update(logits[start : start + 7], targets[start : start + 7])
    return counts


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 40), labels=st.integers(2, 6))
def test_figures_are_those_of_torchmetrics(seed: int, rows: int, labels: int) -> None:
    logits, targets = draw(seed, rows, labels)
    targets[0], targets[1] = 0.0, 1.0  # both classes, so that every figure is defined
    counts = counted(logits, targets)
    predicted, known = (logits >= 0).int(), targets.int()
    options = {"num_labels": labels, "average": "none"}
    accuracy = multilabel_accuracy(predicted, known, **options)  # type: ignore[arg-type]
    recall = multilabel_recall(predicted, known, **options)  # type: ignore[arg-type]
    specificity = multilabel_specificity(predicted, known, **options)  # type: ignore[arg-type]
    f1 = multilabel_f1_score(predicted, known, **options)  # type: ignore[arg-type]
    assert_rounded("accuracy", counts.accuracy().float(), accuracy, terms=1)
    assert_rounded("balanced", counts.balanced_accuracy().float(), (recall + specificity) / 2, terms=2)
    assert_rounded("f1", counts.f1().float(), f1, terms=1)


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_missing_labels_count_nowhere(seed: int, share: float) -> None:
    logits, targets = draw(seed, 30, 3)
    missing = torch.rand(targets.shape, generator=torch.Generator().manual_seed(seed)) < share
    counts = counted(logits, torch.where(missing, math.nan, targets))
    for label in range(3):
        present = ~missing[:, label]
        alone = counted(logits[present][:, [label]], targets[present][:, [label]])
        assert torch.equal(counts.counts[:, label], alone.counts[:, 0])


def test_a_class_that_was_not_seen_leaves_figures_undefined() -> None:
    counts = counted(torch.tensor([[-1.0], [-2.0]]), torch.zeros(2, 1))
    assert counts.accuracy().tolist() == [1.0]
    assert counts.balanced_accuracy().isnan().all()
    assert counts.f1().isnan().all()
    assert math.isnan(nanmean(counts.f1()))
    assert nanmean(torch.tensor([math.nan, 2.0, 4.0])) == 3.0


@given(seed=st.integers(0, 10_000), share=st.floats(0, 1))
def test_predictions_that_are_nan_are_unusable_and_never_absent(seed: int, share: float) -> None:
    logits, targets = draw(seed, 30, 3)
    broken = torch.rand(targets.shape, generator=torch.Generator().manual_seed(seed)) < share
    targets[0, 0] = math.nan  # a missing label is not a prediction's fault
    counts = counted(torch.where(broken, math.nan, logits), targets)
    # The same as if those labels were missing.
    assert torch.equal(counts.counts, counted(logits, torch.where(broken, math.nan, targets)).counts)
    assert torch.equal(counts.unusable, (broken & ~targets.isnan()).sum(0))
    counts.reset()
    assert not counts.counts.any() and not counts.unusable.any()


def test_a_net_that_predicts_nothing_has_no_figures() -> None:
    names, groups, rates = ["a", "b"], {"both": (0, 1)}, torch.tensor([0.25, 0.75])
    counts = counted(torch.full((4, 2), math.nan), torch.zeros(4, 2))
    report = prediction_report(counts, names, groups, rates, torch.full((2,), math.nan))
    assert report["unusable_predictions"] == 8
    figures = ("accuracy", "balanced_accuracy", "f1", "average_precision")
    assert all(math.isnan(report[f"mean_{figure}"]) for figure in figures)


def test_a_probability_of_one_half_is_positive() -> None:
    assert counted(torch.zeros(1, 1), torch.ones(1, 1)).counts.flatten().tolist() == [1, 0, 0, 0]


def test_majority_is_that_of_the_training_partition() -> None:
    _, targets = draw(0, 10, 2)
    targets[:, 0] = torch.tensor([1.0] * 7 + [0.0] * 3)
    targets[:, 1] = torch.tensor([1.0] * 7 + [0.0] * 3)
    counts = counted(torch.zeros(10, 2), targets)
    baseline = majority_accuracy(counts, torch.tensor([0.9, 0.1], dtype=torch.float64))
    assert baseline.tolist() == [0.7, 0.3]


def test_an_attribute_without_a_training_label_has_no_baseline() -> None:
    counts = counted(torch.zeros(10, 2), torch.ones(10, 2))
    baseline = majority_accuracy(counts, torch.tensor([math.nan, 0.9], dtype=torch.float64))
    assert math.isnan(baseline[0])
    assert baseline[1] == 1.0


def test_report_counts_by_hand() -> None:
    logits = torch.tensor([[2.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], [-3.0, -1.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, math.nan], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    report = prediction_report(
        counted(logits, targets),
        ["a", "b", "c"],
        {"left": (0, 2), "right": (1,)},
        torch.tensor([0.5, 0.2, 0.7]),
        average_precision(logits, targets),
    )
    assert report["attributes"]["a"] == {
        "group": "left",
        "accuracy": 0.5,
        "balanced_accuracy": 0.5,
        "f1": 0.5,
        "average_precision": pytest.approx((1 + 2 / 3) / 2),
        "majority_accuracy": 0.5,
        "support": {"positive": 2, "negative": 2},
    }
    assert report["attributes"]["b"]["accuracy"] == 1.0
    assert report["attributes"]["c"]["support"] == {"positive": 2, "negative": 1}
    assert report["groups"]["left"]["attributes"] == ["a", "c"]
    assert report["groups"]["left"]["accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert report["mean_accuracy"] == pytest.approx((1 / 2 + 1 + 2 / 3) / 3)
    assert report["attributes"]["b"]["average_precision"] == 1.0
    assert report["mean_average_precision"] == pytest.approx(
        np.mean([report["attributes"][name]["average_precision"] for name in "abc"])
    )


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 60), levels=st.integers(1, 20), share=st.floats(0, 1))
def test_average_precision_is_that_of_torchmetrics(seed: int, rows: int, levels: int, share: float) -> None:
    logits, targets = draw(seed, rows, 3)
    scores = (logits.sigmoid() * levels).round() / levels  # with ties
    targets[0] = 1.0
    missing = torch.rand(targets.shape, generator=torch.Generator().manual_seed(seed)) < share
    missing[0] = False
    ours = average_precision(scores, torch.where(missing, math.nan, targets))
    for label in range(3):
        present = ~missing[:, label]
        theirs = binary_average_precision(scores[present, label], targets[present, label].int())
        assert_rounded("average precision", ours[label].float(), theirs, terms=rows)


def test_average_precision_counts_neither_missing_labels_nor_scores_that_are_nan() -> None:
    scores = torch.tensor([[0.9, 0.9], [math.nan, 0.8], [0.4, 0.7], [0.2, 0.1]])
    targets = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, math.nan], [math.nan, 0.0]])
    precision = average_precision(scores, targets)
    assert precision[0] == 0.5
    assert precision[1].isnan(), "no label is 1"
    assert average_precision(torch.empty(0, 2), torch.empty(0, 2)).isnan().all()
