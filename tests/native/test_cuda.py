"""Calls of the CUDA launcher, over the driver that records; `tests/cubins` compares what it launches."""

from __future__ import annotations

from typing import Any

import pytest

from obrl_native import cpu, cuda
from obrl_native.build import SOURCES
from tests.native import recording
from tests.native.recording import Copy, Launch, Memory

NOT_SUPPORTED = 801


def test_numbers_are_those_of_the_header() -> None:
    header = (SOURCES / "obrl_cuda.h").read_text()
    assert f"OBRL_CUDA_REFUSED = {cuda.REFUSED}," in header
    assert "char error[512];" in header


@pytest.mark.parametrize("stream", [0, 5 * 4096])
def test_without_a_context_of_its_own_a_stream_is_of_the_current_one(
    stream: int, driver: recording.Driver, launcher: cuda.Library
) -> None:
    """The default stream, and those of green contexts."""
    driver.fail("cuStreamGetCtx", NOT_SUPPORTED)
    with pytest.raises(ValueError, match="no context of CUDA is current"):
        recording.move(launcher, Memory(), 40, 8, stream=stream)
    driver.current(6)
    recording.move(launcher, Memory(), 40, 8, stream=stream)
    assert {(one.context, one.stream) for one in driver.enqueued()} == {(6, stream)}
    assert driver.left_behind() == (1, 0)


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("moved_by", ["targets", "counts", None])
def test_a_new_state_is_a_copy_that_moves(moved_by: str | None, estimator: str, driver: recording.Driver) -> None:
    launcher, memory, labels = recording.library(), Memory(), 40
    recording.move(
        launcher,
        memory,
        labels,
        8 if moved_by == "targets" else None,
        by_counts=moved_by == "counts",
        average_counts=estimator == "counts",
        in_place=False,
    )
    copies = [one for one in driver.enqueued() if isinstance(one, Copy)]
    assert driver.enqueued()[: len(copies)] == copies
    assert [(memory.find(one.to)[0], memory.find(one.source)[0], one.size) for one in copies] == [
        ("new_sum", "sum", memory.size("sum")),
        ("new_weight", "weight", memory.size("weight")),
    ]
    addresses = {memory.find(int.from_bytes(data, "little"))[0] for data in state_arguments(driver.enqueued()[-1])}
    assert addresses == {"new_sum", "new_weight"}


def state_arguments(launch: Launch) -> tuple[bytes, bytes]:
    """The accumulators among the arguments of a launch."""
    arguments = next(
        line.split()[2:]
        for line in (cuda.CUBINS / "table.txt").read_text().splitlines()
        if line.startswith(f"arguments {launch.symbol} ")
    )
    names = [word.split(":")[0] for word in arguments]
    arguments_by_name = dict(zip(names, launch.arguments, strict=True))
    return arguments_by_name["relation_sum"], arguments_by_name["relation_weight"]


def test_codes_alone_need_no_new_state(driver: recording.Driver, launcher: cuda.Library) -> None:
    memory = Memory()
    arrays = recording.take_all(memory, sum=1600, weight=1600)
    pairs, scratch = memory.take("pairs", launcher.pairs_bytes(40)), memory.take("scratch", 256)
    relation = cuda.Relation(pairs=pairs, decay=0.9, num_labels=40, measure=1, **arrays)
    launcher.move(relation, stream=4096, scratch=scratch, scratch_bytes=launcher.move_scratch(0, 40))
    assert [one.symbol for one in driver.enqueued() if isinstance(one, Launch)] == ["code_kernel"]
    assert not [one for one in driver.enqueued() if isinstance(one, Copy)]


def test_a_batch_without_samples_has_no_loss(driver: recording.Driver, launcher: cuda.Library) -> None:
    recording.loss(launcher, Memory(), 0, 40)
    assert driver.calls() == []


