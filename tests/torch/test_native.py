"""The native code as operators of torch: what autograd, compilers and other kinds of tensors see."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
import torch
from torch import Tensor

from obrl.torch import OBRLoss, relation_loss
from obrl_torch import fused, native, native_relation
from tests.native.calls import structure
from tests.project.helpers import run_python
from tests.torch.test_fused import LABELS, ROWS, batch, call, generator

CHOSEN = (0.9, 0.7, 0.3, "unit_pearson", "batch")


def state(labels: int = LABELS) -> tuple[Tensor, Tensor]:
    return torch.zeros(labels, labels), torch.zeros(labels, labels)


def test_it_is_what_runs_here() -> None:
    assert fused.is_native(torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("obrl_labels", native_relation.Labels),
        ("obrl_relation", native_relation.Relation),
        ("obrl_loss_arguments", native.LossArguments),
    ],
)
def test_structures_are_those_of_the_header(name: str, ours: type[ctypes.Structure]) -> None:
    assert list(ours._fields_) == list(structure(name)._fields_)


def test_opcheck() -> None:
    """Schemas, fake tensors and mutation are as declared, in programs of symbolic shapes too."""
    logits, targets, mask = batch()
    code = native_relation.move_relation(targets, mask, None, *state(), *CHOSEN)
    weights = (torch.rand(ROWS, generator=generator(6)), torch.rand(LABELS, generator=generator(7)))
    operators = torch.ops.obrl
    for operator, arguments in (
        (operators.native_count_pairs, (targets, mask)),
        (operators.native_move_relation, (targets, None, None, *state(), *CHOSEN)),
        (operators.native_move_relation, (None, None, native_relation.count_pairs(targets, None), *state(), *CHOSEN)),
        (operators.native_code_pairs, (*state(), *CHOSEN[1:])),
        *(
            (operators.native_loss_terms, (logits, labels, None, *weights, code, 0.5, "all_pairs", *how, torch.float32))
            for labels in (targets, None)
            for how in (("mean", "total"), ("none", "parts"), ("sum", "none"))
        ),
    ):
        tests = ("test_schema", "test_faketensor", "test_aot_dispatch_dynamic")
        result = torch.library.opcheck(operator.default, arguments, test_utils=tests)
        assert set(result.values()) == {"SUCCESS"}, (operator, result)


@pytest.mark.parametrize(("value", "counted"), [(0.5, 1.0), (0.49999999999, 0.0)])
def test_one_half_is_decided_in_the_dtype_of_the_targets(value: float, counted: float) -> None:
    targets = torch.full((1, 1), value, dtype=torch.float64)
    assert native_relation.count_pairs(targets, None)[1].item() == counted


def test_reading_a_relation_does_not_change_it() -> None:
    loss = OBRLoss(LABELS, impl="fused", freeze=True, relation=torch.eye(LABELS))
    weights = torch.rand(LABELS, LABELS, requires_grad=True)
    logits, targets, observed = batch()
    x = logits.requires_grad_()
    ((weights * loss.relation_sum).sum() + loss(x, targets, observed=observed)).backward()
    assert x.grad is not None


def test_in_inference_mode() -> None:
    with torch.inference_mode():
        loss = OBRLoss(LABELS, impl="fused")
        loss(**call(), update=True)
    assert loss.relation_weight.any()


class Wrapped(torch.Tensor):
    """A tensor without memory of its own, as those of distributed tensors."""

    @staticmethod
    def __new__(cls, inner: Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        unwrapped = torch.utils._pytree.tree_map_only(Wrapped, lambda tensor: tensor.inner, (args, kwargs or {}))
        return function(*unwrapped[0], **unwrapped[1])


def test_a_subclass_sees_the_operators() -> None:
    logits, targets, observed = batch()
    expected = OBRLoss(LABELS, impl="fused")(logits, targets, observed=observed)
    assert torch.equal(OBRLoss(LABELS, impl="fused")(Wrapped(logits), targets, observed=observed), expected)
    assert torch.equal(OBRLoss(LABELS, impl="fused")(Wrapped(logits), Wrapped(targets), observed=observed), expected)


def transformed(name: str, function: Any, logits: Tensor) -> Any:
    if name == "grad":
        return torch.func.grad(function)(logits)
    if name == "vmap":
        return torch.func.vmap(function)(logits[None])
    if name == "jvp":
        return torch.func.jvp(function, (logits,), (logits,))
    with torch.autograd.forward_ad.dual_level():
        return function(torch.autograd.forward_ad.make_dual(logits, logits))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, of forward mode
@pytest.mark.parametrize("name", ["grad", "vmap", "jvp", "dual numbers"])
def test_no_transform_loses_a_derivative(name: str) -> None:
    logits, targets, observed = batch()
    loss = OBRLoss(LABELS, impl="fused")
    with pytest.raises(ValueError, match=r'neither under the transforms of torch.func nor .* impl="plain" does'):
        transformed(name, lambda x: loss(x, targets, observed=observed), logits)
    assert not loss.relation_weight.any()
    with pytest.raises(ValueError, match=r"torch.func"):
        transformed(name, lambda x: relation_loss(x, torch.eye(LABELS), impl="fused"), logits)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's compiler, of itself
def test_nor_does_one_in_a_graph() -> None:
    """Traced or around what was traced before, where the logits do not show that they are differentiated."""
    logits, targets, observed = batch()
    loss = OBRLoss(LABELS, impl="fused")

    def value(x: Tensor) -> Tensor:
        return loss(x, targets, observed=observed, update=False)

    compiled = torch.compile(value, backend="aot_eager")
    assert torch.equal(compiled(logits), value(logits))
    for function in (torch.compile(torch.func.grad(value), backend="aot_eager"), torch.func.grad(compiled)):
        with pytest.raises(ValueError, match=r"transforms of torch\.func"):
            function(logits)


def test_accumulators_of_two_dtypes() -> None:
    loss = OBRLoss(LABELS, impl="fused")
    other = {"relation_weight": loss.relation_weight.double()}
    with pytest.raises(ValueError, match="both accumulators in float32, or both in float64, got"):
        torch.func.functional_call(loss, other, (), call())


def test_first_used_in_a_compiled_step() -> None:
    program = """
import torch
from obrl.torch import OBRLoss
loss = OBRLoss(3, impl="fused")
step = torch.compile(loss, fullgraph=True, backend="aot_eager")
x = torch.zeros(4, 3, requires_grad=True)
step(x, torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])).backward()
print(bool(x.grad.any()), bool(loss.relation_weight.any()))
"""
    assert run_python(program) == "True True\n"
