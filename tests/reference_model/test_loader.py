"""Batches are a function of (seed, epoch, position), wherever one starts."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.engine.loader import Batch, EvalLoader, TrainLoader, epoch_order


class Numbers:
    """Pictures that are their own index."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        images = np.broadcast_to(indices.astype(np.uint8)[:, None, None, None], (len(indices), 3, 2, 2))
        return images.copy(), indices.astype(np.float32)[:, None]


def add_epoch(images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64], epoch: int) -> npt.NDArray[np.uint8]:
    assert np.array_equal(images[:, 0, 0, 0], indices)
    return images + np.uint8(100 * epoch % 256)


def make(length: int = 23, batch_size: int = 4, seed: int = 0) -> TrainLoader:
    return TrainLoader(Numbers(length), batch_size=batch_size, seed=seed, augment=add_epoch)


def take(loader: TrainLoader, batches: int) -> list[list[int]]:
    """Return the next batches, over as many epochs as they need."""
    endless = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
    return [batch.images[:, 0, 0, 0].tolist() for batch in itertools.islice(endless, batches)]


@given(seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 1000), length=st.integers(1, 60))
def test_order_is_a_permutation_and_a_pure_function(seed: int, epoch: int, length: int) -> None:
    order = epoch_order(length, seed=seed, epoch=epoch)
    assert sorted(order) == list(range(length))
    np.random.seed(1)  # noqa: NPY002 - the global generator must not matter
    assert np.array_equal(order, epoch_order(length, seed=seed, epoch=epoch))


def test_seeds_and_epochs_give_other_orders() -> None:
    orders = {tuple(epoch_order(20, seed=seed, epoch=epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


@given(start=st.integers(0, 14), length=st.integers(4, 23), batch_size=st.integers(1, 5))
def test_going_on_anywhere_gives_the_same_batches(start: int, length: int, batch_size: int) -> None:
    whole = take(make(length, batch_size), 15)
    first = make(length, batch_size)
    take(first, start)
    resumed = make(length, batch_size)
    resumed.load_state_dict(first.state_dict())
    assert first.state_dict() == {"batches_done": start}
    assert take(resumed, 15 - start) == whole[start:]


def test_an_epoch_has_no_sample_twice_and_leaves_out_the_rest() -> None:
    loader = make(length=23, batch_size=4)
    assert len(loader) == 5
    seen = [index for batch in loader for index in batch.targets.flatten().tolist()]
    assert len(seen) == len(set(seen)) == 20
    following = [image for batch in take(loader, 5) for image in batch]
    assert all(image >= 100 for image in following), "the second epoch is augmented as epoch 1"


def test_a_set_smaller_than_a_batch_is_one_batch() -> None:
    loader = make(length=3, batch_size=64)
    assert len(loader) == 1
    assert sorted(take(loader, 1)[0]) == [0, 1, 2]


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        make(length=0)


def test_errors_in_the_preparing_thread_arrive() -> None:
    class Broken(Numbers):
        def batch(self, indices: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
            raise ValueError("picture 7 is broken")

    with pytest.raises(ValueError, match="picture 7"):
        next(iter(TrainLoader(Broken(8), batch_size=2, seed=0)))


def test_evaluation_sees_every_picture_once_in_order() -> None:
    loader = EvalLoader(Numbers(11), batch_size=4)
    batches: list[Batch] = list(loader)
    assert len(loader) == len(batches) == 3
    assert torch.cat([batch.targets for batch in batches]).flatten().tolist() == list(range(11))


CLASSES = np.array([0] * 5 + [1] * 13 + [-1] + [2] * 7, dtype=np.int64)


@given(start=st.integers(0, 9), seed=st.integers(0, 3))
def test_balanced_batches_hold_as_many_of_each_class_wherever_one_starts(start: int, seed: int) -> None:
    def balanced() -> TrainLoader:
        return TrainLoader(Numbers(26), batch_size=7, seed=seed, classes=CLASSES)

    whole, resumed = take(balanced(), 10), balanced()
    assert len(resumed) == 2
    resumed.load_state_dict({"batches_done": start})
    assert take(resumed, 10 - start) == whole[start:]
    for batch in whole:
        assert sorted(CLASSES[batch].tolist()) == [0, 0, 1, 1, 2, 2]


def test_larger_classes_go_on_without_repetition() -> None:
    batches = take(TrainLoader(Numbers(26), batch_size=3, seed=0, classes=CLASSES), 26)
    seen = [index for batch in batches for index in batch if CLASSES[index] == 1]
    assert sorted(seen[:13]) == sorted(seen[13:]) == list(range(5, 18))
    assert seen[:13] != seen[13:]


def test_a_batch_that_cannot_hold_every_class_is_refused() -> None:
    with pytest.raises(ValueError, match="one of each of the 3 classes"):
        TrainLoader(Numbers(26), batch_size=2, seed=0, classes=CLASSES)


def test_processes_share_every_batch() -> None:
    whole = take(make(batch_size=4), 5)
    parts = [take(TrainLoader(Numbers(23), batch_size=4, seed=0, rank=rank, processes=2), 5) for rank in range(2)]
    assert [[*ours, *theirs] for ours, theirs in zip(*parts, strict=True)] == whole
    seen = [EvalLoader(Numbers(11), batch_size=2, rank=rank, processes=2) for rank in range(2)]
    rows = [int(value) for loader in seen for batch in loader for value in batch.targets.flatten()]
    assert sorted(rows) == list(range(11))


def test_a_batch_that_cannot_be_divided_evenly_is_shared_whole() -> None:
    whole = take(make(batch_size=7), 3)
    loaders = [TrainLoader(Numbers(23), batch_size=7, seed=0, rank=rank, processes=3) for rank in range(3)]
    parts = [take(loader, 3) for loader in loaders]
    assert [[*first, *second, *third] for first, second, third in zip(*parts, strict=True)] == whole
    assert [len(part[0]) for part in parts] == [2, 2, 3]
    mean = sum(np.mean(part[0]) * loader.weight for part, loader in zip(parts, loaders, strict=True)) / 3
    assert mean == pytest.approx(np.mean(whole[0]))
    with pytest.raises(ValueError, match="a batch of 2 pictures cannot be divided among 3 processes"):
        TrainLoader(Numbers(23), batch_size=2, seed=0, rank=0, processes=3)


def test_an_epoch_holds_whole_steps_of_the_optimiser() -> None:
    loader = TrainLoader(Numbers(23), batch_size=2, seed=0, accumulate=4)
    assert (len(loader), loader.steps_per_epoch) == (8, 2)
    few = TrainLoader(Numbers(6), batch_size=2, seed=0, accumulate=4)
    assert (len(few), few.accumulate, few.steps_per_epoch) == (3, 3, 1)
