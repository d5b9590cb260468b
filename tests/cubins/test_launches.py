"""The native launcher launches the same kernels as `obrl.torch`, in the same order, with the same arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
import torch

from obrl.measures import MEASURES
from obrl_torch.kernels import launch
from obrl_torch.operators import loss as loss_operators
from obrl_torch.operators import relation as relation_operators
from tests.cubins.launches import DRIVER, ENTRIES, LIBRARY, OperatorLaunches, compare, number, pairs_at, stream
from tests.native import recording
from tests.native.recording import Launch, Memory, Set
from tools.cubins import build
from tools.cubins.compiled import TARGETS

SIZES = (
    *((0, 40), (1, 1), (1, 16), (64, 40), (65, 17), (511, 40), (1024, 40), (5000, 40), (64, 64), (100, 65), (7, 128)),
    *((0, 129), (1, 129), (64, 256), (65, 257), (128, 312), (128, 1000), (512, 1024), (512, 1025), (512, 10_000)),
    *((3, 16_384), (4096, 4096), (4097, 4097), (20_000, 128), (100_000, 1000), (2**24, 3), (2**24, 500)),
)
"""Samples and labels around the sizes at which launches change."""

SMALL_AND_WIDE = ((96, 40), (96, 300))


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    DRIVER.reset()
    yield
    assert DRIVER.left_behind() == (0, 0)


def zeros(calls: list[Any], memory: Memory) -> dict[tuple[str, int], int]:
    """The places and numbers of the zeros that are written, all before the first launch."""
    first = next(place for place, one in enumerate(calls) if isinstance(one, Launch))
    assert not [one for one in calls[first:] if not isinstance(one, Launch)]
    written = [one for one in calls if isinstance(one, Set)]
    assert {one.value for one in written} <= {0}
    return {memory.find(one.address): one.count for one in written}


def is_compared(measure: str, target: int, estimator: str) -> bool:
    """Whether counts and codes are compared too: every measure and estimator on one target, one of them on each."""
    return target == launch.HOPPER or (measure, estimator) == ("unit_pearson", "batch")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_moves_and_codes(measure: str, estimator: str, target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For targets, counts, and codes alone; one measure at all sizes, and the others at two."""
    sizes = SIZES if (measure, estimator) == ("unit_pearson", "batch") else SMALL_AND_WIDE
    kinds = ("targets", "counts", "code") if is_compared(measure, target, estimator) else ("targets",)
    for (batch, num_labels), kind in product(sizes, kinds):
        with monkeypatch.context() as patch:
            check_move(OperatorLaunches(patch, target), batch, num_labels, kind, measure, estimator)


def check_move(
    expected: OperatorLaunches, batch: int, num_labels: int, kind: str, measure: str, estimator: str
) -> None:
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
    calls = DRIVER.enqueued()
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
    else:  # a batch without samples moves nothing
        relation_operators.code_pairs._init_fn(*state, *thresholds)
    expected.tensors.pop("arrivals", None)  # scratch here
    compare(calls, expected, memory, pairs_at(num_labels))
    numbers = memory.size("pairs") - num_labels * launch.code_row(num_labels)
    last, grid = expected.launches[-1][0], expected.launches[-1][0].grid
    cleared = zeros(calls, memory)
    room = numbers // 4 - grid[0]
    assert cleared.pop(("pairs", pairs_at(num_labels)["active"][1] + 4 * grid[0]), 0) == room
    if last.kernel.__name__ == "relation_kernel":
        ((name, _), count) = cleared.popitem()
        assert (name, count) == ("scratch", grid[0])
    assert cleared == {}


