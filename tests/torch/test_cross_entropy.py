"""A function in place of Eq. 4 in torch: second derivatives, compiled graphs, autocast, transforms, modules, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from obrl.torch import OBRLoss
from obrl_torch.namespace import TORCH
from tests.support.other_losses import functions
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import values
from tests.torch.test_autograd import REDUCTIONS, TARGETS, WEIGHT, logits

FUNCTIONS = functions(TORCH, torch.log)
OBSERVED = torch.arange(20).reshape(5, 4) % 6 != 4
# The compiler of torch, and its forward mode, use what torch has deprecated.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
]


def bce(x: Tensor, y: Tensor) -> Tensor:
    """At the top of a module, where pickle finds it."""
    return nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")


class Focal(nn.Module):
    """A loss with a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        loss = bce(x, y)
        return (1 - torch.exp(-loss)) ** self.gamma * loss


def trained(impl: str, **settings: Any) -> OBRLoss:
    subject = OBRLoss(4, impl=impl, alpha=3.0, **settings)
    subject(logits(), TARGETS)
    assert len(subject.pairs()) == 3
    return subject.eval()


@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
@pytest.mark.parametrize("name", ["focal", "asymmetric"])
@REDUCTIONS
def test_derivatives(name: str, reduction: str, impl: str) -> None:
    """Of each term, to the second order, with missing targets and weights."""
    subject = trained(impl, reduction=reduction, cross_entropy=FUNCTIONS[name])

    def terms(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(subject.terms(x, TARGETS, observed=OBSERVED, sample_weight=WEIGHT))

    x = logits().detach().clamp(-2, 2).requires_grad_()  # away from the kink of the asymmetric loss
    assert torch.autograd.gradcheck(terms, x)
    assert torch.autograd.gradgradcheck(terms, x)


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_one_graph(impl: str) -> None:
    torch._dynamo.reset()
    eager, subject = (OBRLoss(4, alpha=3.0, impl=impl, cross_entropy=FUNCTIONS["focal"]) for _ in range(2))
    compiled = torch.compile(subject, fullgraph=True)
    x, other = logits(), logits()
    expected, loss = eager(x, TARGETS, observed=OBSERVED), compiled(other, TARGETS, observed=OBSERVED)
    expected.backward()
    loss.backward()
    assert_close("L", values(loss), values(expected), band(20, 9.0))
    assert x.grad is not None and other.grad is not None
    assert_close("gradient", values(other.grad), values(x.grad), band(20, 9.0))
    assert_exact("state", values(subject.relation_sum), values(eager.relation_sum))


def test_metadata_of_the_result_is_checked_while_tracing() -> None:
    torch._dynamo.reset()
    subject = OBRLoss(4, cross_entropy=lambda x, y: bce(x, y).sum(1))
    with pytest.raises(Exception, match="losses of shape"):
        torch.compile(subject, fullgraph=True, backend="eager")(logits(), TARGETS)
    assert not subject.relation_weight.any()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, y: 1.0, TypeError, "cross_entropy must return the loss of each label, .* got float"),
        (lambda x, y: None, TypeError, "got NoneType: it ends without `return`"),
        (
            lambda x, y: bce(x, y).half(),
            TypeError,
            "that it gets, torch.float64, got torch.float16",
        ),
        (lambda x, y: bce(x, y).to("meta"), ValueError, "on the device of the logits, cpu, got meta"),
    ],
)
def test_what_a_function_must_return(function: Any, error: type[Exception], message: str) -> None:
    subject = OBRLoss(4, cross_entropy=function)
    with pytest.raises(error, match=message):
        subject(logits(), TARGETS)
    assert not subject.relation_weight.any()


def test_half_precision_and_autocast() -> None:
    """The function gets float32, with autocast off; the gradient comes in the dtype of the logits."""
    dtypes = []

    def spy(x: Tensor, y: Tensor) -> Tensor:
        dtypes.extend([x.dtype, y.dtype, (x @ x.T).dtype])
        return bce(x, y)

    x = logits().detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = OBRLoss(4, cross_entropy=spy)(x, TARGETS)
    loss.backward()
    assert dtypes == [torch.float32] * 3
    assert loss.dtype == torch.float32 and x.grad is not None and x.grad.dtype == torch.bfloat16


def test_under_transforms() -> None:
    subject = trained("auto", cross_entropy=FUNCTIONS["focal"])

    def loss(x: Tensor) -> Tensor:
        return subject(x, TARGETS, observed=OBSERVED)

    x = logits()
    (expected,) = torch.autograd.grad(loss(x), x)
    assert_close("grad", values(torch.func.grad(loss)(x.detach())), values(expected), band(20, 9.0))
    _, tangent = torch.func.jvp(loss, (x.detach(),), (torch.ones_like(x),))
    assert_close("jvp", values(tangent), values(expected).sum(), band(20, 9.0))


def test_a_module_is_a_part_of_the_criterion() -> None:
    """Its parameters are trained, are in state_dict, and move with it."""
    subject = OBRLoss(4, cross_entropy=Focal())
    assert "cross_entropy.gamma" in subject.state_dict()
    subject(logits(), TARGETS).backward()
    (gamma,) = subject.parameters()
    assert gamma.grad is not None and gamma.grad != 0
    assert next(subject.double().parameters()).dtype == torch.float64
    assert "cross_entropy=Focal" in repr(subject)


def test_copies() -> None:
    for function in (bce, Focal()):
        subject = OBRLoss(4, cross_entropy=function, ignore_index=-1)
        subject(logits(), TARGETS)
        for other in (copy.deepcopy(subject), pickle.loads(pickle.dumps(subject))):  # noqa: S301
            assert other.ignore_index == -1
            x = logits()
            assert_exact("L", values(other(x, TARGETS)), values(copy.deepcopy(subject)(x, TARGETS)))
    assert copy.deepcopy(OBRLoss(4, cross_entropy=bce)).cross_entropy is bce
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(OBRLoss(4, cross_entropy=lambda x, y: bce(x, y)))


def test_ignored_targets_without_reading_values() -> None:
    """In a graph, and with validate=False, where 1 and -1 cannot be told from labels with gaps."""
    signs = 2 * TARGETS - 1
    subject = OBRLoss(4, ignore_index=-1, validate=False)
    subject(logits(), signs)
    reference = OBRLoss(4)
    reference(logits(), TARGETS, observed=signs != -1)
    assert_exact("the relation", values(subject.relation_sum), values(reference.relation_sum))
    compiled = torch.compile(OBRLoss(4, ignore_index=-1), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match="targets must be integers"):
        compiled(logits(), signs.double())


def test_a_monitor_sees_no_batch_that_is_refused() -> None:
    for settings, targets in (({"cross_entropy": lambda x, y: x.sum()}, TARGETS), ({}, TARGETS - 1)):
        subject, seen = OBRLoss(4, **settings), []
        subject._see = seen.append
        with pytest.raises(ValueError):
            subject(logits(), targets)
        assert seen == []
        assert not subject.relation_weight.any()
        subject.cross_entropy = "bce"
        subject(logits(), TARGETS)
        assert len(seen) == 1


def test_a_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"got the class Focal: give an object of it .* Focal\(reduction=\"none\"\)"):
        OBRLoss(4, cross_entropy=Focal)
