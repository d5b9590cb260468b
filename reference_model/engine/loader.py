"""Batches as a pure function of (seed, epoch, position), so that a run can stop anywhere and resume exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reference_model.data.pictures import Unusable

Indices = npt.NDArray[np.int64]
Augment = Callable[[npt.NDArray[Any], Indices, int], npt.NDArray[Any]]

ORDER_STREAM = 0x6F72646572  # "order": keeps this use of the seed apart from every other.
BALANCED_STREAM = 0x62616C616E6365  # "balance"


class Batch(NamedTuple):
    """One batch.

    Attributes:
        images: (batch, 3, size, size) uint8; or stored features of them, (batch, channels, side, side) float16.
        targets: (batch, ...): what the stage predicts, as `reference_model.stages.stage.Targets` holds it.
    """

    images: Tensor
    targets: Tensor


class Pictures(Protocol):
    """A data set that gives whole batches of pictures and targets by index."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def batch(self, indices: Indices) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the pictures (batch, 3, size, size), or features of them, and the targets (batch, ...)."""
        ...


class CheckedPictures(Pictures, Protocol):
    """Pictures that say which of them cannot be used."""

    @property
    def unusable(self) -> tuple[Unusable, ...]:
        """The unusable pictures that were met so far, by row."""
        ...


def epoch_order(length: int, *, seed: int, epoch: int) -> Indices:
    """Return the order of the samples in an epoch: a permutation of 0 .. length - 1, by ``seed`` and ``epoch`` alone.

    Example:
        >>> epoch_order(5, seed=1, epoch=0)
        array([3, 0, 2, 1, 4])
    """
    return _generator(seed, epoch, ORDER_STREAM).permutation(length).astype(np.int64)


