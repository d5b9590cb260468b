"""When the relation moves, and what a training loop may do."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss
from tests.support.tolerances import assert_close, band
from tests.torch.tensors import values

KINDS = (OBRLoss, RelationLoss)
TARGETS = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
OTHER = 1 - TARGETS.flip(1)
LOGITS = torch.tensor([[2.0, 1, -1], [-1, 0.5, 1], [0, 3, 0.25], [-2, -1, 1], [1, 1, 1]])


def weight(criterion: Any) -> float:
    return float(criterion.relation_weight.max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize(
    ("update", "freeze"), [(None, False), (True, False), (False, False), (None, True), (False, True)]
)
def test_when_it_moves(kind: Any, training: bool, grad: bool, update: bool | None, freeze: bool) -> None:
    criterion = kind(3).train(training)
    criterion.freeze = freeze
    with torch.set_grad_enabled(grad):
        criterion(LOGITS, TARGETS, update=update)
    moves = (training and grad and not freeze) if update is None else update
    assert weight(criterion) == float(moves)
    assert bool(criterion.relation_sum.any()) is moves


def test_inference_mode_is_validation() -> None:
    criterion = OBRLoss(3)
    with torch.inference_mode():
        criterion(LOGITS, OTHER)
    assert weight(criterion) == 0
    criterion(LOGITS, TARGETS)
    assert weight(criterion) == 1
    with torch.no_grad():  # the relation is used there
        assert criterion.terms(LOGITS, OTHER).relation_loss > 0


def test_backward_after_a_later_update() -> None:
    """The gradient is that of the relation that the forward pass used."""
    criterion, reference = OBRLoss(3, alpha=5.0), OBRLoss(3, alpha=5.0)
    x, y = (LOGITS.clone().requires_grad_() for _ in range(2))
    loss = criterion(x, TARGETS)
    for _ in range(5):
        criterion(LOGITS, OTHER)
    loss.backward()
    reference(y, TARGETS).backward()
    assert torch.equal(x.grad, y.grad)  # type: ignore[arg-type]


def test_gradient_accumulation() -> None:
    """The relation moves once a micro-batch; the gradients add up to that of the same micro-batches' sum."""
    criterion = OBRLoss(3, reduction="sum")
    x = LOGITS.clone().requires_grad_()
    parts = []
    for rows in (slice(0, 2), slice(2, 5)):
        twin = copy.deepcopy(criterion)
        y = LOGITS.clone().requires_grad_()
        twin(y[rows], TARGETS[rows]).backward()
        parts.append(y.grad)
        criterion(x[rows], TARGETS[rows]).backward()
    assert weight(criterion) == pytest.approx(1 + 0.99, rel=0, abs=float(band(2, 1.0, "float32")))
    assert_close("gradient", values(x.grad), values(parts[0] + parts[1]), 0.0)  # type: ignore[arg-type,operator]


def train(seed: int, steps: int = 12) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    criterion = OBRLoss(3, alpha=5.0, decay=0.9)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(steps):
        inputs = torch.randn(8, 6)
        targets = (inputs[:, :3] + 0.1 * step > 0).int()
        targets[:, 1] = targets[:, 0]
        optimizer.zero_grad()
        criterion(net(inputs), targets).backward()
        optimizer.step()
    assert len(criterion.pairs()) > 0
    return [*net.parameters(), *criterion.buffers()]


def test_two_runs_are_bit_equal() -> None:
    first, second, other = train(0), train(0), train(1)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("logits_dtype", [torch.float32, torch.bfloat16])
def test_autocast_is_off_inside(dtype: torch.dtype, logits_dtype: torch.dtype) -> None:
    targets = torch.cat([TARGETS] * 60).float()  # counts beyond what bfloat16 holds
    scores = torch.cat([LOGITS] * 60).to(logits_dtype)
    outside, inside = OBRLoss(3, decay=0.9), OBRLoss(3, decay=0.9)
    results = []
    for criterion, enabled in ((outside, False), (inside, True)):
        x = scores.clone().requires_grad_()
        with torch.autocast("cpu", dtype=dtype, enabled=enabled):
            loss = criterion(x, targets)
        loss.backward()
        assert loss.dtype == torch.float32
        assert x.grad is not None
        assert x.grad.dtype == logits_dtype
        results.append((loss, x.grad, criterion.relation_sum, criterion.relation_weight))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_autocast_around_a_bare_relation() -> None:
    targets = torch.cat([TARGETS] * 200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = OnlineBatchRelation(3, estimator="counts").update(targets)
    outside = OnlineBatchRelation(3, estimator="counts").update(targets)
    assert torch.equal(inside.relation_sum, outside.relation_sum)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("impl", ["auto", "plain"])
def test_logits_of_any_size(dtype: torch.dtype, impl: str) -> None:
    largest = torch.finfo(dtype).max / 64
    criterion = OBRLoss(3, impl=impl, pos_weight=[0.5, 1, 2], reduction="none")
    criterion(LOGITS, TARGETS)
    for values_of_row in ([largest, -largest, 0.0], [-largest, largest, 1.0], [largest] * 3, [-largest] * 3):
        x = torch.tensor([values_of_row], dtype=dtype, requires_grad=True)
        for targets in (TARGETS[:1], OTHER[:1], TARGETS[:1].float().fill_(0.5)):
            terms = criterion.terms(x, targets, update=False)
            assert all(term.isfinite().all() for term in terms)
            (gradient,) = torch.autograd.grad(terms.total.sum(), x)
            assert gradient.isfinite().all()
