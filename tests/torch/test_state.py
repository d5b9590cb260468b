"""The state as buffers: copies, files, dtypes."""

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor, nn

import obrl
from obrl.torch import OBRLoss, OnlineBatchRelation, RelationLoss
from tests.support import strategies
from tests.support.cases import Case
from tests.support.profiles import examples
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import arguments, values

KINDS = (OBRLoss, RelationLoss)
TARGETS = torch.tensor([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
OTHER = 1 - TARGETS.flip(1)
LOGITS = torch.tensor([[2.0, 1, -1], [-1, 0.5, 1], [0, 3, 0.25], [-2, -1, 1], [1, 1, 1]])


def trained(kind: Any = OBRLoss, **settings: Any) -> Any:
    criterion = kind(3, decay=0.9, label_names=["a", "b", "c"], **settings)
    criterion(LOGITS, TARGETS)
    criterion(LOGITS, OTHER)
    return criterion


def assert_same(first: nn.Module, second: nn.Module) -> None:
    """The same buffers, bit for bit, and what follows from them."""
    for name, buffer in first.named_buffers():
        other = second.get_buffer(name)
        assert buffer.dtype == other.dtype
        assert torch.equal(buffer, other), name


def continue_alike(first: Any, second: Any) -> None:
    for targets in (OTHER, TARGETS):
        assert torch.equal(first(LOGITS, targets), second(LOGITS, targets))
        assert_same(first, second)


@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])  # noqa: S301
def test_copies(way: Any, kind: Any, estimator: str) -> None:
    original = trained(kind, estimator=estimator)
    copied = way(original)
    assert_same(original, copied)
    assert copied.settings == original.settings
    assert copied.pairs() == original.pairs()
    assert [pair[:3] for pair in original.pairs()] == [pair[:3] for pair in original.to_numpy().pairs()]
    assert copied.relation_sum.data_ptr() != original.relation_sum.data_ptr()
    continue_alike(original, copied)


@pytest.mark.parametrize("kind", KINDS)
def test_torch_save_of_the_module_after_a_backward(kind: Any) -> None:
    original = trained(kind)
    x = LOGITS.clone().requires_grad_()
    original(x, TARGETS).backward()
    buffer = io.BytesIO()
    torch.save(original.state_dict(), buffer)
    buffer.seek(0)
    fresh = kind(3, decay=0.9)
    fresh.load_state_dict(torch.load(buffer, weights_only=True))
    assert_same(original, fresh)
    continue_alike(original, fresh)


def test_state_dict_holds_the_two_accumulators() -> None:
    assert set(trained(pos_weight=[1, 2, 3]).state_dict()) == {"relation_sum", "relation_weight"}
    model = nn.ModuleDict({"net": nn.Linear(2, 3), "criterion": trained()})
    assert {"criterion.relation_sum", "criterion.relation_weight"} <= set(model.state_dict())


def test_a_state_dict_of_another_size_is_refused() -> None:
    with pytest.raises(RuntimeError, match="size mismatch"):
        OBRLoss(4).load_state_dict(trained().state_dict())


@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
def test_half_leaves_the_state_alone(narrow: torch.dtype, estimator: str) -> None:
    for way in (
        lambda module: module.half() if narrow == torch.float16 else module.bfloat16(),
        lambda module: module.to(narrow),
        lambda module: nn.ModuleList([module]).to(narrow)[0],
    ):
        original = trained(estimator=estimator, pos_weight=[1.1, 2, 3])
        changed = way(copy.deepcopy(original))
        assert_same(original, changed)
        continue_alike(original, changed)


def test_double_widens() -> None:
    wide = trained().double()
    assert wide.relation_sum.dtype == wide.relation_weight.dtype == torch.float64
    assert wide.relation.dtype == torch.float64
    assert wide.half().relation_sum.dtype == torch.float64
    assert wide.float().relation_sum.dtype == torch.float32


def test_state_is_float32_under_another_default_dtype() -> None:
    for dtype in (torch.float16, torch.float64):
        torch.set_default_dtype(dtype)
        try:
            criterion = OBRLoss(3)
            loss = criterion(LOGITS.to(dtype), TARGETS)
        finally:
            torch.set_default_dtype(torch.float32)
        assert criterion.relation_sum.dtype in (torch.float32, torch.float64)
        assert loss.dtype in (torch.float32, torch.float64)


