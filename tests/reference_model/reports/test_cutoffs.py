"""Cut-offs that make a figure largest, against trying every one."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.reports.cutoffs import CUTOFF_METRICS, calibrate_cutoffs, choose_cutoffs, figures_at


def draw(seed: int, rows: int, *, levels: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """One attribute whose probabilities say something of the labels, in steps if asked for, and both classes."""
    generator = torch.Generator().manual_seed(seed)
    targets = (torch.rand(rows, 1, generator=generator) < 0.3).double()
    targets[0], targets[1] = 0.0, 1.0
    probabilities = (torch.randn(rows, 1, generator=generator).double() + targets - 0.7).sigmoid()
    return (probabilities if levels is None else (probabilities * levels).round() / levels), targets


@given(seed=st.integers(0, 10_000), rows=st.integers(2, 40), levels=st.sampled_from([None, 1, 4]))
@pytest.mark.parametrize("metric", CUTOFF_METRICS)
def test_no_other_cutoff_is_better(metric: str, seed: int, rows: int, levels: int | None) -> None:
    probabilities, targets = draw(seed, rows, levels=levels)
    cutoff = choose_cutoffs(probabilities, targets, metric)
    assert 0 <= cutoff <= 1
    reached = figures_at(cutoff, probabilities, targets)[metric]
    tried = [0.0, 0.5, 1.1, *probabilities.flatten().tolist(), *(probabilities.flatten() + 1e-9).tolist()]
    values = [figures_at(torch.tensor([other], dtype=torch.float64), probabilities, targets)[metric] for other in tried]
    # Without any prediction of 1 among the probabilities, calling nothing present is one of the choices.
    best = max(value for other, value in zip(tried, values, strict=True) if other <= 1 or probabilities.max() < 1)
    assert reached == pytest.approx(best, abs=1e-9)


def test_one_half_stays_where_nothing_is_better() -> None:
    probabilities = torch.tensor([[0.1, 0.1], [0.45, 0.3], [0.52, 0.4], [0.9, 0.45]], dtype=torch.float64)
    targets = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    for metric in CUTOFF_METRICS:
        assert choose_cutoffs(probabilities, targets, metric).tolist() == [0.5, pytest.approx(0.35)]


def test_of_equally_good_cutoffs_the_one_nearest_to_one_half_is_chosen() -> None:
    # For accuracy, calling nothing present is as good as calling the first two present.
    probabilities = torch.tensor([[0.3], [0.2], [0.1], [0.05]], dtype=torch.float64)
    assert choose_cutoffs(probabilities, torch.tensor([[0.0], [1.0], [0.0], [0.0]]), "accuracy").item() == 0.5


def test_labels_of_one_kind_say_nothing() -> None:
    probabilities = torch.tensor([[0.9, 0.2, math.nan], [0.8, 0.1, 0.5]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 0.0, 1.0], [1.0, math.nan, 0.0]])
    assert choose_cutoffs(probabilities, targets, "f1").tolist() == [0.5, 0.5, 0.5]


def test_an_unknown_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy, f1, balanced; got 'recall'"):
        choose_cutoffs(torch.zeros(1, 1), torch.zeros(1, 1), "recall")


def test_what_is_saved_with_the_weights() -> None:
    probabilities, targets = (torch.cat(parts, dim=1) for parts in zip(draw(0, 50), draw(1, 50), strict=True))
    saved = calibrate_cutoffs(probabilities.logit(), targets)
    assert saved["pictures"] == 50
    assert saved["cutoffs"].keys() == set(CUTOFF_METRICS) and all(len(row) == 2 for row in saved["cutoffs"].values())
    figures = saved["figures"]
    assert figures.keys() == {"half", *CUTOFF_METRICS}
    for metric in CUTOFF_METRICS:
        assert figures[metric][metric] == max(row[metric] for row in figures.values())