def _generator(*entropy: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def balanced_order(classes: Indices, *, per_class: int, seed: int, epoch: int) -> Indices:
    """Return the order of the samples in an epoch whose batches hold equally many of every class.

    Each class is a sequence without end: its samples in a random order, then in another one, and so on. An epoch takes
    as many of each as the smallest class has, and the next one goes on where it stopped.

    Args:
        classes: (N,) int64: the class of each sample, negative for samples to leave out.
        per_class: Samples of each class in a batch.
        seed: Seed of the order.
        epoch: The epoch, from 0 on.

    Returns:
        Indices, such that every ``per_class`` times the number of classes of them are one batch.
    """
    members = [np.flatnonzero(classes == value) for value in np.unique(classes[classes >= 0])]
    length = min(len(rows) for rows in members) // per_class * per_class
    columns = []
    for number, rows in enumerate(members):
        places = np.arange(epoch * length, (epoch + 1) * length)
        turns = range(places[0] // len(rows), places[-1] // len(rows) + 1)
        orders = [_generator(seed, turn, number, BALANCED_STREAM).permutation(rows) for turn in turns]
        columns.append(np.concatenate(orders)[places - turns[0] * len(rows)])
    return np.stack(columns, axis=1).reshape(-1).astype(np.int64)


class TrainLoader:
    """Shuffled training batches whose whole state is the number of batches handed out.

    Batch number n of a run belongs to epoch ``n // len(self)``; its pictures follow from the seed, the epoch and the
    position alone, and so does their augmentation. An incomplete last batch is left out (a set smaller than one batch
    is one batch), and so is an incomplete last step of the optimiser. The next batch is prepared by a thread
    meanwhile, which changes nothing but the time.

    Args:
        pictures: The training pictures.
        batch_size: Pictures a batch, those of all processes together.
        seed: Seed of the order.
        augment: Called with pictures, their indices and the epoch; returns the varied pictures.
        classes: (N,) int64: the class of each picture, for batches with equally many of every class.
        accumulate: Batches a step of the optimiser; fewer where an epoch has fewer.
        rank: Which of the processes this is; it gets its share of every batch.
        processes: How many there are; where a batch cannot be divided evenly, some get a picture more than others.

    Raises:
        ValueError: If there is no picture, or a batch cannot be divided as requested.

    Attributes:
        weight: What this process's mean over its pictures counts in the mean of the processes' means, so that this is
            the mean over the batch: 1 where all have as many.
    """

    def __init__(
        self,
        pictures: Pictures,
        *,
        batch_size: int,
        seed: int,
        augment: Augment | None = None,
        classes: Indices | None = None,
        accumulate: int = 1,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if len(pictures) == 0:
            raise ValueError("the training partition is empty")
        self.pictures = pictures
        self.batch_size = min(batch_size, len(pictures))
        self.seed = seed
        self.augment = augment
        self.classes = classes
        self.rank, self.processes = rank, processes
        self.batches_done = 0
        self.seconds_waited = 0.0
        if classes is not None:
            self._balance(classes)
        if self.batch_size < processes:
            raise ValueError(f"a batch of {self.batch_size} pictures cannot be divided among {processes} processes")
        self._share = slice(*(place * self.batch_size // processes for place in (rank, rank + 1)))
        self.weight = (self._share.stop - self._share.start) * processes / self.batch_size
        batches = len(self._order(0)) // self.batch_size
        self.accumulate = min(accumulate, batches)
        self._length = batches // self.accumulate * self.accumulate

    def _balance(self, classes: Indices) -> None:
        counts = np.unique_counts(classes[classes >= 0]).counts
        if len(counts) > self.batch_size:
            raise ValueError(
                f"a batch of {self.batch_size} pictures cannot hold one of each of the {len(counts)} classes; raise "
                "train.batch_size"
            )
        self.per_class = min(self.batch_size // len(counts), int(counts.min()))
        self.batch_size = self.per_class * len(counts)

    def _order(self, epoch: int) -> Indices:
        if self.classes is not None:
            return balanced_order(self.classes, per_class=self.per_class, seed=self.seed, epoch=epoch)
        return epoch_order(len(self.pictures), seed=self.seed, epoch=epoch)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return self._length

    @property
    def steps_per_epoch(self) -> int:
        """Steps of the optimiser in an epoch."""
        return self._length // self.accumulate

    def between_steps(self) -> bool:
        """Return whether every batch handed out belongs to a complete step of the optimiser."""
        return self.batches_done % self.accumulate == 0

    def at_epoch_end(self) -> bool:
        """Return whether the batches of an epoch are all handed out."""
        return self.batches_done % self._length == 0

    def state_dict(self) -> dict[str, Any]:
        """Return the position: the number of batches handed out since the run began."""
        return {"batches_done": self.batches_done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after ``state["batches_done"]`` batches."""
        self.batches_done = int(state["batches_done"])

    def __iter__(self) -> Iterator[Batch]:
        """Yield the remaining batches of the current epoch."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
            epoch, position = divmod(self.batches_done, len(self))
            order = self._order(epoch)
            waiting: Future[Batch] = pool.submit(self._prepare, order, epoch, position)
            for following in range(position + 1, len(self) + 1):
                started = time.monotonic()
                batch = waiting.result()
                self.seconds_waited += time.monotonic() - started
                if following < len(self):
                    waiting = pool.submit(self._prepare, order, epoch, following)
                # Count the batch before yielding it: its receiver may save the state.
                self.batches_done += 1
                yield batch

    def _prepare(self, order: Indices, epoch: int, position: int) -> Batch:
        indices = order[position * self.batch_size :][self._share]
        images, targets = self.pictures.batch(indices)
        if self.augment is not None:
            images = self.augment(images, indices, epoch)
        return Batch(torch.from_numpy(images), torch.from_numpy(targets))


class EvalLoader:
    """Every picture once, in order; the last batch may be shorter.

    Args:
        pictures: The pictures.
        batch_size: Pictures a batch.
        rank: Which of the processes this is; it gets every so many-th picture.
        processes: How many there are.
    """

    def __init__(self, pictures: Pictures, *, batch_size: int, rank: int = 0, processes: int = 1) -> None:
        self.pictures = pictures
        self.batch_size = batch_size
        self._rows = np.arange(rank, len(pictures), processes, dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self._rows) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        for start in range(0, len(self._rows), self.batch_size):
            images, targets = self.pictures.batch(self._rows[start : start + self.batch_size])
            yield Batch(torch.from_numpy(images), torch.from_numpy(targets))
