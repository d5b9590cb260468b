"""Batches as a pure function of (seed, epoch, position), so that a run can stop anywhere and resume exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices = npt.NDArray[np.int64]
Augment = Callable[[npt.NDArray[np.uint8], Indices, int], npt.NDArray[np.uint8]]

ORDER_STREAM = 0x6F72646572  # "order": keeps this use of the seed apart from every other.


class Batch(NamedTuple):
    """One batch.

    Attributes:
        images: (batch, 3, size, size) uint8.
        targets: (batch, num_labels) float32 in {0, 1}, NaN where a label is missing.
    """

    images: Tensor
    targets: Tensor


class Pictures(Protocol):
    """A data set that gives whole batches of pictures and targets by index."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def batch(self, indices: Indices) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Return the pictures (batch, 3, size, size) and the targets (batch, num_labels) of ``indices``."""
        ...


def epoch_order(length: int, *, seed: int, epoch: int) -> Indices:
    """Return the order of the samples in an epoch: a permutation of 0 .. length - 1, by ``seed`` and ``epoch`` alone.

    Example:
        >>> epoch_order(5, seed=1, epoch=0)
        array([3, 0, 2, 1, 4])
    """
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, ORDER_STREAM])))
    return generator.permutation(length).astype(np.int64)


class TrainLoader:
    """Shuffled training batches whose whole state is the number of batches handed out.

    Batch number n of a run belongs to epoch ``n // len(self)``; its pictures follow from the seed, the epoch and the
    position alone, and so does their augmentation. An incomplete last batch is left out (a set smaller than one batch
    is one batch). The next batch is prepared by a thread meanwhile, which changes nothing but the time.

    Args:
        pictures: The training pictures.
        batch_size: Pictures a batch.
        seed: Seed of the order.
        augment: Called with pictures, their indices and the epoch; returns the varied pictures.
    """

    def __init__(self, pictures: Pictures, *, batch_size: int, seed: int, augment: Augment | None = None) -> None:
        if len(pictures) == 0:
            raise ValueError("the training partition is empty")
        self.pictures = pictures
        self.batch_size = min(batch_size, len(pictures))
        self.seed = seed
        self.augment = augment
        self.batches_done = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.pictures) // self.batch_size

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
            order = epoch_order(len(self.pictures), seed=self.seed, epoch=epoch)
            waiting: Future[Batch] = pool.submit(self._prepare, order, epoch, position)
            for following in range(position + 1, len(self) + 1):
                batch = waiting.result()
                if following < len(self):
                    waiting = pool.submit(self._prepare, order, epoch, following)
                # Count the batch before yielding it: its receiver may save the state.
                self.batches_done += 1
                yield batch

    def _prepare(self, order: Indices, epoch: int, position: int) -> Batch:
        indices = order[position * self.batch_size : (position + 1) * self.batch_size]
        images, targets = self.pictures.batch(indices)
        if self.augment is not None:
            images = self.augment(images, indices, epoch)
        return Batch(torch.from_numpy(images), torch.from_numpy(targets))


class EvalLoader:
    """Every picture once, in order; the last batch may be shorter.

    Args:
        pictures: The pictures.
        batch_size: Pictures a batch.
    """

    def __init__(self, pictures: Pictures, *, batch_size: int) -> None:
        self.pictures = pictures
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.pictures) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches."""
        for start in range(0, len(self.pictures), self.batch_size):
            stop = min(start + self.batch_size, len(self.pictures))
            images, targets = self.pictures.batch(np.arange(start, stop, dtype=np.int64))
            yield Batch(torch.from_numpy(images), torch.from_numpy(targets))
