"""Every kernel compiles for every target and spills nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import triton
from triton.compiler.errors import CompilationError

from obrl_torch.kernels import launch
from tests.support.profiles import draws_many
from tools.cubins.compiled import GRID_RULES, MAX_SHARED, TARGETS, compile_variant
from tools.cubins.variants import variants

VARIANTS = {variant.name: variant for variant in variants()}


def sample() -> list[tuple[str, int]]:
    """Variants and targets: each kernel at every block size, for every target.

    With `HYPOTHESIS_PROFILE=slow`, all variants for every target.
    """
    seen = set()
    result = []
    for name, variant in VARIANTS.items():
        for target in variant.targets:
            size = (variant.launch.kernel.__name__, str(variant.launch.blocks), variant.launch.num_warps, target)
            if size not in seen or draws_many():
                result.append((name, target))
            seen.add(size)
    return result


def test_nothing_is_interpreted() -> None:
    assert all(isinstance(variant.launch.kernel, triton.JITFunction) for variant in VARIANTS.values())


def test_every_kernel_is_among_them() -> None:
    assert {variant.launch.kernel.__name__ for variant in VARIANTS.values()} == set(GRID_RULES)
    assert len(VARIANTS) == len(variants())


def test_every_kernel_is_compiled_for_every_target() -> None:
    compiled = {(VARIANTS[name].launch.kernel.__name__, target) for name, target in sample()}
    assert compiled == {(kernel, target) for kernel in GRID_RULES for target in TARGETS}


@pytest.mark.parametrize(("name", "target"), sample())
def test_compiles_without_spills(name: str, target: int) -> None:
    compiled = compile_variant(VARIANTS[name], target)
    assert compiled.cubin[:4] == b"\x7fELF"
    assert compiled.symbol == VARIANTS[name].launch.kernel.__name__
    assert compiled.spilled == 0
    assert 0 < compiled.registers <= launch.MAX_REGISTERS
    assert compiled.shared <= MAX_SHARED[target]
    assert f"sm_{target} | {compiled.symbol} | grid (" in compiled.row


def test_a_stride_of_1_is_no_argument() -> None:
    contiguous = VARIANTS["loss, 64 contiguous labels"]
    row = compile_variant(contiguous, contiguous.targets[0]).row
    assert "row: i32" in row
    assert "column: i32" not in row


def test_a_measure_without_a_formula_does_not_compile() -> None:
    variant = VARIANTS["codes"]
    unknown = replace(variant, constants={**variant.constants, "ESTIMATOR": "counts", "MEASURE": "tetrachoric"})
    with pytest.raises(CompilationError) as raised:
        compile_variant(unknown, variant.targets[0])
    error: BaseException = raised.value
    while error.__cause__ is not None:  # one for each function on the way
        error = error.__cause__
    assert "this measure has no formula" in str(error)
