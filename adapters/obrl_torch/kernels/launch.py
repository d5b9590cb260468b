"""How each kernel is launched: grids, block sizes and warps, by the size of the problem and the kind of GPU alone.

The block sizes were chosen so that nothing spills (`obrl_torch.kernels.compiled` shows it), and among those, by
measuring on an H200 on 2026-11-26. What is not said to depend on the GPU does not, so that results do not either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import triton

from obrl.measures import MEASURES
from obrl_torch.kernels.counting import count_kernel
from obrl_torch.kernels.loss import loss_kernel
from obrl_torch.kernels.relation import code_kernel, relation_kernel
from obrl_torch.kernels.scale import scale_kernel
from obrl_torch.kernels.wide_loss import degrees_kernel, halves_kernel, products_kernel, wide_loss_kernel
from obrl_torch.kernels.wide_relation import pack_kernel, wide_relation_kernel

SMALL_LABELS = 128
"""Up to this many labels one launch of `relation_kernel` and one of `loss_kernel` do everything, in float32."""

MANY_ROWS = 4096
"""From so many samples on, `loss_kernel` takes more of them at a time."""

MANY_LABELS = 1024
"""Above so many, there are enough large tiles of `wide_relation_kernel` for every processor."""

HOPPER = 90
"""A compute capability, times ten."""

INTERPRETED = not isinstance(loss_kernel, triton.JITFunction)
"""Whether `TRITON_INTERPRET=1` was set when the kernels were imported: they then run on a CPU, slowly."""

ENABLE_FP_FUSION = False
"""Whether a product and a sum may be rounded once; not, so that (i, j) and (j, i) are rounded alike."""

_RELATION_TILE = 16
"""The side of a tile of `relation_kernel`."""

MAX_REGISTERS = 255
"""What the hardware allows a thread. The assembler is told so: left to itself it spills a few to fit more programs."""


@dataclass(frozen=True)
class Launch:
    """A kernel with what is decided before its arguments are known.

    Attributes:
        kernel: of Triton.
        grid: the number of programs along each axis.
        blocks: its block sizes, by the names of its constants.
        num_warps: of 32 threads each.
        num_stages: how many steps of a loop are in flight.
        max_registers: that a thread may have; fewer let more programs run at once.
    """

    kernel: Any
    grid: tuple[int, ...]
    blocks: Mapping[str, int]
    num_warps: int
    num_stages: int = 1
    max_registers: int = MAX_REGISTERS

    @property
    def options(self) -> dict[str, Any]:
        """What the compiler is told."""
        return {
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
            "maxnreg": self.max_registers,
            "enable_fp_fusion": ENABLE_FP_FUSION,
        }

    def __call__(self, **arguments: Any) -> None:
        """Launch it on the current stream; the arguments are the kernel's, by name."""
        self.kernel[self.grid](**arguments, **self.blocks, **self.options)


def padded(size: int, block: int) -> int:
    """A size up to whole blocks."""
    return int(triton.cdiv(size, block)) * block


def code_row(num_labels: int) -> int:
    """Bytes from row to row of the codes: a multiple of what one load takes."""
    return padded(num_labels, 16)


def is_wide(num_labels: int, *, double: bool) -> bool:
    """Whether there are so many labels that products are worth preparing; never in float64, which is not split."""
    return num_labels > SMALL_LABELS and not double


