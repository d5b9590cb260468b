"""A kernel as a cubin, compiled without a GPU, and what a launch of it needs.

A launch needs no torch: pointers, sizes, and the numbers of `Compiled`.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from obrl_torch.kernels.launch import Launch

TARGETS = (80, 90, 100)
"""Compute capabilities, times ten: Ampere, Hopper, Blackwell."""

MAX_SHARED = {80: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
"""Bytes of shared memory that a program may use on every GPU that runs a target's cubins."""

_BY_TILES = "t (t + 1) / 2 with t = cdiv(num_labels, TILE)"
_BY_PADDED_BLOCKS = "cdiv(padded_batch, ROWS), cdiv(padded_labels, LABELS)"
GRID_RULES = {
    "relation_kernel": f"{_BY_TILES}, PARTS",
    "count_kernel": _BY_TILES,
    "code_kernel": _BY_TILES,
    "pack_kernel": _BY_PADDED_BLOCKS,
    "wide_relation_kernel": _BY_TILES,
    "loss_kernel": "cdiv(batch, ROWS), cdiv(num_labels, TILE)",
    "halves_kernel": _BY_PADDED_BLOCKS,
    "degrees_kernel": "cdiv(num_labels, LABELS)",
    "products_kernel": "padded_batch / ROWS, cdiv(num_labels, TILE), parts",
    "wide_loss_kernel": "cdiv(batch, ROWS), cdiv(num_labels, TILE)",
}

_MULTIPLES = ("code_row", "padded_batch", "padded_labels", "length")
"""Sizes that 16 divides by construction, in every variant."""

_NUMBERS = dict.fromkeys(("decay_less_one", "r_p", "r_n", "alpha"), "fp64")
"""The settings among the arguments."""


@dataclass(frozen=True)
class Variant:
    """A kernel, specialised for some dtypes and constants.

    Attributes:
        name: unique among variants.
        launch: its block sizes and warps.
        types: of each argument, as Triton writes them (`"*fp32"`, `"i32"`).
        constants: values of its constants, without block sizes.
        targets: the compute capabilities, times ten, to compile for.
        contiguous: number of labels of the contiguous arrays that this variant is specialised for, as Triton does on a
            launch: strides of 1 become constants, and the compiler knows which arguments 16 divides. None for any.
        any_size: whether it is specialised for contiguous arrays of any size: strides of 1 become constants, and the
            compiler knows that 16 divides addresses.
    """

    name: str
    launch: Launch
    types: Mapping[str, str]
    constants: Mapping[str, Any]
    targets: tuple[int, ...] = TARGETS
    contiguous: int | None = None
    any_size: bool = False

    @property
    def ones(self) -> dict[str, int]:
        """The arguments that are constants of 1: strides of contiguous arrays."""
        if self.contiguous is None and not self.any_size:
            return {}
        return {name: 1 for name in self.types if name.endswith(("column", "_stride"))}

    @property
    def divisible(self) -> list[str]:
        """The arguments of which the compiler may assume that 16 divides them."""
        by_labels = self.contiguous is not None and self.contiguous % 16 == 0
        return [
            name
            for name, kind in self.types.items()
            if name in _MULTIPLES
            or (self.any_size and kind.startswith("*"))
            or (self.contiguous is not None and (kind.startswith("*") or name == "batch"))
            or (by_labels and (name == "num_labels" or name.endswith("row")))
        ]


@dataclass(frozen=True)
class Compiled:
    """The cubin of a variant for a target.

    Attributes:
        variant: the variant.
        target: the compute capability, times ten.
        symbol: the kernel's name in the cubin.
        cubin: the binary.
        shared: bytes of dynamic shared memory that a launch must ask for.
        registers: number of registers of a thread.
        spilled: bytes of local memory of a thread: its stack and spilled registers.
        scratch: bytes of device memory that Triton would allocate for a launch.
    """

    variant: Variant
    target: int
    symbol: str
    cubin: bytes
    shared: int
    registers: int
    spilled: int
    scratch: int

    @property
    def row(self) -> str:
        """A line of the table."""
        run = self.variant.launch
        blocks = " ".join(f"{name}={size}" for name, size in run.blocks.items())
        ones = self.variant.ones
        arguments = ", ".join(f"{name}: {kind}" for name, kind in self.variant.types.items() if name not in ones)
        return (
            f"{self.variant.name} | sm_{self.target} | {self.symbol} | grid ({GRID_RULES[self.symbol]}) | {blocks} | "
            f"{32 * run.num_warps} threads | {self.shared} B shared | {self.registers} registers | "
            f"{self.spilled} B spilled | {arguments}"
        )


def argument_types(run: Launch, **pointers: str) -> dict[str, str]:
    """The types of a kernel's arguments, in its order; settings are float64, and sizes and strides int32."""
    constants = {parameter.name for parameter in run.kernel.params if parameter.is_constexpr}
    return {name: {**_NUMBERS, **pointers}.get(name, "i32") for name in run.kernel.arg_names if name not in constants}


def compile_variant(variant: Variant, target: int) -> Compiled:
    """Compile a variant for a target, and read what a launch of it needs."""
    run = variant.launch
    constants = {**variant.constants, **variant.ones, **run.blocks}
    source = ASTSource(
        fn=run.kernel,
        signature={**variant.types, **dict.fromkeys(constants, "constexpr")},
        constexprs=constants,
        attrs={(run.kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in variant.divisible},
    )
    kernel = triton.compile(source, target=GPUTarget("cuda", target, 32), options=run.options)
    cubin: bytes = kernel.asm["cubin"]
    usage = resource_usage(cubin)
    return Compiled(
        variant=variant,
        target=target,
        symbol=kernel.metadata.name,
        cubin=cubin,
        shared=kernel.metadata.shared,
        registers=usage["REG"],
        spilled=usage["STACK"] + usage["LOCAL"],
        scratch=kernel.metadata.global_scratch_size + kernel.metadata.profile_scratch_size,
    )


def resource_usage(cubin: bytes) -> dict[str, int]:
    """Registers, stack and local memory of the only kernel in a cubin, from the cuobjdump that comes with Triton."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        printed = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    return {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", printed)}
