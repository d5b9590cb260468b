"""How much memory a class layer and its centres take, before anything is allocated."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

FLOAT_BYTES = 4
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class HeadMemory:
    """Memory of a class layer without bias, its centres and its logits in training, in bytes.

    Args:
        num_classes: C.
        weights: The class layer.
        gradient: Its gradient.
        optimizer: What the optimiser remembers of it: one momentum for SGD, two for AdamW.
        update: What one step of the optimiser holds for its duration: one more copy of the layer.
        centers: The centres of the center loss.
        logits: Logits, their softmax, and the gradients of both.
    """

    num_classes: int
    weights: int
    gradient: int
    optimizer: int
    update: int
    centers: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.gradient + self.optimizer + self.update + self.centers + self.logits

    def describe(self) -> str:
        """Return the forecast in one sentence."""
        parts = ", ".join(
            f"{name} {size_text(getattr(self, name))}"
            for name in ("weights", "gradient", "optimizer", "update", "centers", "logits")
        )
        return f"{self.num_classes:,} classes will need up to {size_text(self.total)} of memory ({parts})"

    def check(self, available: int | None) -> None:
        """Raise ValueError where the forecast is above the memory there is.

        Args:
            available: In bytes; None where it is not known, which refuses nothing.
        """
        if available is not None and self.total > available:
            raise ValueError(
                f"{self.describe()}, and there are {size_text(available)}; read fewer classes (--read.classes N), or "
                "take a smaller head.embedding or train.batch_size"
            )


def forecast_memory(num_classes: int, embedding: int, *, batch_size: int, optimizer: str) -> HeadMemory:
    """Return the memory that the class layer of an identity net needs in one process.

    Args:
        num_classes: C.
        embedding: Width of the layer before.
        batch_size: Pictures a micro-batch.
        optimizer: ``"sgd"`` (with momentum) or ``"adamw"``.

    Example:
        >>> size_text(forecast_memory(100_000, 512, batch_size=256, optimizer="sgd").total)
        '1.43 GB'
    """
    layer = num_classes * embedding * FLOAT_BYTES
    return HeadMemory(
        num_classes=num_classes,
        weights=layer,
        gradient=layer,
        optimizer=layer * (1 if optimizer == "sgd" else 2),
        update=layer,
        centers=layer,
        logits=4 * batch_size * num_classes * FLOAT_BYTES,
    )


def machine_memory(device: str) -> int | None:
    """Return the memory of the device in bytes: of the GPU, or of the machine or container; None if not known.

    Args:
        device: ``"cuda"`` or ``"cpu"``.
    """
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[1])
    limits = []
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        limits.append(int(CGROUP_LIMIT.read_text()))
    return min(limits, default=None)


def size_text(number: int) -> str:
    """Return a size in words, in powers of 1000.

    Example:
        >>> size_text(204_800_000), size_text(7_680)
        ('205 MB', '8 kB')
    """
    if number >= 1e9:
        return f"{number / 1e9:.2f} GB"
    return f"{number / 1e6:.0f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"
