"""Every kernel as a cubin: it compiles for every target, spills nothing, and fits."""

from __future__ import annotations

import pytest

from obrl_torch.kernels import launch
from obrl_torch.kernels.compiled import GRID_RULES, MAX_SHARED, TARGETS, compile_variant, variants
from tests.support.profiles import draws_many

VARIANTS = {variant.name: variant for variant in variants()}


def chosen() -> list[tuple[str, int]]:
    """What is compiled here: each kernel at every block size, for every target.

    With `HYPOTHESIS_PROFILE=slow`, everything for every target.
    """
    seen = set()
    found = []
    for name, variant in VARIANTS.items():
        for target in variant.targets:
            size = (variant.launch.kernel.__name__, str(variant.launch.blocks), variant.launch.num_warps, target)
            if size not in seen or draws_many():
                found.append((name, target))
            seen.add(size)
    return found


def test_nothing_is_interpreted() -> None:
    assert not launch.INTERPRETED


def test_every_kernel_is_among_them() -> None:
    assert {variant.launch.kernel.__name__ for variant in VARIANTS.values()} == set(GRID_RULES)
    assert len(VARIANTS) == len(variants())


def test_every_kernel_is_compiled_for_every_target() -> None:
    found = {(VARIANTS[name].launch.kernel.__name__, target) for name, target in chosen()}
    assert found == {(kernel, target) for kernel in GRID_RULES for target in TARGETS}


@pytest.mark.parametrize(("name", "target"), chosen())
def test_compiles_without_spills(name: str, target: int) -> None:
    compiled = compile_variant(VARIANTS[name], target)
    assert compiled.cubin[:4] == b"\x7fELF"
    assert compiled.symbol == VARIANTS[name].launch.kernel.__name__
    assert compiled.spilled == 0
    assert 0 < compiled.registers <= launch.MAX_REGISTERS
    assert compiled.shared <= MAX_SHARED[target]
    assert f"sm_{target} | {compiled.symbol} | grid (" in compiled.row


def test_what_is_1_by_construction_is_no_argument() -> None:
    contiguous = VARIANTS["loss, 64 contiguous labels"]
    row = compile_variant(contiguous, contiguous.targets[0]).row
    assert "row: i32" in row
    assert "column: i32" not in row
