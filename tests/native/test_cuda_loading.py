"""How the CUDA launcher loads the driver, the table of kernels, and kernels; over the driver that records."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from obrl_native import cuda
from obrl_native.build import BuildError
from tests.native import recording
from tests.native.recording import Launch, Load, Memory

INVALID_VALUE = 1


def test_without_a_driver(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"driver of CUDA cannot be loaded: .*libnone.so"):
        recording.fresh(tmp_path, driver="libnone.so")


def test_a_driver_that_is_too_old(tmp_path: Path) -> None:
    """Its library lacks functions; here any other library does."""
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
    """A kernel with an argument that the launcher does not set is not launched."""
    folder = tmp_path / "cubins"
    shutil.copytree(cuda.CUBINS, folder)
    edit(folder, "arguments count_kernel ", "arguments count_kernel halves:*fp16 ")
    with pytest.raises(RuntimeError, match="count_kernel takes halves"):
        recording.fresh(tmp_path, cubins=folder).count(4096, 8, 40, 8192, stream=4096)
    assert driver.enqueued() == []


@pytest.mark.parametrize(("capability", "target"), [(80, 80), (86, 80), (89, 80), (90, 90), (100, 100)])
def test_devices_with_kernels(capability: int, target: int, driver: recording.Driver, tmp_path: Path) -> None:
    driver.device(3, capability)
    recording.move(recording.fresh(tmp_path), Memory(), 40, 8, stream=3 * 4096)
    data = (cuda.CUBINS / f"sm_{target}.bin").read_bytes()
    of_target = [line.split() for line in (cuda.CUBINS / "table.txt").read_text().splitlines()]
    (row,) = [line for line in of_target if line[:3] == ["kernel", str(target), "relation/unit_pearson/batch"]]
    (load,) = [one for one in driver.calls() if isinstance(one, Load)]
    assert load.image == driver.hash(data[int(row[8]) :][: int(row[9])])


@pytest.mark.parametrize("capability", [75, 103, 120])
def test_devices_without(capability: int, driver: recording.Driver, tmp_path: Path) -> None:
    driver.device(3, capability)
    library = recording.fresh(tmp_path)
    message = f"no kernels for a device of compute capability {capability // 10}.{capability % 10}, only for"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message):
            recording.move(library, Memory(), 40, 8, stream=3 * 4096)
    assert driver.calls() == []
    assert driver.left_behind() == (0, 0)


@pytest.mark.parametrize(
    "function", ["cuModuleLoadData", "cuModuleGetFunction", "cuFuncSetAttribute", "cuLaunchKernel", "cuMemsetD32Async"]
)
def test_errors_of_the_driver(function: str, driver: recording.Driver, tmp_path: Path) -> None:
    """Nothing is enqueued before all kernels are loaded, and the next call can succeed."""
    library = recording.fresh(tmp_path)
    driver.fail(function, INVALID_VALUE)
    with pytest.raises(RuntimeError, match=rf"{function}.* failed: CUDA_ERROR_INVALID_VALUE, invalid argument"):
        recording.loss(library, Memory(), 128, 1000)
    assert driver.left_behind() == (0, 0)
    enqueued = {line.split()[0] for line in driver.text().splitlines()} - {"load", "unload"}
    assert enqueued == ({"set"} if function == "cuLaunchKernel" else set())
    loads = driver.text().count("load") - 2 * driver.text().count("unload")
    assert (function in ("cuModuleGetFunction", "cuFuncSetAttribute")) == ("unload" in driver.text())
    driver.reset()
    recording.loss(library, Memory(), 128, 1000)
    assert len([one for one in driver.calls() if isinstance(one, Load)]) + loads == 4
    assert [one.symbol for one in driver.calls() if isinstance(one, Launch)] == [
        "halves_kernel",
        "degrees_kernel",
        "products_kernel",
        "wide_loss_kernel",
    ]


def test_the_first_call_may_be_captured(driver: recording.Driver, tmp_path: Path) -> None:
    """The launcher then loads kernels in the relaxed capture mode, and does not ask the stream for its context."""
    driver.capture()
    driver.current(2)
    recording.move(recording.fresh(tmp_path), Memory(), 40, 8, stream=2 * 4096)
    relaxed = 2
    assert [one.mode for one in driver.calls() if isinstance(one, Load)] == [relaxed]
    assert driver.left_behind() == (1, 0)


def test_many_threads_at_once(driver: recording.Driver, tmp_path: Path) -> None:
    """Each kernel is loaded once a context, and every call enqueues the same as without other threads."""
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
    calls = driver.calls()
    loads = [one for one in calls if isinstance(one, Load)]
    assert len(loads) == len({(one.context, one.image) for one in loads}) == 5 * len(contexts)
    for context in contexts:
        for number in range(threads):
            mine = [one for one in calls if not isinstance(one, Load) and one.stream == context * 4096 + number]
            assert {one.context for one in mine} == {context}
            assert [one.symbol for one in mine if isinstance(one, Launch)] == [
                "relation_kernel",
                "halves_kernel",
                "degrees_kernel",
                "products_kernel",
                "wide_loss_kernel",
            ]
