"""The native launcher does what `obrl.torch` does: the same kernels, in the same order, with the same arguments."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise, product
from typing import Any

import pytest
import torch
from torch import Tensor

from obrl.measures import MEASURES
from obrl_torch.kernels import cubins, launch
from obrl_torch.kernels.compiled import TARGETS
from obrl_torch.operators import loss as loss_operators
from obrl_torch.operators import relation as relation_operators
from tests.cubins.table import rows
from tests.native import recording
from tests.native.recording import Launch, Memory, Set

LIBRARY = recording.library()
DRIVER = recording.driver()
ENTRIES = {DRIVER.hash(row.cubin): entry for row, entry in zip(rows(), cubins.entries(), strict=True)}
"""Those of the same cubin differ in constants alone that the kernel does not use."""

for one in TARGETS:
    DRIVER.device(one, one)


def stream(target: int) -> int:
    """A stream of the context of the device for a target."""
    return 4096 * target


SIZES = (
    *((0, 40), (1, 1), (1, 16), (64, 40), (65, 17), (511, 40), (1024, 40), (5000, 40), (64, 64), (100, 65), (7, 128)),
    *((0, 129), (1, 129), (64, 256), (65, 257), (128, 312), (128, 1000), (512, 1024), (512, 1025), (512, 10_000)),
    *((3, 16_384), (4096, 4096), (4097, 4097), (20_000, 128), (100_000, 1000), (2**24, 3), (2**24, 500)),
)
"""Samples and labels, at and around everything that a choice of a launch depends on."""

SMALL_AND_WIDE = ((96, 40), (96, 300))
OUTSIDE = ("observed_row", "observed_column")
"""Strides of a mask that is not there."""


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    DRIVER.reset()
    yield
    assert DRIVER.left_behind() == (0, 0)


class Torch:
    """The launches of the operators, on tensors without memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, target: int) -> None:
        self.target = target
        self.launches: list[tuple[launch.Launch, dict[str, Any]]] = []
        for module in (relation_operators, loss_operators):
            monkeypatch.setattr(module, "launched", self.launched)
            monkeypatch.setattr(module, "capability", lambda _: target)
        monkeypatch.setattr(launch, "relation", partial(launch.relation, parts=cubins.PARTS))
        self.given: dict[str, Tensor] = {}

    def launched(self, run: launch.Launch, on: Tensor, **arguments: Any) -> None:
        self.launches.append((run, arguments))

    def tensor(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        self.given[name] = torch.empty(shape, dtype=dtype, device="meta")
        return self.given[name]

    def codes(self, num_labels: int) -> tuple[Tensor, Tensor, Tensor]:
        """What the pairs are made of, as the launcher lays them out."""
        numbers = LIBRARY.pairs_bytes(num_labels) - num_labels * launch.code_row(num_labels)
        code = self.tensor("pairs", num_labels, launch.code_row(num_labels), dtype=torch.int8)
        active = self.tensor("active", numbers // 4, dtype=torch.int32)
        return code, active, self.tensor("counter", 1, dtype=torch.int32)


def number(kind: str, data: bytes) -> Any:
    return struct.unpack({"i32": "<i", "fp64": "<d"}.get(kind, "<Q"), data)[0]


def compare(found: list[Any], expected: Torch, memory: Memory, outputs: dict[str, tuple[str, int]]) -> None:
    """Kernels, grids, constants and numbers are the same; addresses are those of the same arrays.

    `outputs` has where in `memory` what the operators make is; all else that they make is scratch, in parts apart.
    """
    launches = [one for one in found if isinstance(one, Launch)]
    scratch: dict[int, int] = {}
    for one, (run, given) in zip(launches, expected.launches, strict=True):
        variant = ENTRIES[one.image].variant
        assert one.symbol == run.kernel.__name__ == variant.launch.kernel.__name__
        assert one.grid == (*run.grid, 1, 1)[:3]
        assert one.threads == 32 * run.num_warps
        assert (variant.launch.blocks, variant.launch.options) == (run.blocks, run.options)
        constants = {name: value for name, value in given.items() if name not in variant.types}
        assert same_code(variant.constants, constants)
        types = cubins.arguments(variant)
        assert len(types) == len(one.arguments)
        assert all(given[name] == 1 for name in variant.ones if name not in OUTSIDE)
        for (name, kind), data in zip(types.items(), one.arguments, strict=True):
            value, at = given.get(name), number(kind, data)
            if not isinstance(value, Tensor):
                assert at == (0 if value is None else value), name
                assert value is not None or name.endswith("_scratch")
            else:
                place = memory.find(at)
                role = next((role for role, tensor in expected.given.items() if tensor is value), name)
                wanted = outputs.get(role, (role, 0))
                if place[0] == "scratch":
                    assert role not in outputs
                    size = value.numel() * value.element_size()
                    assert place[1] + size <= memory.size("scratch"), name
                    scratch[place[1]] = max(size, scratch.get(place[1], 0))
                else:
                    assert place == wanted, name
    places = sorted(scratch.items())
    assert all(begin + size <= after for (begin, size), (after, _) in pairwise(places))


def same_code(made: dict[str, Any], given: dict[str, Any]) -> bool:
    """Whether constants are the same, or give the same: codes of a measure's average alone do not depend on it."""
    if made.get("MOVES") is False and made["ESTIMATOR"] == given["ESTIMATOR"] == "batch":
        return made | {"MEASURE": ""} == given | {"MEASURE": ""}
    return made == given


def zeros(found: list[Any], memory: Memory) -> dict[tuple[str, int], int]:
    """Where zeros were written, and how many; before any launch."""
    first = next(place for place, one in enumerate(found) if isinstance(one, Launch))
    assert not [one for one in found[first:] if not isinstance(one, Launch)]
    written = [one for one in found if isinstance(one, Set)]
    assert {one.value for one in written} <= {0}
    return {memory.find(one.address): one.count for one in written}


def pairs_at(num_labels: int) -> dict[str, tuple[str, int]]:
    """Where the launcher keeps what the operators call codes and numbers of active pairs."""
    return {"code": ("pairs", 0), "active": ("pairs", num_labels * launch.code_row(num_labels))}


def is_measured(measure: str, target: int, estimator: str) -> bool:
    """All measures and estimators once, and for each target one."""
    return target == launch.HOPPER or (measure, estimator) == ("unit_pearson", "batch")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_moves_and_codes(measure: str, estimator: str, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By targets, by counts, and the codes alone; at all sizes for one measure, and for all at a few and a many."""
    sizes = SIZES if (measure, estimator) == ("unit_pearson", "batch") else SMALL_AND_WIDE
    kinds = ("targets", "counts", "code") if is_measured(measure, target, estimator) else ("targets",)
    for (batch, num_labels), kind in product(sizes, kinds):
        with monkeypatch.context() as patch:
            check_move(Torch(patch, target), batch, num_labels, kind, measure, estimator)


def check_move(expected: Torch, batch: int, num_labels: int, kind: str, measure: str, estimator: str) -> None:
    memory = Memory()
    DRIVER.reset()
    recording.move(
        LIBRARY,
        memory,
        num_labels,
        batch if kind == "targets" else None,
        by_counts=kind == "counts",
        measure=measure,
        average_counts=estimator == "counts",
        stream=stream(expected.target),
    )
    found = DRIVER.done()
    matrix = (num_labels, num_labels)
    state = (
        expected.tensor("sum", *((3, *matrix) if estimator == "counts" else matrix)),
        expected.tensor("weight", *matrix),
    )
    thresholds = (0.7, 0.3, measure, estimator)
    if kind == "targets" and batch:
        arrivals = expected.tensor("arrivals", launch.most_arrivals(), dtype=torch.int32)
        targets = expected.tensor("targets", batch, num_labels)
        run: Callable[..., Any] = relation_operators.move_relation._init_fn
        run(targets, None, *state, arrivals, 0.9, *thresholds)
    elif kind == "counts":
        relation_operators.move_by_counts._init_fn(expected.tensor("counts", 3, *matrix), *state, 0.9, *thresholds)
    else:  # what a batch without samples moves is nothing
        relation_operators.code_pairs._init_fn(*state, *thresholds)
    expected.given.pop("arrivals", None)  # scratch here
    compare(found, expected, memory, pairs_at(num_labels))
    numbers = memory.size("pairs") - num_labels * launch.code_row(num_labels)
    last, grid = expected.launches[-1][0], expected.launches[-1][0].grid
    cleared = zeros(found, memory)
    room = numbers // 4 - grid[0]
    assert cleared.pop(("pairs", pairs_at(num_labels)["active"][1] + 4 * grid[0]), 0) == room
    if last.kernel.__name__ == "relation_kernel":
        ((name, _), count) = cleared.popitem()
        assert (name, count) == ("scratch", grid[0])
    assert cleared == {}


@pytest.mark.parametrize("target", TARGETS)
def test_counts(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for batch, num_labels in SIZES:
        memory, expected = Memory(), Torch(monkeypatch, target)
        DRIVER.reset()
        given = recording.take_all(memory, targets=batch * num_labels, counts=3 * num_labels**2)
        LIBRARY.count(given["targets"], batch, num_labels, given["counts"], stream=stream(target))
        if batch:
            relation_operators.count_pairs._init_fn(expected.tensor("targets", batch, num_labels), None)
            compare(DRIVER.done(), expected, memory, {})
        else:
            assert [one.grid[0] for one in DRIVER.done()] == [launch.count(num_labels).grid[0]]


@pytest.mark.parametrize("normalization", ["all_pairs", "active_pairs"])
@pytest.mark.parametrize("gradient", ["total", "parts"])
@pytest.mark.parametrize("target", TARGETS)
def test_losses(target: int, gradient: str, normalization: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for batch, num_labels in SIZES:
        if batch == 0:
            continue
        memory, expected = Memory(), Torch(monkeypatch, target)
        DRIVER.reset()
        recording.loss(
            LIBRARY,
            memory,
            batch,
            num_labels,
            gradients=gradient,
            active_pairs=normalization == "active_pairs",
            stream=stream(target),
        )
        found = DRIVER.done()
        run_loss(expected, batch, num_labels, gradient, normalization)
        renamed = {"second_gradient": ("gradient" if gradient == "total" else "relation_gradient", 0)}
        compare(found, expected, memory, {**pairs_at(num_labels), **renamed})
        assert list(zeros(found, memory).values()) == [1]


def run_loss(expected: Torch, batch: int, num_labels: int, gradient: str, normalization: str) -> None:
    """A loss by sample with all weights."""
    code, active, counter = expected.codes(num_labels)
    loss_operators.loss_terms._init_fn(
        expected.tensor("logits", batch, num_labels),
        expected.tensor("targets", batch, num_labels),
        None,
        expected.tensor("sample_weight", batch),
        expected.tensor("pos_weight", num_labels),
        code,
        active,
        counter,
        0.5,
        normalization,
        "none",
        gradient,
        torch.float32,
    )
    expected.given.pop("counter")  # scratch here
    for _, given in expected.launches:
        if gradient == "total" and "second_gradient" in given:
            given["second_gradient"] = given["gradient"]  # which is not written


@pytest.mark.parametrize("gradients", ["none", "total", "parts"])
@pytest.mark.parametrize("size", SMALL_AND_WIDE, ids=str)
def test_what_is_not_wanted_goes_to_scratch(size: tuple[int, int], gradients: str) -> None:
    """L_B alone comes from the kernels that give both parts, and no gradient from those that give one."""
    for joint in (True, False):
        memory = Memory()
        DRIVER.reset()
        recording.loss(LIBRARY, memory, *size, joint=joint, gradients=gradients, stream=stream(launch.HOPPER))
        last = DRIVER.done()[-1]
        variant = ENTRIES[last.image].variant
        assert variant.constants["GRADIENT"] == ("parts" if gradients == "parts" or not joint else "total")
        found = {
            name: memory.find(number(kind, data))
            for (name, kind), data in zip(cubins.arguments(variant).items(), last.arguments, strict=True)
            if kind.startswith("*") and not name.endswith("_scratch")
        }
        first, second = found["gradient"], found["second_gradient"]
        wanted = {"none": "scratch", "total": "gradient", "parts": "gradient"}[gradients]
        assert (first if joint else second)[0] == wanted
        assert first[0] == "scratch" or joint
        assert second[0] == ("relation_gradient" if joint and gradients == "parts" else wanted)
        for name, place in (("gradient", first), ("second_gradient", second)):
            assert place[1] + 4 * size[0] * size[1] <= memory.size(place[0]), name
        assert (found["targets"][0], found["pos_weight"][0]) == (
            ("targets", "pos_weight") if joint else ("logits", "logits")
        )
        assert found["relation_loss"] == ("relation_loss", 0)
        assert (found["total"][0] == "scratch", found["cross_entropy"][0] == "scratch") == (not joint, not joint)


def test_scratch_is_enough_for_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where sizes that no launch depends on alone are unlike: `compare` looks whether all of it lies inside."""
    for target, labels in product(TARGETS, (129, 200, 777, 2049, 5000, 16_383)):
        for batch in (1, 63, 333, 4095, 9999):
            memory, expected = Memory(), Torch(monkeypatch, target)
            DRIVER.reset()
            recording.loss(LIBRARY, memory, batch, labels, stream=stream(target))
            run_loss(expected, batch, labels, "total", "all_pairs")
            compare(DRIVER.done(), expected, memory, {**pairs_at(labels), "second_gradient": ("gradient", 0)})