def test_updates_are_in_place() -> None:
    criterion = OBRLoss(3)

    def state() -> tuple[torch.Tensor, torch.Tensor]:
        return criterion.relation_sum, criterion.relation_weight

    pointers = [buffer.data_ptr() for buffer in state()]
    views = [buffer.view(-1) for buffer in state()]
    criterion(LOGITS, TARGETS)
    assert [buffer.data_ptr() for buffer in state()] == pointers
    assert all(view.abs().sum() > 0 for view in views)
    criterion.reset()
    assert [buffer.data_ptr() for buffer in state()] == pointers
    assert all((buffer == 0).all() for buffer in state())


@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
def test_one_file_starts_every_framework(tmp_path: Path, estimator: str) -> None:
    path = tmp_path / "relation.npz"
    torch_loss = trained(estimator=estimator)
    torch_loss.save_relation(path)
    numpy_loss = obrl.OBRLoss(3, decay=0.9, estimator=estimator, relation=path)
    assert_exact("sum", numpy_loss.relation_sum, values(torch_loss.relation_sum))
    assert numpy_loss.label_names == ("a", "b", "c")
    numpy_loss(LOGITS.numpy(), TARGETS.numpy())
    torch_loss(LOGITS, TARGETS)
    numpy_loss.save_relation(path)
    for kind in KINDS:
        loaded = kind(3, decay=0.9, estimator=estimator)
        loaded.load_relation(path)
        bound = band(3, abs(numpy_loss.relation_sum) + 1, "float32")
        assert_close("sum", values(loaded.relation_sum), numpy_loss.relation_sum, bound)
        assert_close("sum", values(loaded.relation_sum), values(torch_loss.relation_sum), bound)
    relation = OnlineBatchRelation.load(path)
    assert relation.settings.decay == 0.9
    assert_same(relation, OnlineBatchRelation(3, decay=0.9, estimator=estimator, relation=path))


@pytest.mark.parametrize("suffix", ["matrix", "tensor", "relation", "numpy relation", "loss"])
def test_every_form_of_a_start(suffix: str) -> None:
    source = trained()
    start: Any = {
        "matrix": source.relation.numpy(),
        "tensor": source.relation,
        "relation": OnlineBatchRelation(3, decay=0.9, relation=source.to_numpy()),
        "numpy relation": source.to_numpy(),
        "loss": source,
    }[suffix]
    module = OBRLoss(3, decay=0.9, relation=start)
    assert_close("relation", values(module.relation), values(source.relation), band(3, 1.0, "float32"))
    before = values(source.relation_sum)
    module(LOGITS, OTHER)
    assert_exact("the source", values(source.relation_sum), before)


def test_a_file_of_other_settings_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "relation.npz"
    trained().save_relation(path)
    for settings, word in (({"decay": 0.5}, "decay"), ({"measure": "cosine"}, "measure")):
        criterion = OBRLoss(3, **{"decay": 0.9, **settings})
        criterion(LOGITS, TARGETS)
        before = copy.deepcopy(criterion)
        with pytest.raises(ValueError, match=f"{word}="):
            criterion.load_relation(path)
        assert_same(criterion, before)


@examples(40)
@given(strategies.cases())
def test_merge_is_the_whole(case: Case) -> None:
    def updated(batches: Any) -> OnlineBatchRelation:
        relation = OnlineBatchRelation(case.num_labels, **case.accumulation).double()
        for batch in batches:
            keywords = arguments(batch, torch.float32)
            relation.update(keywords["targets"], observed=keywords.get("observed"))
        return relation

    split = len(case.batches) // 2
    merged = updated(case.batches[:split]).merge(updated(case.batches[split:]))
    whole = values(updated(case.batches).relation_sum)
    bound = band(4 * len(case.batches), abs(whole) + len(case.batches), "float32")
    assert_close("merged", values(merged.relation_sum), whole, bound)


def test_a_module_of_its_own() -> None:
    relation = OnlineBatchRelation(3)
    assert torch.equal(relation(TARGETS), relation.relation)
    before = relation.relation_weight.clone()
    relation.eval()
    relation(OTHER)
    assert torch.equal(relation.relation_weight, before)
    assert "OnlineBatchRelation(3" in repr(relation)


def test_names_and_homes() -> None:
    for kind in (*KINDS, OnlineBatchRelation):
        assert kind.__module__ == "obrl.torch"
        assert issubclass(kind, nn.Module)


def test_state_moves_with_the_model() -> None:
    criterion = OBRLoss(3, pos_weight=[1.0, 2.0, 3.0]).to("meta")
    assert {buffer.device.type for buffer in criterion.buffers()} == {"meta"}
    loss: Tensor = criterion(LOGITS.to("meta"), TARGETS.to("meta"))
    assert loss.device.type == "meta"
    assert loss.shape == ()
