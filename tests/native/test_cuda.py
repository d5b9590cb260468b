"""The CUDA launcher, over a driver that writes down what it is asked to do; what it launches is for `tests/cubins`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from obrl_native import cpu, cuda
from obrl_native.build import SOURCES, BuildError
from tests.native import recording
from tests.native.recording import Copy, Launch, Load, Memory

INVALID_VALUE, NOT_SUPPORTED = 1, 801
LARGEST = (2**24, 2**14)


@pytest.fixture
def driver() -> Iterator[recording.Driver]:
    found = recording.driver()
    found.reset()
    yield found
    found.reset()
    found.current(0)
    found.device(3, 90)  # as all others


@pytest.fixture(scope="module")
def library() -> cuda.Library:
    return recording.library()


def test_numbers_are_those_of_the_header() -> None:
    header = (SOURCES / "obrl_cuda.h").read_text()
    assert f"OBRL_CUDA_REFUSED = {cuda.REFUSED}," in header
    assert "char error[512];" in header


def test_measures_have_the_names_of_the_table() -> None:
    source = (SOURCES / "launcher.cc").read_text()
    names = source.partition("kMeasures[] = {")[2].partition("}")[0]
    assert [name.strip().strip('"') for name in names.split(",")] == list(cpu.MEASURES)


def test_without_a_driver(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"driver of CUDA cannot be loaded: .*libnone.so"):
        recording.fresh(tmp_path, driver="libnone.so")


def test_a_driver_that_is_too_old(tmp_path: Path) -> None:
    """Any library stands for one that lacks a function."""
    with pytest.raises(BuildError, match="the driver of CUDA has no cuInit"):
        recording.fresh(tmp_path, driver=recording.built())


def test_a_driver_that_finds_no_device(driver: recording.Driver, tmp_path: Path) -> None:
    driver.fail("cuInit", 100)
    with pytest.raises(BuildError, match="cuInit failed: error 100"):
        recording.fresh(tmp_path)
    driver.reset()
    recording.move(recording.fresh(tmp_path), Memory(), 40, 8)  # and it can be tried again


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "table.txt").unlink(), "cannot be read"),
        (lambda folder: (folder / "sm_90.bin").unlink(), "sm_90.bin has 0 bytes where the table says"),
        (lambda folder: edit(folder, "obrl-cubins 1", "obrl-cubins 2"), "another form: 2"),
        (lambda folder: edit(folder, "relation_sum:*fp32", "relation_sum:fp16"), "a type that is not known"),
        (lambda folder: edit(folder, "relation_sum:", "relation:"), "an argument that is not known"),
        (lambda folder: edit(folder, "limits 128", "limits few"), "limits few"),
        (
            lambda folder: edit(folder, "arguments count_kernel", "argument count_kernel"),
            "count_kernel has no arguments",
        ),
        (lambda folder: edit(folder, "0 16777216 0 ", "0 16777216 99999999 "), "lies outside of its file"),
    ],
)
def test_kernels_that_are_not_as_they_should_be(damage: Any, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "cubins"
    shutil.copytree(cuda.CUBINS, folder)
    damage(folder)
    with pytest.raises(BuildError, match=message):
        recording.fresh(tmp_path, cubins=folder)


def edit(folder: Path, old: str, new: str) -> None:
    text = (folder / "table.txt").read_text()
    assert old in text
    (folder / "table.txt").write_text(text.replace(old, new))


def test_a_table_of_another_launcher(driver: recording.Driver, tmp_path: Path) -> None:
    """Where a kernel takes what this launcher does not give, nothing is launched."""
    folder = tmp_path / "cubins"
    shutil.copytree(cuda.CUBINS, folder)
    edit(folder, "arguments count_kernel ", "arguments count_kernel halves:*fp16 ")
    with pytest.raises(RuntimeError, match="count_kernel takes halves"):
        recording.fresh(tmp_path, cubins=folder).count(4096, 8, 40, 8192, stream=4096)
    assert driver.done() == []


@pytest.mark.parametrize(("capability", "target"), [(80, 80), (86, 80), (89, 80), (90, 90), (100, 100)])
def test_devices_with_kernels(capability: int, target: int, driver: recording.Driver, tmp_path: Path) -> None:
    driver.device(3, capability)
    recording.move(recording.fresh(tmp_path), Memory(), 40, 8, stream=3 * 4096)
    data = (cuda.CUBINS / f"sm_{target}.bin").read_bytes()
    of_target = [line.split() for line in (cuda.CUBINS / "table.txt").read_text().splitlines()]
    (row,) = [line for line in of_target if line[:3] == ["kernel", str(target), "relation/unit_pearson/batch"]]
    (load,) = [one for one in driver.said() if isinstance(one, Load)]
    assert load.image == driver.hash(data[int(row[8]) :][: int(row[9])])


@pytest.mark.parametrize("capability", [75, 103, 120])
def test_devices_without(capability: int, driver: recording.Driver, tmp_path: Path) -> None:
    driver.device(3, capability)
    library = recording.fresh(tmp_path)
    message = f"no kernels for a device of compute capability {capability // 10}.{capability % 10}, only for"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message):
            recording.move(library, Memory(), 40, 8, stream=3 * 4096)
    assert driver.said() == []
    assert driver.left_behind() == (0, 0)


@pytest.mark.parametrize(
    "function", ["cuModuleLoadData", "cuModuleGetFunction", "cuFuncSetAttribute", "cuLaunchKernel", "cuMemsetD32Async"]
)
def test_what_the_driver_says(function: str, driver: recording.Driver, tmp_path: Path) -> None:
    """It comes as text, nothing is left behind, and the next call may go well."""
    library = recording.fresh(tmp_path)
    driver.fail(function, INVALID_VALUE)
    with pytest.raises(RuntimeError, match=rf"{function}.* failed: CUDA_ERROR_INVALID_VALUE, invalid argument"):
        recording.loss(library, Memory(), 128, 1000)
    assert driver.left_behind() == (0, 0)
    loads = driver.text().count("load") - 2 * driver.text().count("unload")
    assert (function in ("cuModuleGetFunction", "cuFuncSetAttribute")) == ("unload" in driver.text())
    driver.reset()
    recording.loss(library, Memory(), 128, 1000)
    assert len([one for one in driver.said() if isinstance(one, Load)]) + loads == 4
    assert [one.symbol for one in driver.said() if isinstance(one, Launch)] == [
        "halves_kernel",
        "degrees_kernel",
        "products_kernel",
        "wide_loss_kernel",
    ]


def test_kernels_are_loaded_before_anything_is_enqueued(driver: recording.Driver, tmp_path: Path) -> None:
    driver.fail("cuFuncSetAttribute", INVALID_VALUE)  # of the third kernel
    with pytest.raises(RuntimeError):
        recording.loss(recording.fresh(tmp_path), Memory(), 128, 1000)
    assert "launch" not in driver.text()
    assert "set" not in driver.text()


def test_kernels_are_loaded_once_a_context(driver: recording.Driver, tmp_path: Path) -> None:
    library = recording.fresh(tmp_path)
    for context in (1, 2, 1, 2):
        recording.move(library, Memory(), 40, 8, stream=context * 4096)
    assert [one.context for one in driver.said() if isinstance(one, Load)] == [1, 2]
    launches = [one for one in driver.said() if isinstance(one, Launch)]
    assert [(one.context, one.stream) for one in launches] == [(c, c * 4096) for c in (1, 2, 1, 2)]


def test_a_load_does_not_end_a_capture(driver: recording.Driver, tmp_path: Path) -> None:
    recording.move(recording.fresh(tmp_path), Memory(), 40, 8)
    relaxed = 2
    assert [one.mode for one in driver.said() if isinstance(one, Load)] == [relaxed]
    assert driver.left_behind() == (0, 0)


@pytest.mark.parametrize("stream", [0, 5 * 4096])
def test_without_a_context_of_its_own_a_stream_is_of_the_current_one(
    stream: int, driver: recording.Driver, library: cuda.Library
) -> None:
    """The default stream, and those of green contexts."""
    driver.fail("cuStreamGetCtx", NOT_SUPPORTED)
    with pytest.raises(ValueError, match="no context of CUDA is current"):
        recording.move(library, Memory(), 40, 8, stream=stream)
    driver.current(6)
    recording.move(library, Memory(), 40, 8, stream=stream)
    assert {(one.context, one.stream) for one in driver.done()} == {(6, stream)}
    assert driver.left_behind() == (1, 0)


def test_many_threads_at_once(driver: recording.Driver, tmp_path: Path) -> None:
    """Each kernel is loaded once a context, and every call does what it does alone."""
    library = recording.fresh(tmp_path)
    threads, contexts = 8, (1, 2, 3)
    barrier = Barrier(threads)

    def work(number: int) -> None:
        barrier.wait()
        for context in contexts:
            recording.move(library, Memory(), 40, 8, stream=context * 4096 + number)
            recording.loss(library, Memory(), 8, 300, stream=context * 4096 + number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    said = driver.said()
    loads = [one for one in said if isinstance(one, Load)]
    assert len(loads) == len({(one.context, one.image) for one in loads}) == 5 * len(contexts)
    for context in contexts:
        for number in range(threads):
            mine = [one for one in said if not isinstance(one, Load) and one.stream == context * 4096 + number]
            assert [one.symbol for one in mine if isinstance(one, Launch)] == [
                "relation_kernel",
                "halves_kernel",
                "degrees_kernel",
                "products_kernel",
                "wide_loss_kernel",
            ]


@pytest.mark.parametrize("estimator", ["batch", "counts"])
@pytest.mark.parametrize("moved_by", ["targets", "counts", None])
def test_a_new_state_is_a_copy_that_moves(moved_by: str | None, estimator: str, driver: recording.Driver) -> None:
    library, memory, labels = recording.library(), Memory(), 40
    recording.move(
        library,
        memory,
        labels,
        8 if moved_by == "targets" else None,
        by_counts=moved_by == "counts",
        average_counts=estimator == "counts",
        in_place=False,
    )
    copies = [one for one in driver.done() if isinstance(one, Copy)]
    assert driver.done()[: len(copies)] == copies
    assert [(memory.find(one.to)[0], memory.find(one.source)[0], one.size) for one in copies] == [
        ("new_sum", "sum", memory.size("sum")),
        ("new_weight", "weight", memory.size("weight")),
    ]
    addresses = {memory.find(int.from_bytes(data, "little"))[0] for data in state_arguments(driver.done()[-1])}
    assert addresses == {"new_sum", "new_weight"}


def state_arguments(launch: Launch) -> tuple[bytes, bytes]:
    """What a kernel takes for the accumulators."""
    arguments = next(
        line.split()[2:]
        for line in (cuda.CUBINS / "table.txt").read_text().splitlines()
        if line.startswith(f"arguments {launch.symbol} ")
    )
    names = [word.split(":")[0] for word in arguments]
    found = dict(zip(names, launch.arguments, strict=True))
    return found["relation_sum"], found["relation_weight"]


def test_codes_alone_need_no_new_state(driver: recording.Driver, library: cuda.Library) -> None:
    memory = Memory()
    given = recording.take_all(memory, sum=1600, weight=1600)
    pairs, scratch = memory.take("pairs", library.pairs_bytes(40)), memory.take("scratch", 256)
    relation = cuda.Relation(pairs=pairs, decay=0.9, num_labels=40, measure=1, **given)
    library.move(relation, stream=4096, scratch=scratch, scratch_bytes=library.move_scratch(0, 40))
    assert [one.symbol for one in driver.done() if isinstance(one, Launch)] == ["code_kernel"]
    assert not [one for one in driver.done() if isinstance(one, Copy)]


def test_a_batch_without_samples_has_no_loss(driver: recording.Driver, library: cuda.Library) -> None:
    recording.loss(library, Memory(), 0, 40)
    assert driver.said() == []


SIZES = [(-1, 40), (2**24 + 1, 40), (8, 0), (8, -1), (8, 2**14 + 1), (2**40, 2**40), (-(2**63), 2**63 - 1)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes_out_of_range_are_refused(size: tuple[int, int], driver: recording.Driver, library: cuda.Library) -> None:
    batch, labels = size
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        library.count(4096, batch, labels, 4096, stream=4096)
    relation = cuda.Relation(4096, None, *[4096] * 5, batch=batch, num_labels=labels)
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        library.move(relation, stream=4096, scratch=4096, scratch_bytes=2**62)
    arguments = cuda.LossArguments(*[4096] * 10, batch=batch, num_labels=labels)
    with pytest.raises(ValueError, match="expected 1 to 16384 labels"):
        library.loss(arguments, stream=4096, scratch=4096, scratch_bytes=2**62)
    for ask in (library.move_scratch, lambda *size: library.loss_scratch(*size, joint=True, gradients=1)):
        with pytest.raises(ValueError, match="labels"):
            ask(batch, labels)
    assert driver.said() == []


def test_the_largest_sizes(driver: recording.Driver, library: cuda.Library) -> None:
    """Nothing overflows."""
    memory = Memory()
    recording.loss(library, memory, *LARGEST, gradients="parts")
    recording.move(library, memory, LARGEST[1], LARGEST[0])
    assert memory.size("scratch") > 2 * LARGEST[0] * LARGEST[1]
    assert len([one for one in driver.done() if isinstance(one, Launch)]) == 6


def arrays(kind: type[Any]) -> list[str]:
    return [name for name, of in kind._fields_ if of is cuda.c_void_p]


@pytest.mark.parametrize("wrong", [None, 8])
@pytest.mark.parametrize("name", sorted({*arrays(cuda.Relation), *arrays(cuda.LossArguments), "scratch"}))
def test_addresses_are_checked(name: str, wrong: int | None, driver: recording.Driver, library: cuda.Library) -> None:
    """Each array that is needed is there and aligned; nothing is enqueued before all were looked at."""
    optional = {"targets", "counts", "total", "cross_entropy", "relation_loss"}
    message = f"{name} is null" if wrong is None else f"{name} does not begin at a multiple of 16 bytes"
    room = {"stream": 4096, "scratch": 4096, "scratch_bytes": 2**40}
    room |= {"scratch": wrong} if name == "scratch" else {}
    others = [(library.loss, cuda.LossArguments(*[4096] * 10, batch=8, num_labels=40, gradients=2))]
    relation = cuda.Relation(*[4096] * 7, batch=8, num_labels=40)
    setattr(relation, "targets" if name == "counts" else "counts", None)
    others.append((library.move, relation))
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
        assert driver.done() == []


def test_either_targets_or_counts(library: cuda.Library) -> None:
    with pytest.raises(ValueError, match="both targets and counts are given"):
        library.move(cuda.Relation(*[4096] * 7, batch=8, num_labels=40), stream=4096, scratch=4096, scratch_bytes=2**30)


@pytest.mark.parametrize("measure", [-1, len(cpu.MEASURES)])
def test_an_unknown_measure(measure: int, library: cuda.Library) -> None:
    relation = cuda.Relation(4096, None, *[4096] * 5, batch=8, num_labels=40, measure=measure)
    with pytest.raises(ValueError, match=f"there is no measure {measure}"):
        library.move(relation, stream=4096, scratch=4096, scratch_bytes=2**30)


def test_an_unknown_choice_of_gradients(library: cuda.Library) -> None:
    arguments = cuda.LossArguments(*[4096] * 10, batch=8, num_labels=40, gradients=3)
    with pytest.raises(ValueError, match="there is no choice of gradients 3"):
        library.loss(arguments, stream=4096, scratch=4096, scratch_bytes=2**30)


def test_too_little_scratch(driver: recording.Driver, library: cuda.Library) -> None:
    """The device is one of those that take most."""
    size = library.move_scratch(8, 40)
    relation = cuda.Relation(4096, None, *[4096] * 5, batch=8, num_labels=40)
    with pytest.raises(ValueError, match=f"the scratch must have at least {size} bytes, got {size - 1}"):
        library.move(relation, stream=4096, scratch=4096, scratch_bytes=size - 1)
    library.move(relation, stream=4096, scratch=4096, scratch_bytes=size)
    arguments = cuda.LossArguments(*[4096] * 10, batch=8, num_labels=40, gradients=1)
    size = library.loss_scratch(8, 40, joint=True, gradients=1)
    driver.reset()
    with pytest.raises(ValueError, match="the scratch must have at least"):
        library.loss(arguments, stream=4096, scratch=4096, scratch_bytes=size - 1)
    assert driver.done() == []