def _square(
    kernel: Any,
    num_labels: int,
    blocks: Mapping[str, int],
    *,
    num_warps: int,
    num_stages: int = 1,
    max_registers: int = MAX_REGISTERS,
) -> Launch:
    """A launch over the pairs of tiles of a (num_labels, num_labels) matrix, of which each is its mirror image too."""
    along = triton.cdiv(num_labels, blocks["TILE"])
    return Launch(kernel, (along * (along + 1) // 2,), blocks, num_warps, num_stages, max_registers)


def _tile(*, double: bool) -> int:
    """The side of a tile where accumulators move; they are float32, or `double`."""
    return 16 if double else 32


def count(num_labels: int) -> Launch:
    """The launch of `count_kernel`."""
    return _square(count_kernel, num_labels, {"ROWS": 32, "GROUPS": 1, "TILE": 32}, num_warps=4)


_RELATION_ROWS = 64
"""How many samples a program of `relation_kernel` counts at once."""
_MOST_BATCH_PARTS = 32
_MOST_PROGRAMS = 256
"""Into how many parts `relation_kernel` deals out a batch, at most, and how many programs make it up at most."""


def most_arrivals() -> int:
    """How many pairs of tiles there are, at most, that several programs of `relation_kernel` count."""
    along = int(triton.cdiv(SMALL_LABELS, _RELATION_TILE))
    return along * (along + 1) // 2


def relation(batch: int, num_labels: int, *, parts: int | None = None) -> Launch:
    """The launch of `relation_kernel`: every warp counts its own samples, and every program its own part of them.

    `parts`, a power of two, is into how many the batch is dealt out: as many as are worth it, if None. Counts are
    exact, so that it changes no result.
    """
    run = _square(relation_kernel, num_labels, {"ROWS": _RELATION_ROWS, "TILE": _RELATION_TILE}, num_warps=2)
    if parts is None:
        wanted = triton.cdiv(max(batch, 1), _RELATION_ROWS)
        most = min(_MOST_BATCH_PARTS, 1 << (_MOST_PROGRAMS // run.grid[0]).bit_length() - 1)
        parts = min(most, triton.next_power_of_2(wanted)) if num_labels <= SMALL_LABELS else 1
    return replace(run, grid=(*run.grid, parts), blocks={**run.blocks, "GROUPS": run.num_warps, "PARTS": parts})


def code(num_labels: int, *, double: bool) -> Launch:
    """The launch of `code_kernel`, on accumulators in float32 or float64."""
    return _square(code_kernel, num_labels, {"TILE": _tile(double=double)}, num_warps=4 if double else 8)


def wide_relation(num_labels: int, *, capability: int, measure: str, estimator: str) -> Launch:
    """The launch of `wide_relation_kernel`: in large tiles, where they are many and nothing spills."""
    measured_once = MEASURES[measure].symmetric and estimator == "batch"  # not again for the mirror image
    if num_labels > MANY_LABELS and capability == HOPPER and measured_once:
        blocks, num_warps, max_registers = {"ROWS": 128, "TILE": 64}, 8, 128
    else:
        blocks, num_warps, max_registers = {"ROWS": 64, "TILE": 32}, 4, 168
    return _square(
        wide_relation_kernel, num_labels, blocks, num_warps=num_warps, num_stages=3, max_registers=max_registers
    )


def pack(batch: int, num_labels: int) -> Launch:
    """The launch of `pack_kernel`, for `wide_relation`."""
    return _over(pack_kernel, batch, num_labels, {"ROWS": 64, "LABELS": 64})


def _over(kernel: Any, batch: int, num_labels: int, blocks: Mapping[str, int]) -> Launch:
    """A launch over the blocks of a (batch, num_labels) matrix, by samples and labels."""
    grid = (triton.cdiv(batch, blocks["ROWS"]), triton.cdiv(num_labels, blocks["LABELS"]))
    return Launch(kernel, grid, blocks, num_warps=4)


def _columns(num_labels: int, tile: int) -> int:
    """How many tiles of labels the last program of a loss sums at once; few choices, for each is a kernel more."""
    columns = triton.cdiv(num_labels, tile)
    return 1 if columns <= 1 else 2 if columns == 2 else 8 if columns <= 8 else 32


def loss(batch: int, num_labels: int, *, double: bool) -> Launch:
    """The launch of `loss_kernel`, in float32 or float64."""
    num_warps, whole = 4, False
    if double:
        blocks = {"ROWS": 16, "TILE": 16, "STEP": 8}
    else:
        whole = num_labels <= 64
        tile = max(16, triton.next_power_of_2(num_labels)) if whole else 64
        blocks = {"ROWS": 32 if batch >= MANY_ROWS and whole else 16, "TILE": tile, "STEP": tile}
        num_warps = 8 if tile > 32 else 4
    blocks |= {"WHOLE": whole, "COLUMNS": _columns(num_labels, blocks["TILE"])}
    grid = (triton.cdiv(batch, blocks["ROWS"]), triton.cdiv(num_labels, blocks["TILE"]))
    return Launch(loss_kernel, grid, blocks, num_warps)


LARGE_SHARED = (HOPPER, 100, 103)
"""Compute capabilities, times ten, on which a program has room for the large blocks of `products_kernel`."""
MOST_LABEL_PARTS = 8
PART_COST = 1.3e-4
"""What it takes to write and add up one number of each product, in labels j that a program goes through."""
START_COST = 50
"""What it takes to start a program, likewise."""


def at_once(capability: int) -> int:
    """How many programs of `products_kernel` run at once on a device of a compute capability, times ten."""
    return 132 if capability in LARGE_SHARED else 264


@dataclass(frozen=True)
class Wide:
    """The launches of a loss on many labels, one after the other, and the sizes of what passes between them.

    Attributes:
        padded_batch: K up to whole blocks.
        padded_labels: M up to whole blocks.
        parts: into how many the labels j are dealt out.
        length: how many labels j a part has.
    """

    halves: Launch
    degrees: Launch
    products: Launch
    finish: Launch
    padded_batch: int
    padded_labels: int
    parts: int
    length: int


def wide_loss(batch: int, num_labels: int, *, capability: int) -> Wide:
    """The launches of a loss on codes of many labels, on a device of a compute capability, times ten."""
    large = capability in LARGE_SHARED
    blocks = {"ROWS": 128 if large else 64, "TILE": 128 if large else 64, "STEP": 32}
    rows, tiles = triton.cdiv(batch, blocks["ROWS"]), triton.cdiv(num_labels, blocks["TILE"])
    padded_batch = rows * blocks["ROWS"]

    def cost(parts: int) -> float:
        """In labels j that a program goes through: those of all waves of programs, their start, and adding parts up."""
        waves = triton.cdiv(rows * tiles * parts, at_once(capability))
        return waves * (num_labels / parts + START_COST) + parts * padded_batch * num_labels * PART_COST

    parts = min(range(1, MOST_LABEL_PARTS + 1), key=cost)
    length = padded(triton.cdiv(num_labels, parts), blocks["STEP"])
    parts = triton.cdiv(num_labels, length)  # none without a label
    padded_labels = padded(max(tiles * blocks["TILE"], parts * length), 128)
    tile = 512 if num_labels > 512 else 256
    columns = triton.cdiv(num_labels, tile)
    finish = {"ROWS": 2, "TILE": tile, "COLUMNS": _columns(num_labels, tile)}
    return Wide(
        halves=_over(halves_kernel, padded_batch, padded_labels, {"ROWS": 16, "LABELS": 128}),
        degrees=Launch(degrees_kernel, (triton.cdiv(num_labels, 4),), {"LABELS": 4, "STEP": 1024}, num_warps=4),
        products=Launch(
            products_kernel, (rows, tiles, parts), blocks, num_warps=8 if large else 4, num_stages=3 if large else 2
        ),
        finish=Launch(wide_loss_kernel, (triton.cdiv(batch, finish["ROWS"]), columns), finish, num_warps=4),
        padded_batch=padded_batch,
        padded_labels=padded_labels,
        parts=parts,
        length=length,
    )


def scale(batch: int, num_labels: int) -> Launch:
    """The launch of `scale_kernel`."""
    return _over(
        scale_kernel,
        batch,
        num_labels,
        {"ROWS": 16, "LABELS": min(128, max(16, triton.next_power_of_2(num_labels)))},
    )
