"""The launch of each kernel: its grid, block sizes and warps, which depend on the problem's size and the kind of GPU.

The block sizes are the fastest, on an H200 on 2026-11-26, of those that spill nothing (`tools.cubins.variants`
shows it). Only the functions with the argument `capability` depend on the GPU; the results of the others are the same
on every GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import triton
from torch import Tensor

from obrl.measures import MEASURES
from obrl_torch.kernels.counting import count_kernel
from obrl_torch.kernels.loss import loss_kernel
from obrl_torch.kernels.relation import code_kernel, relation_kernel
from obrl_torch.kernels.wide_loss import degrees_kernel, halves_kernel, products_kernel, wide_loss_kernel
from obrl_torch.kernels.wide_relation import pack_kernel, wide_relation_kernel

SMALL_LABELS = 128
"""Up to this many labels, in float32, one launch of `relation_kernel` and one of `loss_kernel` do a training step."""

MANY_ROWS = 4096
"""With at least so many samples, a program of `loss_kernel` takes more of them."""

LARGE_TILE_LABELS = 1024
"""With more labels, `wide_relation_kernel` has enough large tiles for all multiprocessors."""

HOPPER = 90
"""A compute capability, times ten."""

ENABLE_FP_FUSION = False
"""Whether the compiler may fuse a product and a sum. It must not, so that (i, j) and (j, i) have the same rounding."""

_RELATION_TILE = 16
"""The side of a tile of `relation_kernel`."""

MAX_REGISTERS = 255
"""The most registers of a thread that the hardware allows. Without it the assembler takes a lower limit, and spills."""


@dataclass(frozen=True)
class Launch:
    """A kernel with its grid and the options of the compiler.

    Attributes:
        kernel: the function of Triton.
        grid: the number of programs along each axis.
        blocks: the block sizes, by the names of the kernel's constants.
        num_warps: number of warps of a program, of 32 threads each.
        num_stages: number of steps of a loop whose loads run at the same time.
        max_registers: the most registers of a thread; with fewer, more programs run at once.
    """

    kernel: Any
    grid: tuple[int, ...]
    blocks: Mapping[str, int]
    num_warps: int
    num_stages: int = 1
    max_registers: int = MAX_REGISTERS

    @property
    def options(self) -> dict[str, Any]:
        """The options of the compiler."""
        return {
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
            "maxnreg": self.max_registers,
            "enable_fp_fusion": ENABLE_FP_FUSION,
        }

    def on(self, tensor: Tensor, **arguments: Any) -> None:
        """Launch the kernel on the current stream of a tensor's device; the arguments are the kernel's, by name."""
        with torch.cuda.device_of(tensor):  # does nothing on a CPU, where Triton interprets kernels
            self.kernel[self.grid](**arguments, **self.blocks, **self.options)


def padded(size: int, block: int) -> int:
    """A size, rounded up to whole blocks."""
    return int(triton.cdiv(size, block)) * block


def code_row(num_labels: int) -> int:
    """Bytes from row to row of the codes: a multiple of 16, the most that one load reads."""
    return padded(num_labels, 16)


def is_wide(num_labels: int, *, double: bool) -> bool:
    """Whether the kernels for many labels run. They compute in float32 only."""
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
    """A launch with a program for each pair I <= J of tiles of a (num_labels, num_labels) matrix."""
    along = triton.cdiv(num_labels, blocks["TILE"])
    return Launch(kernel, (along * (along + 1) // 2,), blocks, num_warps, num_stages, max_registers)


def _tile(*, double: bool) -> int:
    """The side of a tile of accumulators in float32, or float64 with `double`."""
    return 16 if double else 32


def count(num_labels: int) -> Launch:
    """The launch of `count_kernel`."""
    return _square(count_kernel, num_labels, {"ROWS": 32, "GROUPS": 1, "TILE": 32}, num_warps=4)


_RELATION_ROWS = 64
"""Number of samples that a program of `relation_kernel` counts at once."""
_MOST_BATCH_PARTS = 32
"""The most parts of a batch in `relation_kernel`."""
_MOST_PROGRAMS = 256
"""The most programs of `relation_kernel`."""


def most_arrivals() -> int:
    """The most pairs of tiles of `relation_kernel` that several programs count."""
    along = int(triton.cdiv(SMALL_LABELS, _RELATION_TILE))
    return along * (along + 1) // 2


def relation(batch: int, num_labels: int, *, parts: int | None = None) -> Launch:
    """The launch of `relation_kernel`: each program counts a part of the batch, and each warp some samples of it.

    `parts`, a power of two, is the number of parts of the batch; None chooses it by size. Counts are exact, so it
    changes no result.
    """
    run = _square(relation_kernel, num_labels, {"ROWS": _RELATION_ROWS, "TILE": _RELATION_TILE}, num_warps=2)
    if parts is None:
        steps = triton.cdiv(max(batch, 1), _RELATION_ROWS)
        most = min(_MOST_BATCH_PARTS, 1 << (_MOST_PROGRAMS // run.grid[0]).bit_length() - 1)
        parts = min(most, triton.next_power_of_2(steps)) if num_labels <= SMALL_LABELS else 1
    return replace(run, grid=(*run.grid, parts), blocks={**run.blocks, "GROUPS": run.num_warps, "PARTS": parts})


def code(num_labels: int, *, double: bool) -> Launch:
    """The launch of `code_kernel`, on accumulators in float32 or float64."""
    return _square(code_kernel, num_labels, {"TILE": _tile(double=double)}, num_warps=4 if double else 8)


def wide_relation(num_labels: int, *, capability: int, measure: str, estimator: str) -> Launch:
    """The launch of `wide_relation_kernel`: with large tiles where there are many and nothing spills."""
    shares_relation = MEASURES[measure].symmetric and estimator == "batch"  # a tile's relation serves its mirror image
    if num_labels > LARGE_TILE_LABELS and capability == HOPPER and shares_relation:
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
    """Number of tiles of labels that the last program of a loss sums at once. Each choice is a further variant."""
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
"""Compute capabilities, times ten, with enough shared memory for the large blocks of `products_kernel`."""
MOST_LABEL_PARTS = 8
"""The most parts of the labels j in `products_kernel`."""
PART_COST = 1.3e-4
"""The cost of writing and adding up one number of each product; the cost of one label j of a program is 1."""
START_COST = 50
"""The cost of starting a program, in the same unit."""


def at_once(capability: int) -> int:
    """Number of programs of `products_kernel` that run at once on a device of a compute capability, times ten."""
    return 132 if capability in LARGE_SHARED else 264


@dataclass(frozen=True)
class Wide:
    """The launches of a loss on many labels, in order, and the sizes of the arrays between them.

    Attributes:
        padded_batch: K, rounded up to whole blocks.
        padded_labels: M, rounded up to whole blocks.
        parts: number of parts of the labels j.
        length: number of labels j of a part.
    """

    halves: Launch
    degrees: Launch
    products: Launch
    loss: Launch
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
        """The time that the products take: labels j of all waves of programs, their start, and adding up parts."""
        waves = triton.cdiv(rows * tiles * parts, at_once(capability))
        return waves * (num_labels / parts + START_COST) + parts * padded_batch * num_labels * PART_COST

    parts = min(range(1, MOST_LABEL_PARTS + 1), key=cost)
    length = padded(triton.cdiv(num_labels, parts), blocks["STEP"])
    parts = triton.cdiv(num_labels, length)  # no part is empty
    padded_labels = padded(max(tiles * blocks["TILE"], parts * length), 128)
    tile = 512 if num_labels > 512 else 256
    columns = triton.cdiv(num_labels, tile)
    loss_blocks = {"ROWS": 2, "TILE": tile, "COLUMNS": _columns(num_labels, tile)}
    return Wide(
        halves=_over(halves_kernel, padded_batch, padded_labels, {"ROWS": 16, "LABELS": 128}),
        degrees=Launch(degrees_kernel, (triton.cdiv(num_labels, 4),), {"LABELS": 4, "STEP": 1024}, num_warps=4),
        products=Launch(
            products_kernel, (rows, tiles, parts), blocks, num_warps=8 if large else 4, num_stages=3 if large else 2
        ),
        loss=Launch(wide_loss_kernel, (triton.cdiv(batch, loss_blocks["ROWS"]), columns), loss_blocks, num_warps=4),
        padded_batch=padded_batch,
        padded_labels=padded_labels,
        parts=parts,
        length=length,
    )