SIZES = [(-1, 40), (2**24 + 1, 40), (8, 0), (8, -1), (8, 2**14 + 1), (2**40, 2**40), (-(2**63), 2**63 - 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_out_of_range_are_refused(
    size: tuple[int, int], driver: recording.Driver, launcher: cuda.Library
) -> None:
    batch, labels = size
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        launcher.count(4096, batch, labels, 4096, stream=4096)
    relation = cuda.Relation(4096, None, *[4096] * 5, batch=batch, num_labels=labels)
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        launcher.move(relation, stream=4096, scratch=4096, scratch_bytes=2**62)
    arguments = cuda.LossArguments(*[4096] * 10, batch=batch, num_labels=labels)
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        launcher.loss(arguments, stream=4096, scratch=4096, scratch_bytes=2**62)
    for ask in (launcher.move_scratch, lambda *size: launcher.loss_scratch(*size, joint=True, gradients=1)):
        with pytest.raises(ValueError, match="labels"):
            ask(batch, labels)
    assert driver.calls() == []


def arrays(kind: type[Any]) -> list[str]:
    return [name for name, of in kind._fields_ if of is cuda.c_void_p]


@pytest.mark.parametrize("wrong", [None, 8])
@pytest.mark.parametrize("name", sorted({*arrays(cuda.Relation), *arrays(cuda.LossArguments), "scratch"}))
def test_addresses_are_checked(name: str, wrong: int | None, driver: recording.Driver, launcher: cuda.Library) -> None:
    """A null or misaligned array is an error, and nothing is enqueued."""
    optional = {"targets", "counts", "total", "cross_entropy", "relation_loss"}
    message = f"{name} is null" if wrong is None else f"{name} does not begin at a multiple of 16 bytes"
    room = {"stream": 4096, "scratch": 4096, "scratch_bytes": 2**40}
    room |= {"scratch": wrong} if name == "scratch" else {}
    others = [(launcher.loss, cuda.LossArguments(*[4096] * 10, batch=8, num_labels=40, gradients=2))]
    relation = cuda.Relation(*[4096] * 7, batch=8, num_labels=40)
    setattr(relation, "targets" if name == "counts" else "counts", None)
    others.append((launcher.move, relation))
    for call, arguments in others:
        if name != "scratch" and not hasattr(arguments, name):
            continue
        if name != "scratch":
            setattr(arguments, name, wrong)
        if wrong is None and name in optional:
            call(arguments, **room)
            continue
        driver.reset()
        with pytest.raises(ValueError, match=message):
            call(arguments, **room)
        assert driver.enqueued() == []


@pytest.mark.parametrize(
    ("kind", "addresses", "change", "message"),
    [
        (cuda.Relation, [4096] * 7, {}, "expected targets or counts, got both"),
        *(
            (cuda.Relation, [4096, None, *[4096] * 5], {"measure": number}, f"there is no measure {number}")
            for number in (-1, len(cpu.MEASURES))
        ),
        (cuda.LossArguments, [4096] * 10, {"gradients": 3}, "there is no choice of gradients 3"),
    ],
)
def test_arguments_that_do_not_exist(
    kind: type[Any], addresses: list[int | None], change: dict[str, int], message: str, launcher: cuda.Library
) -> None:
    call = launcher.move if kind is cuda.Relation else launcher.loss
    with pytest.raises(ValueError, match=message):
        call(kind(*addresses, batch=8, num_labels=40, **change), stream=4096, scratch=4096, scratch_bytes=2**30)


def test_too_little_scratch(driver: recording.Driver, launcher: cuda.Library) -> None:
    """`move_scratch` and `loss_scratch` are exact for a device that needs the most."""
    size = launcher.move_scratch(8, 40)
    relation = cuda.Relation(4096, None, *[4096] * 5, batch=8, num_labels=40)
    with pytest.raises(ValueError, match=f"the scratch must have at least {size} bytes, got {size - 1}"):
        launcher.move(relation, stream=4096, scratch=4096, scratch_bytes=size - 1)
    launcher.move(relation, stream=4096, scratch=4096, scratch_bytes=size)
    arguments = cuda.LossArguments(*[4096] * 10, batch=8, num_labels=40, gradients=1)
    size = launcher.loss_scratch(8, 40, joint=True, gradients=1)
    driver.reset()
    with pytest.raises(ValueError, match="the scratch must have at least"):
        launcher.loss(arguments, stream=4096, scratch=4096, scratch_bytes=size - 1)
    assert driver.enqueued() == []
