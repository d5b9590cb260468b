"""The active pairs that are kept from step to step on a CPU, and the labels that are left out of the products."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.memory import peak_extra_bytes
from obrl.algebra import PairLaplacians
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.torch import OBRLoss, RelationLoss
from obrl_torch import host, selection
from tests.support import strategies
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import values

LABELS = 7
ALPHA = 40.0


def related(**settings: object) -> OBRLoss:
    """A loss in which the first two labels go together, the third goes against them, and no other is related."""
    criterion = OBRLoss(LABELS, alpha=ALPHA, **settings)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(2, (200, LABELS), generator=generator).float()
    targets[:, 1], targets[:, 2] = targets[:, 0], 1 - targets[:, 0]
    criterion(torch.zeros(200, LABELS), targets)
    criterion.freeze = True
    return criterion


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, LABELS, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(2, (5, LABELS), generator=generator).float()


def kept(criterion: OBRLoss, dtype: torch.dtype = torch.float64) -> PairLaplacians:
    """What the criterion works with."""
    views = host.state_arrays(RelationState(criterion.relation_sum, criterion.relation_weight))
    assert views is not None
    made = criterion._selection.laplacians(views, criterion.settings, dtype)
    for tensor, array in zip(made.tensors, made.arrays, strict=True):
        if isinstance(tensor, torch.Tensor):
            assert np.may_share_memory(tensor.numpy(), array) or not array.size
    return made.tensors


def test_only_the_labels_with_an_active_pair_are_multiplied() -> None:
    made = kept(related())
    assert made.mixed.shape == made.negative.shape == (3, 3)
    assert made.columns is not None
    assert_exact("columns", values(made.columns.take(torch.arange(7.0)[None])), [[0.0, 1.0, 2.0]])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("normalization", ["all_pairs", "active_pairs"])
def test_the_labels_that_are_left_out_change_nothing(
    normalization: str, reduction: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for share in (1.0, -1.0):
        monkeypatch.setattr(selection, "MOST_COLUMNS", share)
        criterion = related(normalization=normalization, reduction=reduction)
        assert (kept(criterion).columns is None) is (share < 0)
        logits, targets = batch()
        terms = criterion.terms(logits, targets)
        (gradient,) = torch.autograd.grad(terms.total.sum(), logits, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), logits)
        found.append([*terms, gradient, second])
    for few, whole in zip(*found, strict=True):
        assert_close("left out", values(few), values(whole), band(LABELS**2, ALPHA * values(whole.abs()).max()))


def test_a_label_related_one_way_alone_is_active() -> None:
    targets = torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0]])
    criterion = OBRLoss(4, measure="conditional", positive_threshold=0.9, negative_threshold=-1.0)
    criterion(torch.zeros(4, 4), targets)  # P(0 | i) = 1 for i of 1, 2 and 3, and P(i | 0) = 1/3
    made = kept(criterion)
    assert_exact("L_A", values(made.mixed), [[1.5, -0.5, -0.5, -0.5], *([-0.5, *row] for row in torch.eye(3) / 2)])


@pytest.mark.parametrize("measure", strategies.MEASURES)
@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
def test_blocks_select_what_the_whole_selects(estimator: str, measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "COMPARED_ELEMENTS", 2 * LABELS)
    monkeypatch.setattr(selection, "MOST_COLUMNS", -1.0)
    thresholds = {"positive_threshold": 0.7, "negative_threshold": 0.1}
    criterion = related(estimator=estimator, measure=measure, **thresholds).double()
    views = RelationState(criterion.relation_sum.numpy(), criterion.relation_weight.numpy())
    like = views.relation_weight
    expected = state_laplacians(NUMPY, views, criterion.settings, num_labels=LABELS, like=like)
    found = kept(criterion)
    for name in ("mixed", "negative", "negative_total", "scale"):
        assert_exact(name, *(values(torch.as_tensor(getattr(made, name))) for made in (found, expected)))


@pytest.mark.parametrize("elements", [host.COMPARED_ELEMENTS, 2 * LABELS])
def test_they_are_kept_until_they_change(elements: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "COMPARED_ELEMENTS", elements)
    criterion = related()
    first = kept(criterion)
    assert kept(criterion) is first
    assert kept(criterion, torch.float32) is not first
    first = kept(criterion)
    criterion.relation_sum[0, 1] = criterion.relation_sum[1, 0] = 0.5 * criterion.relation_weight[0, 1]
    assert kept(criterion).negative_total == first.negative_total
    assert kept(criterion).mixed[0, 1] != first.mixed[0, 1]
    criterion.settings = replace(criterion.settings, normalization="active_pairs")
    assert kept(criterion).scale != first.scale
    criterion.reset()
    assert kept(criterion).mixed.numel() == 0


def test_a_step_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "COMPARED_ELEMENTS", 2 * LABELS)
    criterion = related()
    first = kept(criterion)
    criterion.relation_sum[0, 1] = criterion.relation_sum[1, 0] = 0.5 * criterion.relation_weight[0, 1]
    with monkeypatch.context() as patch:
        patch.delattr(selection, "pair_laplacians")
        with pytest.raises(NameError):
            kept(criterion)
    assert kept(criterion).mixed[0, 1] != first.mixed[0, 1]


def test_nothing_is_kept_on_another_device() -> None:
    criterion = related()
    kept(criterion)
    criterion.to("meta")
    assert criterion._selection._last is None


def test_a_label_that_is_left_out_changes_nothing_not_even_by_a_nan() -> None:
    criterion = RelationLoss(LABELS, relation=related().to_numpy(), freeze=True)
    logits = batch()[0].detach()
    expected = criterion(logits, batch()[1])
    logits[0, LABELS - 1] = torch.nan
    logits.requires_grad_()
    found = criterion(logits, batch()[1])
    (gradient,) = torch.autograd.grad(found, logits)
    assert_exact("loss", values(found), values(expected))
    assert_exact("gradient", values(gradient[:, -1]), [0.0] * 5)


def test_memory_is_that_of_matrices() -> None:
    rows, labels = 64, 600
    criterion = OBRLoss(labels)
    logits, targets = torch.zeros(rows, labels, requires_grad=True), torch.eye(rows, labels)
    assert 0 < peak_extra_bytes(lambda: criterion(logits, targets).backward()) < 4 * rows * labels**2 / 2


def test_no_active_pair() -> None:
    criterion = OBRLoss(LABELS)
    logits, targets = batch()
    terms = criterion.terms(logits, targets, update=False)
    assert terms.relation_loss == 0
    (gradient,) = torch.autograd.grad(terms.relation_loss, logits)
    assert not gradient.any()


def test_what_inference_mode_kept_serves_training() -> None:
    criterion = related()
    logits, targets = batch()
    with torch.inference_mode():
        criterion(logits.detach(), targets)
    (gradient,) = torch.autograd.grad(criterion(logits, targets), logits, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), logits)[0].any()


def test_copies_start_with_nothing_kept() -> None:
    criterion = related()
    kept(criterion)
    for other in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):  # noqa: S301
        assert other._selection._last is None
        logits, targets = batch()
        assert_exact("loss", values(other(logits, targets)), values(criterion(logits, targets)))
