"""The kernels as cubins, made without a GPU, and the table of what each needs to be launched.

    python -m obrl_torch.kernels.compiled [--target 80 90 100]

A launch needs no torch: pointers, sizes, and what the table says.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from obrl_torch.kernels import launch
from obrl_torch.kernels.launch import Launch

TARGETS = (80, 90, 100)
"""Compute capabilities, times ten: Ampere, Hopper, Blackwell."""

MAX_SHARED = {80: 99 * 1024, 90: 227 * 1024, 100: 227 * 1024}
"""Bytes of shared memory a program may take on every GPU that runs a target's cubins."""

_BY_TILES = "t (t + 1) / 2 with t = cdiv(num_labels, TILE)"
_BY_BLOCKS = "cdiv(batch, ROWS), cdiv(num_labels, LABELS)"
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
    "scale_kernel": _BY_BLOCKS,
}


_MULTIPLES = ("code_row", "padded_batch", "padded_labels", "length")
"""Sizes that 16 divides, by construction."""


@dataclass(frozen=True)
class Variant:
    """A kernel for some dtypes and constants.

    Attributes:
        name: what tells it from the others.
        launch: its blocks and warps.
        types: of each argument, as Triton writes them (`"*fp32"`, `"i32"`).
        constants: beside the block sizes.
        targets: what it is compiled for.
        contiguous: of how many labels, where it is what Triton makes of a launch on contiguous arrays: the distances
            that are 1 are no arguments any more, and the compiler knows what 16 divides. None for any strides.
        any_size: whether it is for contiguous arrays of any size: of their addresses alone it is known that 16 divides
            them.
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
        """What is 1 by construction."""
        if self.contiguous is None and not self.any_size:
            return {}
        return {name: 1 for name in self.types if name.endswith(("column", "_stride"))}

    @property
    def divisible(self) -> list[str]:
        """The arguments that 16 divides: some always; with `contiguous`, addresses, the batch and whole rows too."""
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
    """A variant for a target.

    Attributes:
        variant: what was compiled.
        target: the compute capability, times ten.
        symbol: the kernel's name in the cubin.
        cubin: the binary.
        shared: bytes of dynamic shared memory that a launch must ask for.
        registers: a thread's.
        spilled: bytes of local memory a thread needs: stack and spilled registers.
        scratch: bytes of memory that Triton would allocate for a launch.
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
    """The types of a kernel's arguments, in its order: pointers as given, float64 for settings, int32 for sizes."""
    constants = {parameter.name for parameter in run.kernel.params if parameter.is_constexpr}
    return {name: {**_NUMBERS, **pointers}.get(name, "i32") for name in run.kernel.arg_names if name not in constants}


_BATCH = 1024
_STATE = {"relation_sum": "*fp32", "relation_weight": "*fp32"}
_NUMBERS = dict.fromkeys(("decay_less_one", "r_p", "r_n", "alpha"), "fp64")
_CODES = {"code": "*i8", "active": "*i32", "counter": "*i32", "arrivals": "*i32", "partials": "*fp32"}
_LABELS = {"targets": "*fp32", "observed": "*u8"}
_MEASURE = {"MEASURE": "unit_pearson", "SYMMETRIC": True, "ESTIMATOR": "batch"}
_MISSING = {"MASKED": True, "COMPLETE": False}
_LOSS = {
    **_LABELS,
    "logits": "*fp32",
    "sample_weight": "*fp32",
    "pos_weight": "*fp32",
    "pairs": "*i8",
    "active": "*i32",
    "counter": "*i32",
    **dict.fromkeys(("total", "cross_entropy", "relation_loss", "gradient", "second_gradient", "partials"), "*fp32"),
}
_WHOLE_LOSS = {
    "JOINT": True,
    "MASKED": True,
    "WEIGHTED": True,
    "POS_WEIGHTED": True,
    "ACTIVE_PAIRS": True,
    "REDUCTION": "mean",
    "GRADIENT": "parts",
    "DTYPE": tl.float32,
}
_GRADIENTS = ("gradient", "second_gradient", "of_total", "of_entropy", "of_relation")


def _double(types: Mapping[str, str]) -> dict[str, str]:
    return {name: "*fp64" if kind == "*fp32" else kind for name, kind in types.items()}


def _relation(name: str, num_labels: int, constants: Mapping[str, Any], **pointers: str) -> Variant:
    types = {**_LABELS, **_STATE, **_CODES, **pointers}
    run = launch.relation(_BATCH, num_labels)
    types = argument_types(run, **types)
    return Variant(name, run, types, {**_MISSING, **_MEASURE, **constants})


def _contiguous(variant: Variant, num_labels: int) -> Variant:
    name = f"{variant.name}, {num_labels} contiguous labels"
    return replace(variant, name=name, contiguous=num_labels, targets=(launch.HOPPER,))


def _loss(name: str, num_labels: int, constants: Mapping[str, Any], **pointers: str) -> Variant:
    chosen = {**_WHOLE_LOSS, **constants}
    run = launch.loss(_BATCH, num_labels, double=chosen["DTYPE"] == tl.float64)
    return Variant(name, run, argument_types(run, **{**_LOSS, **pointers}), chosen)


