"""Small arrays on a CPU go through NumPy: the same to the bit, but for sums, products and roots, and only where nothing
else must see them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, note
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx

from obrl.online import RelationState
from obrl.torch import OBRLoss, OnlineBatchRelation
from obrl_torch import host, rows
from obrl_torch.namespace import TORCH
from tests.support import strategies
from tests.support.cases import Case
from tests.support.profiles import examples
from tests.support.tolerances import assert_close, assert_exact, band
from tests.torch.tensors import arguments, values


def tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.asarray(value))


def run(case: Case, dtype: torch.dtype, *, in_numpy: bool, small_product: int) -> list[Any]:
    """Every loss, gradient and state of a case, with or without NumPy; products up to this size by NumPy either way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "SMALL_PRODUCT", small_product)
        if not in_numpy:
            patch.setattr(host, "SMALL_LABELS", 0)
            patch.setattr(host, "SMALL_BATCH", -1)
        # Where torch calls MKL, a root may be off by a rounding; NumPy adds up sums and products in another order.
        patch.setattr(type(TORCH), "sum", lambda _, a, **kwargs: tensor(host.HOST.sum(a.numpy(), **kwargs)))
        patch.setattr(type(TORCH), "sqrt", lambda _, a: tensor(np.sqrt(a.numpy())))
        if small_product > 0:
            patch.setattr(type(TORCH), "matmul", lambda _, a, b: tensor(a.numpy() @ b.numpy()))
        criterion = OBRLoss(case.num_labels, **case.arguments)
        found: list[Any] = []
        for batch in case.batches:
            given_arguments = arguments(batch, dtype)
            terms = criterion.terms(**given_arguments)
            found += torch.autograd.grad(terms.total.sum(), given_arguments["logits"])
            found += [*terms, criterion.relation_sum.clone(), criterion.relation_weight.clone()]
    return found


@pytest.mark.parametrize("small_product", [-1, host.SMALL_PRODUCT])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@examples(100)
@given(case=strategies.cases())
def test_both_ways_give_the_same_bits(case: Case, dtype: torch.dtype, small_product: int) -> None:
    note(case.snippet("obrl.torch"))
    in_numpy, in_torch = (run(case, dtype, in_numpy=way, small_product=small_product) for way in (True, False))
    assert len(in_numpy) == len(in_torch) == 6 * len(case.batches)
    for number, (ours, theirs) in enumerate(zip(in_numpy, in_torch, strict=True)):
        assert ours.dtype == theirs.dtype
        assert_exact(f"result {number}", values(ours), values(theirs))


