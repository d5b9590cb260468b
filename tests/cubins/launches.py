"""Compare the launches of the operators of torch with those of the native launcher, over the driver that records."""

from __future__ import annotations

import struct
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from obrl_torch.kernels import launch
from obrl_torch.operators import loss as loss_operators
from obrl_torch.operators import relation as relation_operators
from tests.cubins.table import rows
from tests.native import recording
from tests.native.recording import Launch, Memory
from tools.cubins import build, entries
from tools.cubins.compiled import TARGETS

LIBRARY = recording.library()
DRIVER = recording.driver()
ENTRIES = {DRIVER.hash(row.cubin): entry for row, entry in zip(rows(), entries.entries(), strict=True)}
"""By the hash of their cubin. Entries that share a cubin differ only in constants that the kernel does not use."""

for one in TARGETS:
    DRIVER.device(one, one)

OUTSIDE = ("observed_row", "observed_column")
"""Strides of a mask that does not exist."""


def stream(target: int) -> int:
    """A stream of the context of the device for a target."""
    return 4096 * target


class OperatorLaunches:
    """Records the launches of the operators of torch, on tensors without memory.

    Attributes:
        target: the compute capability, times ten, of the device that the operators see.
        launches: each launch, with the arguments of its kernel.
        tensors: the arguments of the operators, by name.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: int) -> None:
        self.target = target
        self.launches: list[tuple[launch.Launch, dict[str, Any]]] = []
        for module in (relation_operators, loss_operators):
            monkeypatch.setattr(module, "capability", lambda _: target)
        monkeypatch.setattr(launch.Launch, "on", lambda run, _, **arguments: self.launches.append((run, arguments)))
        monkeypatch.setattr(launch, "relation", partial(launch.relation, parts=entries.PARTS))
        self.tensors: dict[str, Tensor] = {}

    def tensor(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """A new argument of an operator."""
        self.tensors[name] = torch.empty(shape, dtype=dtype, device="meta")
        return self.tensors[name]

    def codes(self, num_labels: int) -> tuple[Tensor, Tensor, Tensor]:
        """The codes, the numbers of active pairs and the counter, with the sizes that the launcher uses."""
        numbers = LIBRARY.pairs_bytes(num_labels) - num_labels * launch.code_row(num_labels)
        code = self.tensor("pairs", num_labels, launch.code_row(num_labels), dtype=torch.int8)
        active = self.tensor("active", numbers // 4, dtype=torch.int32)
        return code, active, self.tensor("counter", 1, dtype=torch.int32)


def number(kind: str, data: bytes) -> Any:
    """The value of an argument of a type of the table."""
    return struct.unpack({"i32": "<i", "fp64": "<d"}.get(kind, "<Q"), data)[0]


def compare(calls: list[Any], expected: OperatorLaunches, memory: Memory, outputs: dict[str, tuple[str, int]]) -> None:
    """Kernels, grids, constants and numbers are the same; addresses are those of the same arrays.

    `outputs` has the place in `memory` of each array that the operators return. All other arrays that they allocate are
    in the scratch, and do not overlap.
    """
    launches = [one for one in calls if isinstance(one, Launch)]
    scratch: dict[int, int] = {}
    for one, (run, arguments) in zip(launches, expected.launches, strict=True):
        variant = ENTRIES[one.image].variant
        assert one.symbol == run.kernel.__name__ == variant.launch.kernel.__name__
        assert one.grid == (*run.grid, 1, 1)[:3]
        assert one.threads == 32 * run.num_warps
        assert (variant.launch.blocks, variant.launch.options) == (run.blocks, run.options)
        constants = {name: value for name, value in arguments.items() if name not in variant.types}
        assert same_code(variant.constants, constants)
        types = build.arguments(variant)
        assert len(types) == len(one.arguments)
        assert all(arguments[name] == 1 for name in variant.ones if name not in OUTSIDE)
        for (name, kind), data in zip(types.items(), one.arguments, strict=True):
            value, at = arguments.get(name), number(kind, data)
            if not isinstance(value, Tensor):
                assert at == (0 if value is None else value), name
                assert value is not None or name.endswith("_scratch")
            else:
                place = memory.find(at)
                role = next((role for role, tensor in expected.tensors.items() if tensor is value), name)
                if place[0] == "scratch":
                    assert role not in outputs
                    size = value.numel() * value.element_size()
                    assert place[1] + size <= memory.size("scratch"), name
                    scratch[place[1]] = max(size, scratch.get(place[1], 0))
                else:
                    assert place == outputs.get(role, (role, 0)), name
    places = sorted(scratch.items())
    assert all(begin + size <= after for (begin, size), (after, _) in pairwise(places))


def same_code(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether constants compile to the same code: without a batch, that of the estimator "batch" has no measure."""
    if one.get("MOVES") is False and one["ESTIMATOR"] == other["ESTIMATOR"] == "batch":
        return one | {"MEASURE": ""} == other | {"MEASURE": ""}
    return one == other


def pairs_at(num_labels: int) -> dict[str, tuple[str, int]]:
    """The places of codes and of numbers of active pairs, which are one array of the launcher."""
    return {"code": ("pairs", 0), "active": ("pairs", num_labels * launch.code_row(num_labels))}
