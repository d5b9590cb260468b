"""Losses with the kernels, interpreted on a CPU: the tests of native code again, and what `impl="auto"` chooses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from obrl.torch import OBRLoss
from obrl_torch import fused
from obrl_torch.operators import loss as loss_operators
from tests.torch.test_fused import (  # noqa: F401
    LABELS,
    batch,
    related,
    test_another_device,
    test_each_sample_has_its_own_upstream,
    test_from_the_meta_device,
    test_in_a_compiled_step,
    test_the_logits_may_change_only_after_backward,
    test_the_loss_may_be_changed_in_place,
    test_too_many_labels,
    test_under_autocast,
    test_validation_leaves_the_relation_alone,
    test_values_are_checked_before_the_relation_moves,
    test_weights_get_no_gradient,
)


class TestWhatAutoChooses:
    """As if the kernels had been measured on a CPU."""

    @pytest.fixture(autouse=True)
    def launches(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        calls: list[str] = []
        loss_terms = loss_operators.loss_terms

        def counted(*arguments: Any) -> Any:
            calls.append("loss_terms")
            return loss_terms(*arguments)

        monkeypatch.setattr(fused, "measured_on", lambda device: device.type == "cpu")
        monkeypatch.setattr(loss_operators, "loss_terms", counted)
        return calls

    def test_the_kernels(self, launches: list[str]) -> None:
        by_auto, by_kernels = OBRLoss(LABELS), OBRLoss(LABELS, impl="fused")
        for dtype in (torch.float32, torch.bfloat16):
            logits, targets, observed = batch()
            values = [loss(logits.to(dtype), targets, observed=observed) for loss in (by_auto, by_kernels)]
            assert torch.equal(*values)
        assert torch.equal(by_auto.relation_sum, by_kernels.relation_sum)
        assert len(launches) == 4

    @pytest.mark.filterwarnings(
        "ignore:.torch.jit:DeprecationWarning"
    )  # raised inside torch's compiler and forward mode
    @pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
    def test_auto_avoids_the_kernels_where_unmeasured_or_unsupported(self, launches: list[str]) -> None:
        logits, targets, observed = batch()
        plain, loss, double = OBRLoss(LABELS, impl="plain"), OBRLoss(LABELS), OBRLoss(LABELS).double()
        plain(logits, targets, observed=observed)
        loss(logits.double(), targets, observed=observed)
        double(logits, targets, observed=observed)
        loss(logits, targets.float().requires_grad_(), observed=observed)
        torch.compile(loss, backend="eager")(logits, targets, observed=observed)
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(logits, torch.ones_like(logits))
            assert plain(dual, targets, observed=observed, update=False) == loss(
                dual, targets, observed=observed, update=False
            )
        loss.relation_sum = loss.relation_sum.T  # not contiguous
        loss(logits, targets, observed=observed)
        states = {name: torch.stack([buffer] * 2) for name, buffer in loss.named_buffers()}
        torch.func.vmap(
            lambda state: torch.func.functional_call(loss.eval(), state, (logits, targets)), randomness="error"
        )(states)
        assert launches == []


def test_second_derivatives_are_those_of_the_algebra() -> None:
    """`gradgradcheck` of an interpreted kernel takes minutes; the native code passes it in `tests/torch`."""
    fused = related()
    thresholds = {"positive_threshold": 0.7, "negative_threshold": 0.3}
    plain = OBRLoss(LABELS, **thresholds, relation=fused.to_numpy(), freeze=True, impl="plain").double()
    seconds = []
    for loss in (fused, plain):
        logits, targets, observed = batch(rows=2)
        x = logits.double().requires_grad_()
        terms = loss.terms(x, targets, observed=observed)
        (slope,) = torch.autograd.grad(terms.total + terms.cross_entropy * terms.relation_loss, x, create_graph=True)
        seconds.append(torch.autograd.grad(slope.square().sum(), x)[0])
    assert seconds[0].any()
    torch.testing.assert_close(*seconds)


def test_nothing_was_measured_on_a_cpu() -> None:
    assert not fused.measured_on(torch.device("cpu"))
