"""First and second derivatives, and every way of asking for them."""

from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from obrl.torch import OBRLoss, RelationLoss, relation_loss
from tests.support import strategies
from tests.support.cases import Case
from tests.support.profiles import examples
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import arguments, values

IMPLS = pytest.mark.parametrize("impl", ["auto", "plain"])
REDUCTIONS = pytest.mark.parametrize("reduction", strategies.REDUCTIONS)
TARGETS = torch.tensor([[1, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1]])
WEIGHT = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0], dtype=torch.float64)


def logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 4, generator=generator, dtype=torch.float64).requires_grad_()


def criterion(impl: str, reduction: str = "mean", **settings: Any) -> OBRLoss:
    subject = OBRLoss(4, impl=impl, reduction=reduction, alpha=3.0, pos_weight=[1, 2, 0.5, 1], **settings)
    subject(logits(), TARGETS)
    assert len(subject.pairs()) == 3
    return subject.eval()


@IMPLS
@REDUCTIONS
@pytest.mark.parametrize("normalization", strategies.NORMALIZATIONS)
def test_gradcheck(impl: str, reduction: str, normalization: str) -> None:
    subject = criterion(impl, reduction, normalization=normalization)
    observed = TARGETS.new_ones(TARGETS.shape, dtype=torch.bool)
    observed[0, 0] = False

    def total(x: Tensor) -> Tensor:
        return subject(x, TARGETS, observed=observed, sample_weight=WEIGHT)

    assert torch.autograd.gradcheck(total, logits())
    assert torch.autograd.gradgradcheck(total, logits())


@IMPLS
@REDUCTIONS
def test_gradcheck_of_each_term(impl: str, reduction: str) -> None:
    subject = criterion(impl, reduction)

    def terms(x: Tensor) -> tuple[Tensor, ...]:
        return tuple(subject.terms(x, TARGETS, sample_weight=WEIGHT))

    assert torch.autograd.gradcheck(terms, logits())
    assert torch.autograd.gradgradcheck(terms, logits())


@IMPLS
def test_gradcheck_of_the_relation_losses(impl: str) -> None:
    with_state = RelationLoss(4, impl=impl)
    with_state(logits(), TARGETS)
    with_state.eval()
    relation = with_state.relation.double()
    assert torch.autograd.gradcheck(lambda x: with_state(x, TARGETS), logits())
    assert torch.autograd.gradgradcheck(lambda x: with_state(x, TARGETS), logits())
    assert torch.autograd.gradcheck(lambda x: relation_loss(x, relation, impl=impl), logits())
    assert torch.autograd.gradgradcheck(lambda x: relation_loss(x, relation, impl=impl), logits())


@examples(60)
@given(strategies.cases(max_batches=2))
def test_both_implementations_have_the_same_second_derivatives(case: Case) -> None:
    results = []
    for impl in ("auto", "plain"):
        subject = OBRLoss(case.num_labels, **case.arguments, impl=impl)
        for batch in case.batches:
            keywords = arguments(batch, torch.float64)
            x = keywords["logits"]
            (slope,) = torch.autograd.grad(subject(**keywords).sum(), x, create_graph=True)
            (curvature,) = torch.autograd.grad((slope * slope.detach().cos()).sum(), x)
        results.append(values(curvature))
    size = 16 * (1 + case.alpha) * 9 * 9
    assert_close("second derivative", results[0], results[1], band(case.num_labels, size))


@IMPLS
def test_terms_add_up(impl: str) -> None:
    subject, x = criterion(impl), logits()
    terms = subject.terms(x, TARGETS)
    slopes = [torch.autograd.grad(term, x, retain_graph=True)[0] for term in terms]
    joined = values(slopes[1] + 3.0 * slopes[2])
    assert_close("gradient", values(slopes[0]), joined, band(4, abs(joined) + 1))
    assert slopes[2].abs().max() > 0
    (mixed,) = torch.autograd.grad(terms.cross_entropy + 7 * terms.relation_loss - terms.total, x)
    expected = values(slopes[1] + 7 * slopes[2] - slopes[0])
    assert_close("a mixture", values(mixed), expected, band(4, abs(expected) + 7))


@IMPLS
def test_backward_twice(impl: str) -> None:
    x = logits()
    loss = criterion(impl)(x, TARGETS)
    loss.backward(retain_graph=True)
    first = x.grad.clone()  # type: ignore[union-attr]
    loss.backward()
    assert_exact("twice", values(x.grad), values(2 * first))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@IMPLS
def test_gradients_of_weights_and_targets(impl: str) -> None:
    subject, x = criterion(impl, "sum"), logits()
    weight = WEIGHT.clone().requires_grad_()
    soft = TARGETS.double().requires_grad_()
    loss = subject(x, soft, sample_weight=weight)
    by_logits, by_weight, by_targets = torch.autograd.grad(loss, (x, weight, soft))
    each = criterion(impl, "none")(x, TARGETS)
    assert_close("by weight", values(by_weight), values(each), band(8, abs(values(each)) + 1))
    (expected,) = torch.autograd.grad(subject(x, TARGETS, sample_weight=WEIGHT), x)
    assert_close("by logits", values(by_logits), values(expected), band(8, abs(values(expected)) + 1))
    log_odds = WEIGHT[:, None] * (-2 * x - (torch.tensor([1, 2, 0.5, 1]) - 1) * torch.nn.functional.logsigmoid(x) + x)
    assert_close("by targets", values(by_targets), values(log_odds), band(8, abs(values(log_odds)) + 4))


@IMPLS
def test_no_gradient_where_none_is_wanted(impl: str) -> None:
    subject = criterion(impl)
    value = values(subject(logits(), TARGETS))
    with torch.no_grad():
        without = subject(logits(), TARGETS)
    for other in (without, subject(logits().detach(), TARGETS)):
        assert not other.requires_grad
        assert_exact("value", values(other), value)
    assert_exact("value", values(criterion("plain")(logits(), TARGETS)), value)
    assert not subject.relation.requires_grad
    assert not list(subject.parameters())


@IMPLS
@pytest.mark.parametrize("name", ["sample_weight", "targets"])
def test_gradients_of_one_thing_alone(impl: str, name: str) -> None:
    """Also where the logits need none."""
    others = {"targets": TARGETS.double(), "sample_weight": WEIGHT}
    one = others[name].clone().requires_grad_()
    results = []
    for x in (logits(), logits().detach()):
        loss = criterion(impl, "sum")(x, **{**others, name: one})
        results += torch.autograd.grad(loss, one)
    assert_exact(name, *map(values, results))
    assert results[0].abs().max() > 0


@pytest.mark.parametrize("impl", ["auto", "fused"])
def test_autocast_does_not_reach_a_gradient_with_a_graph(impl: str) -> None:
    subject = criterion(impl)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (with_graph,) = torch.autograd.grad(
            subject(x := logits().float().detach().requires_grad_(), TARGETS), x, create_graph=True
        )
    (expected,) = torch.autograd.grad(criterion("plain")(x, TARGETS), x)
    assert_close("gradient", values(with_graph), values(expected), band(16, 1.0, "float32"))


@IMPLS
def test_a_recorded_step_knows_later_missing_targets(impl: str) -> None:
    """What a graph is made of is one complete batch; the next may miss a target."""
    x, subject = logits().detach(), criterion(impl)
    graph = make_fx(lambda targets: subject(x, targets))(TARGETS.double())
    missing = TARGETS.double().index_put((torch.tensor([0]), torch.tensor([1])), torch.tensor(torch.nan).double())
    assert_exact("loss", values(graph(missing)), values(subject(x, missing)))
