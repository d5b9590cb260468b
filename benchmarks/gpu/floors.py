"""The floors of a step: the time that a device needs at least for its bytes and for its matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.gpu.clocks import Clock

HOW = (
    "bytes: each argument and result of a step, read or written once: logits, targets and gradient, 4 K M each; R_sb "
    "and S, read and written, 16 M^2. What passes between kernels is not counted. operations: 2 K M^2 for each matrix "
    "product that the kernels run: 2 for the pair counts (n, s, r and c on one half of the pairs, which the other "
    "mirrors) and 8 for the loss (A q, B u with u = 2 q^3 - 2 q, B q and B q^2, each of a high and a low half, since "
    "float32 factors are split in two). All are counted at the rate of half precision, though above 128 labels the "
    "counts are products of bytes, at up to twice that rate: 9 products in place of 10, and a floor lower by a tenth. "
    "operations_unsplit counts the four of the loss once, 6 products in all: the strictest count, at which half "
    "precision alone would not reach float32's accuracy. Rates are measured on the device: bandwidth by copying an "
    "array (read and written), operations by torch.mm in float16, best of several. floor_us is the larger of bytes "
    "over bandwidth and operations over rate."
)
COUNT_PRODUCTS, LOSS_PRODUCTS, HALVES = 2, 4, 2


@dataclass(frozen=True)
class Rates:
    """The highest rates that were measured on the device.

    Attributes:
        bytes_per_s: bytes read and written by a copy.
        half_per_s: operations of a product of float16 matrices, float32 sums.
        single_per_s: operations of a product of float32 matrices, without TF32; for comparison only.
    """

    bytes_per_s: float
    half_per_s: float
    single_per_s: float

    def as_dict(self) -> dict[str, Any]:
        """The rates as plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Floor:
    """The floors of a step at one size; see `HOW`."""

    batch: int
    num_labels: int
    bytes: int
    operations: int
    operations_unsplit: int
    bytes_us: float
    operations_us: float
    operations_unsplit_us: float
    floor_us: float

    def as_dict(self) -> dict[str, Any]:
        """The floors as plain types."""
        return asdict(self)


def bytes_of(batch: int, num_labels: int) -> int:
    """The bytes that a step must move; see `HOW`."""
    return 3 * 4 * batch * num_labels + 2 * 2 * 4 * num_labels**2


def operations_of(batch: int, num_labels: int, *, split: bool) -> int:
    """The operations of a step's matrix products; see `HOW`."""
    products = COUNT_PRODUCTS + LOSS_PRODUCTS * (HALVES if split else 1)
    return products * 2 * batch * num_labels**2


def floor_of(batch: int, num_labels: int, rates: Rates) -> Floor:
    """The floors of a step at these rates.

    Example:
        >>> floor = floor_of(512, 10_000, Rates(bytes_per_s=2e12, half_per_s=5e14, single_per_s=5e13))
        >>> round(floor.bytes_us), round(floor.operations_us), round(floor.floor_us)
        (831, 2048, 2048)
    """
    moved = bytes_of(batch, num_labels)
    split, unsplit = (operations_of(batch, num_labels, split=split) for split in (True, False))
    bytes_us, operations_us = 1e6 * moved / rates.bytes_per_s, 1e6 * split / rates.half_per_s
    return Floor(
        batch=batch,
        num_labels=num_labels,
        bytes=moved,
        operations=split,
        operations_unsplit=unsplit,
        bytes_us=bytes_us,
        operations_us=operations_us,
        operations_unsplit_us=1e6 * unsplit / rates.half_per_s,
        floor_us=max(bytes_us, operations_us),
    )


def _best(clock: Clock, run: Callable[[], object], repeats: int) -> float:
    run()
    run()
    return min(clock.elapsed(run) for _ in range(repeats))


def measure_rates(clock: Clock, device: str, *, elements: int = 2**28, side: int = 8192, repeats: int = 10) -> Rates:
    """Measure the device.

    Args:
        clock: of the device.
        device: `"cuda"` or `"cpu"`.
        elements: number of elements of the float32 array that is copied, far more than a cache holds.
        side: size of the square matrices that are multiplied.
        repeats: number of measurements, of which the best counts.
    """
    bytes_per_s = 2 * 4 * elements / _best(clock, _copy(elements, device), repeats)
    operations = 2 * side**3
    half, single = (
        operations / _best(clock, _multiply(side, dtype, device), repeats) for dtype in (torch.float16, torch.float32)
    )
    return Rates(bytes_per_s, half, single)


def _copy(elements: int, device: str) -> Callable[[], object]:
    source = torch.ones(elements, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _multiply(side: int, dtype: torch.dtype, device: str) -> Callable[[], object]:
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=out)