def _wide() -> list[Variant]:
    """The kernels for many labels, and again for logits and targets of any strides, those that read them.

    What passes from one to the other is always aligned.
    """
    batch = 512
    pointers = {
        **_LABELS,
        **_STATE,
        **_CODES,
        **_LOSS,
        **{"packed": "*i8", "halves": "*fp16", "code": "*i8", "degrees": "*fp32", "products": "*fp32"},
    }
    loss = {name: value for name, value in _WHOLE_LOSS.items() if name != "DTYPE"}
    found = []

    def add(name: str, run: Launch, labels: int, targets: tuple[int, ...] = TARGETS, **constants: Any) -> None:
        name = f"{name}, {labels} labels"
        variant = Variant(name, run, argument_types(run, **pointers), constants, targets=targets, contiguous=labels)
        found.append(variant)
        if {"logits", "targets"} & set(variant.types) and labels % 16:
            found.append(replace(variant, name=f"{name}, any strides", contiguous=None))

    for labels in (1000, 10_000):
        plans = {target: launch.wide_loss(batch, labels, capability=target) for target in TARGETS}
        plan = plans[TARGETS[0]]
        add("pack", launch.pack(batch, labels), labels, MASKED=True)
        add("halves", plan.halves, labels)
        add("degrees", plan.degrees, labels)
        add("wide loss", plan.finish, labels, **loss)
        for target in TARGETS:
            add(f"products for sm_{target}", plans[target].products, labels, targets=(target,))
            for measure, estimator in (("unit_pearson", "batch"), ("phi_ratio", "counts"), ("conditional", "batch")):
                run = launch.wide_relation(labels, capability=target, measure=measure, estimator=estimator)
                constants = {"MEASURE": measure, "SYMMETRIC": measure != "conditional", "ESTIMATOR": estimator}
                name = f"wide relation for sm_{target}, {measure}, {estimator}"
                add(name, run, labels, targets=(target,), **constants)
    return found


@cache
def variants() -> tuple[Variant, ...]:
    """What is compiled: each kernel at every block size, and with the constants that need most of it."""
    few, many = 40, 1000
    scale, count, code = launch.scale(_BATCH, few), launch.count(many), launch.code(many, double=False)
    relations = [
        _relation(f"relation, {measure}, {estimator}", few, {**constants, "ESTIMATOR": estimator})
        for measure, constants in (
            ("unit_pearson", {}),
            ("phi_ratio", {"MEASURE": "phi_ratio"}),
            ("conditional", {"MEASURE": "conditional", "SYMMETRIC": False}),
        )
        for estimator in ("batch", "counts")
    ]
    losses = [
        variant
        for labels, size in ((few, "few"), (launch.SMALL_LABELS, "128"))
        for variant in (
            _loss(f"loss, {size} labels", labels, {}),
            _loss(f"loss, {size} labels, bfloat16", labels, {"GRADIENT": "total"}, logits="*bf16", targets="*bf16"),
        )
    ]
    contiguous = [
        *(_contiguous(_relation("relation", labels, {}), labels) for labels in (few, 64)),
        *(_contiguous(_loss("loss", labels, {}), labels) for labels in (16, 20, few, 64, launch.SMALL_LABELS)),
    ]
    return (
        *relations,
        *contiguous,
        _relation("relation, complete bytes", few, {"MASKED": False, "COMPLETE": True}, targets="*u8"),
        _relation("relation, float64", few, {}, **_double({**_LABELS, **_STATE})),
        Variant("counts", count, argument_types(count, **_LABELS, counts="*fp32"), _MISSING),
        Variant("codes", code, argument_types(code, counts="*fp32", **_STATE, **_CODES), {**_MEASURE, "MOVES": True}),
        *losses,
        replace(
            _loss("loss, many samples", few, {}),
            launch=launch.loss(launch.MANY_ROWS, few, double=False),
        ),
        _loss("loss by sample", few, {"REDUCTION": "none"}, targets="*i64"),
        *_wide(),
        _loss("loss, L_B alone", few, {"JOINT": False, "MASKED": False, "POS_WEIGHTED": False}),
        _loss("loss, float64", few, {"DTYPE": tl.float64}, **_double(_LOSS)),
        Variant(
            "scale",
            scale,
            argument_types(scale, **dict.fromkeys(_GRADIENTS, "*fp32"), result="*bf16"),
            {"PARTS": True, "HAS_TOTAL": True, "HAS_ENTROPY": True, "HAS_RELATION": True},
        ),
    )


def compile_variant(variant: Variant, target: int) -> Compiled:
    """Make the cubin of a variant for a target, and read from it what it needs."""
    run = variant.launch
    constants = {**variant.constants, **variant.ones, **run.blocks}
    source = ASTSource(
        fn=run.kernel,
        signature={**variant.types, **dict.fromkeys(constants, "constexpr")},
        constexprs=constants,
        attrs={(run.kernel.arg_names.index(name),): [["tt.divisibility", 16]] for name in variant.divisible},
    )
    found = triton.compile(source, target=GPUTarget("cuda", target, 32), options=run.options)
    cubin: bytes = found.asm["cubin"]
    usage = resource_usage(cubin)
    return Compiled(
        variant=variant,
        target=target,
        symbol=found.metadata.name,
        cubin=cubin,
        shared=found.metadata.shared,
        registers=usage["REG"],
        spilled=usage["STACK"] + usage["LOCAL"],
        scratch=found.metadata.global_scratch_size + found.metadata.profile_scratch_size,
    )


def resource_usage(cubin: bytes) -> dict[str, int]:
    """What cuobjdump, which comes with Triton, says that a cubin's only kernel uses."""
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        printed = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    return {name: int(value) for name, value in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", printed)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m obrl_torch.kernels.compiled", description=__doc__)
    parser.add_argument("--target", type=int, nargs="+", choices=TARGETS, default=TARGETS)
    for target in parser.parse_args(arguments).target:
        for variant in variants():
            if target in variant.targets:
                print(compile_variant(variant, target).row, flush=True)


if __name__ == "__main__":
    main()
