"""The kernels and the largest buffer of a program that XLA compiled, from its optimized HLO text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

WITHOUT_KERNELS = frozenset(
    ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "partition-id", "replica-id", "after-all")
)
"""Operations that launch no kernel."""

_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?[\w.-]+ = .*?\s([a-z][a-z0-9-]*)\(")
_CALLED = re.compile(r"(?:to_apply|(?:true|false)_computation|branch_computations)=(?:\{([^}]*)\}|([^,\s]+))")


class Instruction(NamedTuple):
    """An operation, and the line it stands in."""

    operation: str
    line: str


def count_kernels(hlo: str) -> int:
    """The kernels of one run: a fusion is one, with all that is in it; of a conditional, the longest branch counts.

    Raises:
        ValueError: no program, a line that reads as no instruction, or a loop, which has no fixed number.
    """
    entry, computations = _parse(hlo)
    return _kernels_of(entry, computations)


def largest_buffer(hlo: str) -> int:
    """The most elements that any array named in a program has, inside of fused kernels too."""
    shapes = re.findall(r"\b(?:f|s|u|pred|bf)\d*\[([\d,]+)\]", hlo)
    return max(math.prod(int(number) for number in shape.split(",")) for shape in shapes)


def _kernels_of(name: str, computations: Mapping[str, list[Instruction]]) -> int:
    kernels = 0
    for operation, line in computations[name]:
        if operation == "while":
            raise ValueError(f"a loop has no fixed number of kernels, got {line.strip()}")
        if operation == "conditional":
            kernels += max(_kernels_of(branch, computations) for branch in _called(line))
        elif operation == "call":
            kernels += sum(_kernels_of(called, computations) for called in _called(line))
        elif operation not in WITHOUT_KERNELS:
            kernels += 1
    return kernels


def _called(line: str) -> list[str]:
    """The computations that a conditional or a call names."""
    lists = (several or one for several, one in _CALLED.findall(line))
    return [name.strip().removeprefix("%") for names in lists for name in names.split(",")]


def _parse(hlo: str) -> tuple[str, dict[str, list[Instruction]]]:
    """The name of the entry, and the instructions of every computation."""
    entry, computations = "", dict[str, list[Instruction]]()
    inside: list[Instruction] | None = None
    for line in hlo.splitlines():
        if header := _COMPUTATION.match(line):
            entry = header[2] if header[1] else entry
            inside = computations[header[2]] = []
        elif line == "}":
            inside = None
        elif inside is not None:
            instruction = _INSTRUCTION.match(line)
            if instruction is None:
                raise ValueError(f"a program in HLO must hold one instruction a line, got {line.strip()}")
            inside.append(Instruction(instruction[1], line))
    if not entry:
        raise ValueError(f"a program in HLO must have an ENTRY, got {hlo[:80]!r}")
    return entry, computations