@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("labels", [1, 2, 7, 8])
def test_blocks_of_rows_change_no_bit(
    labels: int, missing: bool, estimator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SMALL_LABELS", 0)
    targets = torch.randint(2, (20, labels), generator=torch.Generator().manual_seed(labels)).float()
    if missing:
        targets[::3] = torch.nan
    relations = []
    seen: list[slice] = []
    update_rows = rows._update_rows
    monkeypatch.setattr(rows, "_update_rows", lambda *arguments: (seen.append(arguments[1]), update_rows(*arguments)))
    for elements, taken in ((host.BLOCK_ELEMENTS, False), (3 * labels, labels > 3)):
        monkeypatch.setattr(host, "BLOCK_ELEMENTS", elements)
        seen.clear()
        relation = OnlineBatchRelation(labels, estimator=estimator).update(targets).update(1 - targets)
        assert (len(seen) > 2) is taken  # two updates
        relations.append(relation)
    for name in NAMES:
        assert_exact(name, *(values(getattr(relation, name)) for relation in relations))


def test_views_share_memory() -> None:
    state = RelationState(torch.zeros(2, 2), torch.ones(2, 2))
    views = host.state_arrays(state)
    assert views is not None
    views.relation_sum[0, 1] = 7
    assert state.relation_sum[0, 1] == 7


def test_torch_knows_that_the_state_has_moved() -> None:
    """As of any tensor that is written into, or a gradient that needs the old one would be wrong."""
    criterion = OBRLoss(2)
    logits, targets = torch.zeros(3, 2, requires_grad=True), torch.eye(3, 2)
    for buffer in (criterion.relation_sum, criterion.relation_weight):
        product = (logits[:2] * buffer).sum()
        criterion(logits, targets)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            product.backward()


def test_a_state_that_overlaps_itself_is_refused() -> None:
    """Each entry would be written into all others."""
    relation = OnlineBatchRelation(4)
    number = torch.zeros(()).expand(4, 4)
    relation.load_state_dict({"relation_sum": number, "relation_weight": number}, assign=True)
    with pytest.raises(RuntimeError, match="single memory location"):
        relation.update(torch.eye(4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_logarithm_of_a_sigmoid_is_accurate(dtype: str) -> None:
    logits = np.concatenate([np.linspace(-120, 80, 2001), [-40.01, -39.99, -0.0, 1e-30]]).astype(dtype)
    exact = -np.logaddexp(0, -logits.astype(np.longdouble))
    assert_close("log sigmoid", host.HOST.log_sigmoid(logits), exact, band(1, exact, dtype))
    assert np.isnan(host.HOST.log_sigmoid(np.array([np.nan], dtype)))


def test_what_follows_a_default_device_does_not_change() -> None:
    criterion = OBRLoss(3)
    logits, targets = torch.zeros(4, 3), torch.ones(4, 3)
    with torch.device("meta"):
        loss = criterion(logits, targets)
    assert loss.device.type == "cpu"


def test_a_traced_graph_reads_the_state_it_is_run_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SMALL_BATCH", -1)  # NumPy adds up in another order than the graph
    criterion = OBRLoss(3, alpha=40.0, freeze=True, validate=False)
    logits = torch.randn(5, 3)
    targets = torch.tensor([[1.0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 0]])
    traced = make_fx(lambda x, *state: functional_call(criterion, dict(zip(NAMES, state, strict=True)), (x, targets)))
    empty = [getattr(criterion, name) for name in NAMES]
    graph = traced(logits, *empty)
    learnt = OBRLoss(3, alpha=40.0)
    learnt(logits, targets, update=True)
    state = [getattr(learnt, name) for name in NAMES]
    assert_exact("loss", values(graph(logits, *state)), values(learnt(logits, targets, update=False)))


def test_a_state_in_a_dtype_that_numpy_lacks() -> None:
    criterion = OBRLoss(2)
    narrow = {name: buffer.bfloat16() for name, buffer in criterion.state_dict().items()}
    criterion.load_state_dict(narrow, assign=True)
    assert criterion(torch.zeros(3, 2), torch.eye(3, 2)).isfinite()


@pytest.mark.parametrize("gradient", [True, False])
@pytest.mark.parametrize("rows", [6, host.SMALL_BATCH // 4 + 1])
def test_small_batches_alone_go_through_numpy(rows: int, gradient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    sigmoid = type(host.HOST).sigmoid
    monkeypatch.setattr(type(host.HOST), "sigmoid", lambda self, a: seen.append(a.shape) or sigmoid(self, a))
    criterion = OBRLoss(4)
    logits = torch.randn(rows, 4, requires_grad=gradient)
    loss = criterion(logits, torch.ones(rows, 4))
    assert seen == ([(rows, 4)] if rows == 6 else [])
    assert loss.requires_grad is gradient


def test_how_a_batch_lies_in_memory_does_not_change_its_sums() -> None:
    batch = np.random.default_rng(0).standard_normal((97, 41), np.float32)
    for axis in (None, 0, 1):
        assert_exact("sum", host.HOST.sum(np.asfortranarray(batch), axis=axis), host.HOST.sum(batch, axis=axis))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")  # torch's own
def test_forward_mode_stays_in_torch() -> None:
    criterion = OBRLoss(3, freeze=True)
    logits, targets = torch.randn(4, 3), torch.ones(4, 3)
    assert host.arrays([logits, None, 2.0]) is not None
    with torch.no_grad(), forward_ad.dual_level():
        assert host.arrays([logits]) is None
        loss = criterion(forward_ad.make_dual(logits, torch.ones_like(logits)), targets)
        slope = forward_ad.unpack_dual(loss).tangent
    criterion(logits.requires_grad_(), targets).backward()
    wanted = values(logits.grad)
    assert_close("slope", values(slope), wanted.sum(), band(wanted.size, abs(wanted).sum(), "float32"))


NAMES = ("relation_sum", "relation_weight")


class Traced(torch.Tensor):
    """A subclass, which must see every operation."""


def test_what_stays_in_torch() -> None:
    small = torch.zeros(3, 3)
    for other in (small.to("meta"), small.as_subclass(Traced), small.clone().requires_grad_()):
        assert host.state_arrays(RelationState(small, other)) is None

    def inside(batch: torch.Tensor) -> torch.Tensor:
        assert host.state_arrays(RelationState(batch, small)) is None
        return batch

    torch.func.vmap(inside)(torch.zeros(2, 3, 3))


@pytest.mark.parametrize("impl", ["auto", "plain"])
def test_transforms_of_torch_func(impl: str) -> None:
    criterion = OBRLoss(3, impl=impl, reduction="none")
    logits, targets = torch.randn(4, 3), torch.randint(2, (4, 3)).float()
    criterion(logits, targets, update=True)
    criterion.freeze = True
    states = {name: torch.stack([buffer, buffer]) for name, buffer in criterion.named_buffers()}

    def loss(state: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(criterion, state, (logits, targets))

    expected = criterion(logits, targets)
    for found in torch.func.vmap(loss)(states):
        assert torch.equal(found, expected)
