"""How each kernel is launched: grids, block sizes and warps, by the size of the problem alone.

The block sizes were chosen so that nothing spills (`obrl_torch.kernels.compiled` shows it); they have not been tuned on
a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import triton

from obrl_torch.kernels.counting import count_kernel
from obrl_torch.kernels.loss import loss_kernel
from obrl_torch.kernels.relation import code_kernel, relation_kernel
from obrl_torch.kernels.scale import scale_kernel

SMALL_LABELS = 128
"""Up to this many labels one tile of `loss_kernel` holds them all, in float32."""

INTERPRETED = not isinstance(loss_kernel, triton.JITFunction)
"""Whether `TRITON_INTERPRET=1` was set when the kernels were imported: they then run on a CPU, slowly."""

ENABLE_FP_FUSION = False
"""Whether a product and a sum may be rounded once; not, so that (i, j) and (j, i) are rounded alike."""

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
    """

    kernel: Any
    grid: tuple[int, ...]
    blocks: Mapping[str, int]
    num_warps: int
    num_stages: int = 1

    @property
    def options(self) -> dict[str, Any]:
        """What the compiler is told."""
        return {
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
            "maxnreg": MAX_REGISTERS,
            "enable_fp_fusion": ENABLE_FP_FUSION,
        }

    def __call__(self, **arguments: Any) -> None:
        """Launch it on the current stream; the arguments are the kernel's, by name."""
        self.kernel[self.grid](**arguments, **self.blocks, **self.options)


def _square(kernel: Any, num_labels: int, blocks: Mapping[str, int], *, num_warps: int, num_stages: int = 1) -> Launch:
    """A launch over the tiles of a (num_labels, num_labels) matrix."""
    along = triton.cdiv(num_labels, blocks["TILE"])
    return Launch(kernel, (along, along), blocks, num_warps, num_stages)


def _tile(*, double: bool) -> int:
    """The side of a tile where accumulators move; they are float32, or `double`."""
    return 16 if double else 32


def active_size(num_labels: int, *, double: bool) -> int:
    """How many partial numbers of active pairs the relation's kernels write."""
    return triton.cdiv(num_labels, _tile(double=double)) ** 2


def count(num_labels: int) -> Launch:
    """The launch of `count_kernel`."""
    return _square(count_kernel, num_labels, {"ROWS": 32, "TILE": 64}, num_warps=8)


def relation(num_labels: int, *, double: bool) -> Launch:
    """The launch of `relation_kernel`, on accumulators in float32 or float64."""
    blocks = {"ROWS": 64, "TILE": _tile(double=double)}
    return _square(relation_kernel, num_labels, blocks, num_warps=4 if double else 8)


def code(num_labels: int, *, double: bool) -> Launch:
    """The launch of `code_kernel`, on accumulators in float32 or float64."""
    return _square(code_kernel, num_labels, {"TILE": _tile(double=double)}, num_warps=4 if double else 8)


def loss(batch: int, num_labels: int, *, coded: bool, double: bool) -> Launch:
    """The launch of `loss_kernel`, on codes or weights, in float32 or float64."""
    num_warps, num_stages = 4, 1
    if double or not coded:
        blocks = {"ROWS": 16, "TILE": 32, "STEP": 32}
    elif num_labels <= SMALL_LABELS:
        tile = max(16, triton.next_power_of_2(num_labels))
        blocks = {"ROWS": 16, "TILE": tile, "STEP": 32}
        num_warps = 8 if tile == SMALL_LABELS else 4
    else:
        blocks = {"ROWS": 64, "TILE": 32, "STEP": 32}
        num_warps, num_stages = 8, 2
    grid = (triton.cdiv(batch, blocks["ROWS"]), triton.cdiv(num_labels, blocks["TILE"]))
    return Launch(loss_kernel, grid, blocks, num_warps, num_stages)


def scale(batch: int, num_labels: int) -> Launch:
    """The launch of `scale_kernel`."""
    blocks = {"ROWS": 16, "LABELS": min(128, max(16, triton.next_power_of_2(num_labels)))}
    grid = (triton.cdiv(batch, blocks["ROWS"]), triton.cdiv(num_labels, blocks["LABELS"]))
    return Launch(scale_kernel, grid, blocks, num_warps=4)
