"""Transforms of torch.func, forward-mode differentiation, tracing, and what else looks at every operation."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss, relation_loss
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import values

IMPLS = pytest.mark.parametrize("impl", ["auto", "plain"])
ALL_IMPLS = pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
KINDS = pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
NAMES = ("relation_sum", "relation_weight")
TARGETS = torch.tensor([[1.0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
LOGITS = torch.tensor([[2.0, 1, -1], [-1, 0.5, 1], [0, 3, 0.25], [-2, -1, 1], [1, 1, 1]], dtype=torch.float64)
# torch's own warning, of forward mode
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


def gradient(criterion: Any, update: bool | None) -> Tensor:
    x = LOGITS.clone().requires_grad_()
    return torch.autograd.grad(criterion(x, TARGETS, update=update), x)[0]


def assert_same_state(first: Any, second: Any) -> None:
    for name in NAMES:
        assert_exact(name, values(getattr(first, name)), values(getattr(second, name)))


@IMPLS
@KINDS
@pytest.mark.parametrize("update", [None, False])
def test_grad(kind: Any, impl: str, update: bool | None) -> None:
    """It moves the relation as eager mode does, also where the targets are made inside."""
    eager, transformed = kind(3, impl=impl), kind(3, impl=impl)
    expected = values(gradient(eager, update))
    result = torch.func.grad(lambda x: transformed(x, 1 - (1 - TARGETS), update=update))(LOGITS)
    assert_close("gradient", values(result), expected, band(9, 1.0))
    assert_same_state(transformed, eager)
    assert bool(transformed.relation_weight.any()) is (update is None)


@IMPLS
def test_jvp_and_dual_numbers(impl: str) -> None:
    criterion = OBRLoss(3, impl=impl, alpha=5.0)
    slope = values(gradient(criterion, None)).sum()
    tangent = torch.ones_like(LOGITS)

    def loss(x: Tensor) -> Tensor:
        return criterion(x, TARGETS, update=False)

    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(loss(forward_ad.make_dual(LOGITS, tangent))).tangent
    for result in (dual, torch.func.jvp(loss, (LOGITS,), (tangent,))[1]):
        assert result is not None
        assert_close("slope", values(result), slope, band(LOGITS.numel(), 10.0))


@IMPLS
def test_hessian(impl: str) -> None:
    criterion = OBRLoss(3, impl=impl, alpha=5.0)
    criterion(LOGITS, TARGETS)
    x = LOGITS.clone().requires_grad_()
    (slope,) = torch.autograd.grad(criterion(x, TARGETS, update=False), x, create_graph=True)
    (expected,) = torch.autograd.grad(slope.sum(), x)
    result = torch.func.hessian(lambda x: criterion(x, TARGETS, update=False))(LOGITS)
    assert_close("second derivative", values(result.sum(dim=(0, 1))), values(expected), band(9, 100.0))


@IMPLS
def test_vmap(impl: str) -> None:
    """Over logits the relation moves once; over targets it cannot move, and does not."""
    criterion, once = OBRLoss(3, impl=impl), OBRLoss(3, impl=impl)
    expected = once(LOGITS, TARGETS)
    both = torch.stack([LOGITS, LOGITS])
    losses = torch.func.vmap(lambda x: criterion(x, TARGETS))(both)
    assert_close("loss", values(losses), values(expected.expand(2)), band(9, 5.0))
    assert_same_state(criterion, once)

    def loss(x: Tensor, y: Tensor, update: bool | None = None) -> Tensor:
        return criterion(x, y, update=update)

    targets = torch.stack([TARGETS, 1 - TARGETS])
    with pytest.raises(ValueError, match=r"cannot move under torch.func.vmap over targets: pass update=False"):
        torch.func.vmap(loss)(both, targets)
    assert_same_state(criterion, once)
    losses = torch.func.vmap(lambda x, y: loss(x, y, update=False))(both, targets)
    each = torch.stack([once(LOGITS, y, update=False) for y in targets])
    assert_close("losses", values(losses), values(each), band(9, 5.0))


def test_a_relation_by_itself() -> None:
    inside, outside = OnlineBatchRelation(3), OnlineBatchRelation(3).update(TARGETS)

    def loss(x: Tensor) -> Tensor:
        return (x * inside.update(TARGETS).relation).sum()

    slope = torch.func.grad(loss)(torch.ones(3, 3))
    assert_exact("gradient", values(slope), values(outside.relation))
    assert_same_state(inside, outside)
    with pytest.raises(ValueError, match=r"cannot move under torch\.func\.vmap"):
        torch.func.vmap(lambda y: inside.update(y).relation)(torch.stack([TARGETS, TARGETS]))
    assert_same_state(inside, outside)


@IMPLS
def test_states_can_be_batched(impl: str) -> None:
    """By `functional_call`, each with targets of its own."""
    criterion = OBRLoss(3, impl=impl)
    criterion(LOGITS, TARGETS)
    state = {name: torch.stack([buffer, buffer]) for name, buffer in criterion.named_buffers()}

    def step(state: dict[str, Tensor], y: Tensor) -> Tensor:
        copies = {name: buffer.clone() for name, buffer in state.items()}
        loss = functional_call(criterion, copies, (LOGITS, y))
        return torch.stack([loss, copies["relation_sum"].sum()])

    both = torch.stack([TARGETS, 1 - TARGETS])
    for result, y in zip(torch.func.vmap(step)(state, both), both, strict=True):
        expected = step(dict(criterion.named_buffers()), y)
        assert_close("one run", values(result), values(expected), band(9, 20.0, "float32"))


@IMPLS
def test_the_stateless_loss(impl: str) -> None:
    relation = torch.eye(3)
    x = LOGITS.clone().requires_grad_()
    (expected,) = torch.autograd.grad(relation_loss(x, relation), x)
    result = torch.func.grad(lambda x: relation_loss(x, relation, impl=impl))(LOGITS)
    assert_close("gradient", values(result), values(expected), band(9, 1.0))


def test_a_traced_graph_reads_the_state_it_is_run_with() -> None:
    criterion = OBRLoss(3, alpha=40.0, validate=False)
    traced = make_fx(
        lambda x, *state: functional_call(
            criterion, dict(zip(NAMES, state, strict=True)), (x, TARGETS), {"update": False}
        )
    )
    empty = [getattr(criterion, name) for name in NAMES]
    graph = traced(LOGITS, *empty)
    criterion(LOGITS, TARGETS)
    state = [getattr(criterion, name) for name in NAMES]
    expected = criterion(LOGITS, TARGETS, update=False)
    assert_close("loss", values(graph(LOGITS, *state)), values(expected), band(9, 50.0))


@ALL_IMPLS
def test_autograd_knows_that_the_state_has_moved(impl: str) -> None:
    """Else a gradient that needs the state of before would be wrong."""
    criterion = OBRLoss(3, impl=impl)
    x = LOGITS.clone().requires_grad_()
    for buffer in (criterion.relation_sum, criterion.relation_weight):
        product = (x[:3] * buffer).sum()
        criterion(x, TARGETS)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()


def test_a_state_that_overlaps_itself_is_refused() -> None:
    """One number for all pairs would be written once for each."""
    relation = OnlineBatchRelation(3)
    number = torch.zeros(()).expand(3, 3)
    relation.load_state_dict({"relation_sum": number, "relation_weight": number}, assign=True)
    with pytest.raises(RuntimeError, match="single memory location"):
        relation.update(TARGETS)


@ALL_IMPLS
@pytest.mark.parametrize("update", [True, False])
def test_another_default_device_changes_nothing(impl: str, update: bool) -> None:
    criterion = OBRLoss(3, pos_weight=[1.0, 2.0, 3.0], impl=impl)
    expected = copy.deepcopy(criterion)(LOGITS, TARGETS, update=update)
    with torch.device("meta"):
        assert torch.equal(criterion(LOGITS, TARGETS, update=update), expected)
