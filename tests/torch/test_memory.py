"""What a step allocates, reads and writes: watched operator by operator."""

import weakref
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from obrl.torch import OBRLoss, RelationLoss
from tests.support import strategies
from tests.support.cases import Case
from tests.torch.tensors import arguments

ROWS, LABELS = 48, 40
READS = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "equal", "masked_select", "unique", "_unique2")


class Watch(TorchDispatchMode):
    """Records the largest tensor, the bytes alive at once, and whether a value is read or a shape depends on one."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.alive = 0
        self.peak = 0
        self.reads: list[str] = []
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.split(".")[0]
        boolean = any(
            isinstance(leaf, Tensor) and leaf.dtype == torch.bool
            for leaf in (tree_leaves(args[1]) if name == "index" else ())
        )
        if name in READS or boolean:
            self.reads.append(name)
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.record(leaf)
        return result

    def record(self, tensor: Tensor) -> None:
        self.largest = max(self.largest, tensor.numel())
        storage = tensor.untyped_storage()
        if storage.data_ptr() in self.seen:
            return
        size = storage.nbytes()
        self.seen.add(storage.data_ptr())
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self.release, storage.data_ptr(), size)

    def release(self, pointer: int, size: int) -> None:
        self.seen.discard(pointer)
        self.alive -= size


def data(rows: int, labels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.randn(rows, labels, generator=generator) + torch.randn(rows, 1, generator=generator)) > 0
    return torch.randn(rows, labels, generator=generator).requires_grad_(), targets.float()


def step(criterion: Any, x: Tensor, y: Tensor) -> Watch:
    observed = torch.ones_like(y, dtype=torch.bool)
    weight = torch.ones(len(y))
    with Watch() as watch:
        criterion(x, y, observed=observed, sample_weight=weight).sum().backward()
        (slope,) = torch.autograd.grad(
            criterion(x, y, observed=observed, sample_weight=weight).sum(), x, create_graph=True
        )
        slope.square().sum().backward()
    return watch


@pytest.mark.parametrize("impl", ["auto", "plain"])
@pytest.mark.parametrize("estimator", strategies.ESTIMATORS)
@pytest.mark.parametrize("measure", strategies.MEASURES)
def test_no_tensor_for_every_sample_and_pair(measure: str, estimator: str, impl: str) -> None:
    """Second derivatives included; the largest is a matrix or, for "counts", three of them."""
    x, y = data(ROWS, LABELS)
    criterion = OBRLoss(
        LABELS, measure=measure, estimator=estimator, impl=impl, positive_threshold=0.6, negative_threshold=0.4
    )
    watch = step(criterion, x, y)
    assert 0 < watch.largest <= max(ROWS * LABELS, 3 * LABELS * LABELS)
    assert watch.largest < ROWS * LABELS * LABELS / 4


@pytest.mark.parametrize("impl", ["auto", "plain"])
def test_memory_grows_with_the_batch_and_the_pairs_only(impl: str) -> None:
    """In float32, at most some twenty arrays of each shape at once; (K, M, M) would be a hundred times that."""
    rows, labels = 128, 300
    x, y = data(rows, labels)
    criterion = OBRLoss(labels, impl=impl, positive_threshold=0.6, negative_threshold=0.4)
    with Watch() as watch:
        criterion(x, y).backward()
    assert watch.peak <= 4 * 24 * (rows * labels + labels * labels)
    assert watch.peak < 4 * rows * labels * labels


@pytest.mark.parametrize("impl", ["auto", "plain"])
@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize("settings", [{}, {"estimator": "counts", "normalization": "active_pairs"}])
def test_no_value_is_read(kind: Any, settings: dict[str, str], impl: str) -> None:
    """With value checks off, as they are by default on a device, nothing waits for one."""
    x, y = data(ROWS, LABELS)
    assert step(kind(LABELS, impl=impl, validate=False, **settings), x, y).reads == []
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        criterion = kind(LABELS, impl=impl, validate=False, **settings)
        fakes = [mode.from_tensor(tensor) for tensor in (x, y)]
        criterion(*fakes).sum().backward()


def test_the_watch_sees_what_it_is_for() -> None:
    x, y = data(ROWS, LABELS)
    with Watch() as watch:
        (x[:, :, None] - x[:, None, :]).sum().backward()
    assert watch.largest == ROWS * LABELS * LABELS
    assert watch.peak >= 4 * ROWS * LABELS * LABELS
    for use in (lambda: y.sum().item(), lambda: bool(y.sum() > 0), lambda: y[y > 0], lambda: y.nonzero()):
        with Watch() as watch:
            use()
        assert watch.reads
    with pytest.raises(DataDependentOutputException), FakeTensorMode() as mode:
        mode.from_tensor(y).sum().item()


@given(strategies.cases(max_batches=2))
def test_nothing_of_the_callers_is_written(case: Case) -> None:
    for kind, settings in ((OBRLoss, case.arguments), (RelationLoss, case.relation_arguments)):
        criterion = kind(case.num_labels, **settings)
        for batch in case.batches:
            keywords = arguments(batch, torch.float32)
            tensors = [value for value in keywords.values() if isinstance(value, Tensor)]
            copies = [(tensor.detach().clone(), tensor._version) for tensor in tensors]
            criterion(**keywords).sum().backward()
            for tensor, (copied, version) in zip(tensors, copies, strict=True):
                assert tensor._version == version
                assert torch.equal(tensor.isnan(), copied.isnan())
                assert torch.equal(tensor.nan_to_num(), copied.nan_to_num())
