"""Modules that are built on the meta device, and buffers that something else than obrl replaces or narrows."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss
from tests.support.tolerances import assert_close, band
from tests.torch.tensors import values

KINDS = (OBRLoss, RelationLoss)
LOGITS = torch.zeros(4, 3)
TARGETS = torch.tensor([[1.0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
MATRIX = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1, 0.5], [0.1, 0.5, 1]])
STATE = ("relation_sum", "relation_weight")


def load_narrow(module: nn.Module) -> None:
    module.load_state_dict({name: buffer.bfloat16() for name, buffer in module.state_dict().items()}, assign=True)


def narrow_data(module: nn.Module) -> None:
    """What FSDP does for `MixedPrecision(buffer_dtype=torch.bfloat16)`."""
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.data = buffer.data.bfloat16()


def replace_buffers(module: nn.Module) -> None:
    for name in STATE:
        setattr(module, name, getattr(module, name).bfloat16())


WAYS = pytest.mark.parametrize("narrow", [load_narrow, narrow_data, replace_buffers])


@WAYS
@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_loss_refuses_a_half_state(kind: Any, impl: str, narrow: Callable[[nn.Module], None], tmp_path: Path) -> None:
    criterion = kind(3, impl=impl)
    words = repr(criterion)
    narrow(criterion)
    for use in (
        lambda: criterion(LOGITS, TARGETS),
        lambda: criterion.relation,
        criterion.pairs,
        criterion.to_numpy,
        lambda: criterion.save_relation(tmp_path / "relation.npz"),
    ):
        with pytest.raises(TypeError, match=r"relation_sum must be float32 or float64, got torch.bfloat16: .* \.float"):
            use()
    assert not criterion.relation_weight.any()
    assert repr(criterion) == words


@WAYS
def test_a_relation_refuses_a_half_state(narrow: Callable[[nn.Module], None], tmp_path: Path) -> None:
    relation = OnlineBatchRelation(3)
    narrow(relation)
    for use in (lambda: relation.update(TARGETS), relation.pairs, lambda: relation.save(tmp_path / "relation.npz")):
        with pytest.raises(TypeError, match=r"relation_sum must be float32 or float64, got torch\.bfloat16"):
            use()
    assert not relation.relation_weight.any()


@WAYS
def test_a_half_state_can_be_widened(narrow: Callable[[nn.Module], None]) -> None:
    """A relation weight goes on growing beyond 64, where bfloat16 stays."""
    criterion, untouched = OBRLoss(3), OBRLoss(3)
    narrow(criterion)
    criterion.float()
    for _ in range(300):
        criterion(LOGITS, TARGETS)
        untouched(LOGITS, TARGETS)
    assert criterion.relation_weight.dtype == torch.float32
    assert torch.equal(criterion.relation_weight, untouched.relation_weight)
    weight = (1 - 0.99**300) / (1 - 0.99)
    assert_close("weight", values(criterion.relation_weight[0, 0]), weight, band(300, weight, "float32"))


def test_narrow_weights_of_positives_are_refused() -> None:
    criterion = OBRLoss(3, pos_weight=[1.1, 2, 3])
    assert criterion.pos_weight is not None
    criterion.pos_weight.data = criterion.pos_weight.bfloat16()
    with pytest.raises(TypeError, match=r"pos_weight must be float32 or float64, got torch\.bfloat16"):
        criterion(LOGITS, TARGETS)
    assert not criterion.relation_weight.any()


def modules() -> list[Any]:
    """One of each kind, with every buffer that it can have."""
    return [
        OBRLoss(3, relation=MATRIX.numpy(), pos_weight=[1.0, 2.0, 3.0]),
        OBRLoss(3, estimator="counts"),
        RelationLoss(3, relation=MATRIX.numpy()),
        OnlineBatchRelation(3, relation=MATRIX.numpy()),
        OnlineBatchRelation(3),
    ]


def test_modules_are_built_on_the_meta_device() -> None:
    with torch.device("meta"):
        on_meta = modules()
    for built, expected in zip(on_meta, modules(), strict=True):
        assert {buffer.device.type for buffer in built.buffers()} == {"meta"}
        assert repr(built) == repr(expected)
        with pytest.raises(ValueError, match="relation_sum must hold values, got a tensor on the meta device"):
            built.pairs()


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_reset_parameters_sets_what_the_constructor_sets(device: str) -> None:
    with torch.device(device):
        built = modules()
    for module, expected in zip(built, modules(), strict=True):
        module.to_empty(device="cpu")
        for buffer in module.buffers():
            buffer.fill_(7)
        module.reset_parameters()
        names = dict(module.named_buffers())
        assert names.keys() == dict(expected.named_buffers()).keys()
        for name, buffer in expected.named_buffers():
            assert torch.equal(names[name], buffer), name


def test_a_whole_state_dict_makes_a_module_whole() -> None:
    """Also where to_empty left any numbers in the buffers that no state_dict holds."""
    expected = OBRLoss(3, pos_weight=[1.0, 2.0, 3.0])
    moved = copy.deepcopy(expected).to("meta").to_empty(device="cpu")
    moved.load_state_dict(expected.state_dict())
    assert torch.equal(moved.pos_weight, torch.tensor([1.0, 2.0, 3.0]))
    loss = moved(LOGITS, torch.ones(4, 3))
    log_2 = torch.tensor(2.0, dtype=torch.float64).log()
    assert_close("loss", values(loss), values(6 * log_2), band(3, 6.0, "float32"))


def test_weights_of_positives_are_float32() -> None:
    """So that they move to a device without float64."""
    for weights in ([1.1, 2, 3], (1, 2, 3), torch.tensor([1.1, 2, 3], dtype=torch.float64)):
        criterion = OBRLoss(3, pos_weight=weights)
        assert criterion.pos_weight is not None
        assert criterion.pos_weight.dtype == torch.float32
        assert criterion.double().pos_weight.dtype == torch.float64
        assert criterion.half().pos_weight.dtype == torch.float64
