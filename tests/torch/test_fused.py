"""`impl="fused"` as a user meets it; values, gradients and state are the parity suite's.

Here it is the native code of a CPU; `tests/kernels` runs the same with Triton's kernels, interpreted.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from obrl.torch import OBRLoss, relation_loss

ROWS, LABELS = 21, 19


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(rows: int = ROWS, labels: int = LABELS) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, targets that are related, and a mask."""
    source = torch.rand(rows, 3, generator=generator())[:, torch.arange(labels) % 3]
    targets = source + 0.2 * torch.rand(rows, labels, generator=generator(1)) > 0.6
    return (
        torch.randn(rows, labels, generator=generator(2)),
        targets,
        torch.rand(rows, labels, generator=generator(3)) > 0.2,
    )


def call(**changes: Any) -> dict[str, Any]:
    """The arguments of a call of a loss."""
    return dict(zip(("logits", "targets", "observed"), batch(), strict=True)) | changes


def criterion(**settings: Any) -> OBRLoss:
    return OBRLoss(LABELS, positive_threshold=0.7, negative_threshold=0.3, impl="fused", **settings)


def related() -> OBRLoss:
    """A criterion in float64 with active pairs, frozen."""
    moved = OBRLoss(LABELS, positive_threshold=0.7, negative_threshold=0.3)
    moved(**call())
    return criterion(relation=moved.to_numpy(), freeze=True).double()


def test_second_derivatives() -> None:
    frozen = related()
    _, targets, observed = batch(rows=2)

    def loss(logits: Tensor) -> Tensor:
        terms = frozen.terms(logits, targets, observed=observed)
        return terms.total + terms.cross_entropy * terms.relation_loss

    logits = batch(rows=2)[0].double().requires_grad_()
    assert torch.autograd.gradcheck(loss, logits)
    assert torch.autograd.gradgradcheck(loss, logits, fast_mode=True)


def test_each_sample_has_its_own_upstream() -> None:
    gradients = []
    for impl in ("fused", "auto"):
        loss = OBRLoss(LABELS, positive_threshold=0.7, negative_threshold=0.3, reduction="none", impl=impl)
        x = batch()[0].requires_grad_()
        terms = loss.terms(**call(logits=x))
        upstream = torch.linspace(-1.0, 2.0, len(x))
        (terms.total @ upstream + terms.relation_loss @ upstream.square()).backward()
        gradients.append(x.grad)
    torch.testing.assert_close(*gradients)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's compiler, of itself
def test_in_a_compiled_step() -> None:
    logits, targets, observed = batch()
    results = []
    for compiled in (False, True):
        loss = criterion()

        def step(x: Tensor, loss: OBRLoss = loss) -> Tensor:
            return loss(x, targets, observed=observed)

        run = torch.compile(step, fullgraph=True, backend="aot_eager") if compiled else step
        x = logits.clone().requires_grad_()
        value = run(x)
        value.backward()
        results.append((value.detach(), x.grad, loss.relation_sum, loss.relation_weight))
    assert all(map(torch.equal, *results))


def test_the_loss_may_be_changed_in_place() -> None:
    """As in gradient accumulation."""
    gradients = []
    for scale in (1.0, 0.5):
        x = batch()[0].requires_grad_()
        loss = criterion()(**call(logits=x))
        loss *= scale
        loss += scale
        loss.backward()
        gradients.append(x.grad)
    assert torch.equal(gradients[0] * 0.5, gradients[1])


def test_under_autocast() -> None:
    logits, targets, observed = batch()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = criterion()(logits.bfloat16(), targets, observed=observed)
    assert torch.equal(loss, criterion()(logits.bfloat16(), targets, observed=observed))
    assert loss.dtype == torch.float32


def test_validation_leaves_the_relation_alone() -> None:
    loss = criterion()
    loss(**call())
    before = loss.relation_sum.clone()
    with torch.no_grad():
        value = loss(**call())
    assert torch.equal(loss.relation_sum, before)
    assert not value.requires_grad


def test_the_logits_may_change_only_after_backward() -> None:
    x = batch()[0].requires_grad_()
    loss = criterion()(**call(logits=x * 1.0))
    loss.backward()
    y = x * 1.0
    loss = criterion()(**call(logits=y))
    y.detach().add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_weights_get_no_gradient() -> None:
    logits, targets, observed = batch()
    loss = criterion()
    before = loss.relation_weight.clone()
    with pytest.raises(ValueError, match="gradient with respect to logits alone, got sample_weight with requires_grad"):
        loss(logits, targets, observed=observed, sample_weight=torch.ones(len(logits), requires_grad=True))
    assert torch.equal(loss.relation_weight, before)


def test_values_are_checked_before_the_relation_moves() -> None:
    logits, targets, _ = batch()
    loss = criterion()
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 1\]"):
        loss(logits, targets.float() * 2.0)
    assert not loss.relation_weight.any()


def test_another_device() -> None:
    loss = criterion().to("meta")
    with pytest.raises(ValueError, match="needs tensors on a CPU or a CUDA device, got meta"):
        loss(**{name: tensor.to("meta") for name, tensor in call().items()})


def test_too_many_labels() -> None:
    with pytest.raises(ValueError, match="at most 16777216 rows and 16384 labels, got 1 and 16385"):
        relation_loss(
            torch.zeros(1, 1).expand(1, 2**14 + 1), torch.zeros(1, 1).expand(2**14 + 1, 2**14 + 1), impl="fused"
        )


def test_from_the_meta_device() -> None:
    logits, targets, observed = (torch.cat([part] * 4) for part in batch())  # counted in parts
    expected = criterion()
    with torch.device("meta"):
        built = criterion()
    built.to_empty(device="cpu")
    built.load_state_dict(expected.state_dict())
    assert torch.equal(built(logits, targets, observed=observed), expected(logits, targets, observed=observed))
    assert torch.equal(built.relation_sum, expected.relation_sum)
    assert expected.relation_weight.any()