@pytest.mark.parametrize("target", TARGETS)
def test_counts(target: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for batch, num_labels in SIZES:
        memory, expected = Memory(), OperatorLaunches(monkeypatch, target)
        DRIVER.reset()
        arrays = recording.take_all(memory, targets=batch * num_labels, counts=3 * num_labels**2)
        LIBRARY.count(arrays["targets"], batch, num_labels, arrays["counts"], stream=stream(target))
        if batch:
            relation_operators.count_pairs._init_fn(expected.tensor("targets", batch, num_labels), None)
            compare(DRIVER.enqueued(), expected, memory, {})
        else:
            assert [one.grid[0] for one in DRIVER.enqueued()] == [launch.count(num_labels).grid[0]]


@pytest.mark.parametrize("normalization", ["all_pairs", "active_pairs"])
@pytest.mark.parametrize("gradient", ["total", "parts"])
@pytest.mark.parametrize("target", TARGETS)
def test_losses(target: int, gradient: str, normalization: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for batch, num_labels in SIZES:
        if batch == 0:
            continue
        memory, expected = Memory(), OperatorLaunches(monkeypatch, target)
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
        calls = DRIVER.enqueued()
        run_loss(expected, batch, num_labels, gradient, normalization)
        renamed = {"second_gradient": ("gradient" if gradient == "total" else "relation_gradient", 0)}
        compare(calls, expected, memory, {**pairs_at(num_labels), **renamed})
        assert list(zeros(calls, memory).values()) == [1]


def run_loss(expected: OperatorLaunches, batch: int, num_labels: int, gradient: str, normalization: str) -> None:
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
    expected.tensors.pop("counter")  # scratch here
    for _, arguments in expected.launches:
        if gradient == "total" and "second_gradient" in arguments:
            arguments["second_gradient"] = arguments["gradient"]  # which is not written


@pytest.mark.parametrize("gradients", ["none", "total", "parts"])
@pytest.mark.parametrize("size", SMALL_AND_WIDE, ids=str)
def test_results_that_the_caller_does_not_take_go_to_scratch(size: tuple[int, int], gradients: str) -> None:
    """For L_B alone, or without a gradient, the kernels write more than the caller takes."""
    for joint in (True, False):
        memory = Memory()
        DRIVER.reset()
        recording.loss(LIBRARY, memory, *size, joint=joint, gradients=gradients, stream=stream(launch.HOPPER))
        last = DRIVER.enqueued()[-1]
        variant = ENTRIES[last.image].variant
        assert variant.constants["GRADIENT"] == ("parts" if gradients == "parts" or not joint else "total")
        places = {
            name: memory.find(number(kind, data))
            for (name, kind), data in zip(build.arguments(variant).items(), last.arguments, strict=True)
            if kind.startswith("*") and not name.endswith("_scratch")
        }
        first, second = places["gradient"], places["second_gradient"]
        expected = {"none": "scratch", "total": "gradient", "parts": "gradient"}[gradients]
        assert (first if joint else second)[0] == expected
        assert first[0] == "scratch" or joint
        assert second[0] == ("relation_gradient" if joint and gradients == "parts" else expected)
        for name, place in (("gradient", first), ("second_gradient", second)):
            assert place[1] + 4 * size[0] * size[1] <= memory.size(place[0]), name
        assert (places["targets"][0], places["pos_weight"][0]) == (
            ("targets", "pos_weight") if joint else ("logits", "logits")
        )
        assert places["relation_loss"] == ("relation_loss", 0)
        assert (places["total"][0] == "scratch", places["cross_entropy"][0] == "scratch") == (not joint, not joint)


def test_scratch_is_enough_for_every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """`compare` checks that all arrays of a launch lie in it; here for many combinations of sizes."""
    for target, labels in product(TARGETS, (129, 200, 777, 2049, 5000, 16_383)):
        for batch in (1, 63, 333, 4095, 9999):
            memory, expected = Memory(), OperatorLaunches(monkeypatch, target)
            DRIVER.reset()
            recording.loss(LIBRARY, memory, batch, labels, stream=stream(target))
            run_loss(expected, batch, labels, "total", "all_pairs")
            compare(DRIVER.enqueued(), expected, memory, {**pairs_at(labels), "second_gradient": ("gradient", 0)})
