"""Eq. 4 against scipy, the joint loss beside it, and the relation loss's share in both."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from obrl.torch import OBRLoss, relation_loss
from reference_model.config import RelationConfig
from reference_model.losses.influence import InfluenceMeter, measure_shares
from reference_model.losses.joint import CrossEntropyLoss, build_criterion, cross_entropy
from reference_model.reports.attributes import judge_relation_loss, relation_report
from tests.reference_model.compare import assert_rounded

NAMES = [f"label {number}" for number in range(6)]


def draw(seed: int, *, missing: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Six labels of which the first two always agree and the third never does."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(32, 6, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 2, (32, 6), generator=generator).double()
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    is_missing = torch.rand(targets.shape, generator=generator) < missing
    return logits.requires_grad_(), torch.where(is_missing, math.nan, targets)


@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3, 1.0]))
def test_cross_entropy_is_eq_4(seed: int, missing: float) -> None:
    logits, targets = draw(seed, missing=missing)
    x, y = logits.detach().numpy(), targets.numpy()
    terms = special.xlogy(y, special.expit(x)) + special.xlogy(1 - y, special.expit(-x))
    expected = torch.tensor(-np.nansum(terms) / len(x), dtype=torch.float64)
    assert_rounded("Eq. 4", cross_entropy(logits, targets), expected, terms=x.size)


def test_both_losses_have_the_same_cross_entropy() -> None:
    logits, targets = draw(1, missing=0.2)
    alone = build_criterion("ce", RelationConfig(), NAMES).terms(logits, targets)
    joint = build_criterion("obrl", RelationConfig(), NAMES).terms(logits, targets)
    assert_rounded("cross-entropy", joint.cross_entropy, alone.cross_entropy, terms=logits.numel())
    assert float(alone.relation_loss) == 0.0
    assert torch.equal(alone.total.detach(), alone.cross_entropy)
    assert joint.relation_loss.item() > 0


def test_settings_reach_the_loss() -> None:
    changes: dict[str, object] = {"decay": 0.5, "alpha": 3.0, "positive_threshold": 0.7, "negative_threshold": -0.6}
    changes |= {"measure": "pearson", "estimator": "counts", "normalization": "active_pairs"}
    criterion = build_criterion("obrl", RelationConfig(**changes), NAMES)  # type: ignore[arg-type]
    assert isinstance(criterion, OBRLoss)
    for name, value in changes.items():
        assert getattr(criterion.settings, name) == value
    assert tuple(criterion.label_names or ()) == tuple(NAMES)


def test_shares_are_those_of_separate_gradients() -> None:
    logits, targets = draw(2)
    criterion = OBRLoss(6, alpha=0.7)
    terms = criterion.terms(logits, targets)
    in_loss, in_gradient = measure_shares(terms, logits, alpha=0.7)
    free = logits.detach().requires_grad_()
    part = 0.7 * relation_loss(free, criterion.relation)
    (relation_gradient,) = torch.autograd.grad(part, free)
    entropy_gradient = (free.detach().sigmoid() - targets) / len(targets)
    expected = relation_gradient.norm() / (relation_gradient.norm() + entropy_gradient.norm())
    assert 0 < in_gradient < 1
    assert_rounded("gradient", torch.tensor(in_gradient, dtype=torch.float64), expected.detach(), terms=logits.numel())
    whole = float(terms.total.detach())
    assert in_loss == pytest.approx(float(part.detach()) / whole)
    terms.total.backward()
    assert logits.grad is not None, "measuring leaves the graph for the step's own backward pass"


def test_meter_means_and_state() -> None:
    meter = InfluenceMeter()
    assert meter.summary()["share_in_loss"] == {"run": None, "last_epoch": None}
    meter.add(0.5, 0.25)
    meter.end_epoch()
    meter.add(0.0, 0.75)
    meter.add(0.25, 0.5)
    resumed = InfluenceMeter()
    resumed.load_state_dict(meter.state_dict())
    for each in (meter, resumed):
        each.end_epoch()
        each.end_epoch()  # an epoch without a measurement
        summary = each.summary()
        assert summary["share_in_loss"] == {"run": 0.25, "last_epoch": 0.125}
        assert summary["share_in_gradient"] == {"run": 0.5, "last_epoch": 0.625}
        assert summary["measured_batches"] == 3


@pytest.mark.parametrize(
    ("pairs", "share", "active", "words"),
    [
        (0, 0.0, False, "no pair of attributes reaches a threshold"),
        (0, None, False, "no pair of attributes reaches a threshold"),
        (4, 0.0009, False, "inactive: with 4 active pairs it makes 0.090% of the gradient, under 0.1%"),
        (1, 0.0011, True, "active: 1 active pair;"),
        (3, None, True, "active: 3 active pairs."),
    ],
)
def test_the_verdict_in_words(pairs: int, share: float | None, active: bool, words: str) -> None:
    verdict, statement = judge_relation_loss(pairs, share)
    assert verdict == active
    assert words in statement


def test_relation_report_names_the_pairs() -> None:
    logits, targets = draw(3)
    criterion = build_criterion("obrl", RelationConfig(), NAMES)
    criterion.terms(logits, targets)
    meter = InfluenceMeter()
    meter.add(0.1, 0.2)
    report = relation_report(criterion, RelationConfig(), meter.summary(), {"source": "online"})
    assert report["active"]
    named = {(*pair["attributes"], pair["sign"]) for pair in report["active_pairs"]}
    assert named == {
        ("label 0", "label 1", "together"),
        ("label 0", "label 2", "apart"),
        ("label 1", "label 2", "apart"),
    }
    assert report["share_in_gradient"] == {"run": 0.2, "last_epoch": None}
    unused = relation_report(CrossEntropyLoss(), RelationConfig(), meter.summary(), {})
    statement = "No relation loss was used: the model was trained with cross-entropy alone."
    assert unused == {"used": False, "active": False, "statement": statement}
