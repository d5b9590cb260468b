"""`python -m tests.native.sanitized WHAT`: the code for a "cpu" or for "cuda" under the compiler's sanitizers.

They stop at an error. The CUDA launcher runs over the driver that records. The address sanitizer must be loaded before
anything else: see `tests/native/test_sanitizers.py`.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product

from obrl_native import cpu, cuda
from obrl_native.build import BuildError, Recipe, build
from tests.native import calls, recording
from tests.native.recording import Memory

FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-g",
    "-O1",
    "-DOBRL_OPERATIONS_PER_THREAD=1",
    "-Wall",
    "-Wextra",
    "-Werror",
)
UNOPTIMIZED = (*FLAGS, "-O0")
"""A third of the time to compile."""

SIZES = ((0, 40), (1, 1), (64, 65), (5000, 40), (3, 129), (100, 1000), (9, 16_384), (2**24, 2**14))


def call_cpu() -> int:
    """Call every function for a CPU; returns the number of calls."""
    return calls.exercise(cpu.load(str(build(Recipe("obrl_cpu_sanitized", cpu.UNITS, flags=FLAGS)))))


def launch_all(library: cuda.Library, context: int) -> int:
    """Call every function of the launcher at every size; returns the number of calls."""
    number = 0
    stream = context * 4096
    for (batch, labels), measure in product(SIZES, ("unit_pearson", "conditional")):
        memory = Memory()
        library.count(memory.take("targets", 4), batch, labels, memory.take("counts", 4), stream=stream)
        for average_counts, by_counts, samples in product((False, True), (False, True), (batch, None)):
            recording.move(
                library,
                Memory(),
                labels,
                None if by_counts else samples,
                by_counts=by_counts,
                measure=measure,
                average_counts=average_counts,
                in_place=by_counts,
                stream=stream,
            )
        for joint, gradients, active in product((True, False), cpu.GRADIENTS, (True, False)):
            options = {"joint": joint, "gradients": gradients, "active_pairs": active, "stream": stream}
            recording.loss(library, Memory(), batch, labels, **options)
        number += 21
    return number


def call_wrongly(library: cuda.Library) -> int:
    """Call with wrong sizes, addresses and numbers; returns the number of calls."""
    numbers = (-(2**63), -1, 0, 1, 2**14 + 1, 2**31, 2**63 - 1)
    for number in numbers:
        for call, arguments in (
            (library.move, cuda.Relation(batch=number, num_labels=number, measure=number & 255)),
            (library.loss, cuda.LossArguments(batch=number, num_labels=number, gradients=number & 255)),
        ):
            with suppress(ValueError):
                call(arguments, stream=4096, scratch=number & 4096, scratch_bytes=number)
    return 2 * len(numbers)


def call_cuda() -> int:
    """Call every function of the launcher, from several threads; returns the number of calls."""
    path = str(build(Recipe("obrl_cuda_sanitized", cuda.UNITS, flags=UNOPTIMIZED, links=cuda.LINKS)))
    driver = recording.Driver(UNOPTIMIZED)
    for wrong in ({"driver": "libnone.so"}, {"driver": driver.path, "cubins": recording.DRIVER}):
        with suppress(BuildError):
            cuda.Library(path, **wrong)
    library = cuda.Library(path, driver=driver.path)
    driver.device(3, 100)
    driver.device(4, 80)
    with ThreadPoolExecutor(3) as pool:
        number = sum(pool.map(launch_all, [library] * 3, (2, 3, 4)))
    driver.fail("cuLaunchKernel", 1)
    with suppress(RuntimeError):
        recording.loss(library, Memory(), 8, 300)
    return number + call_wrongly(library)


if __name__ == "__main__":
    print(f"{ {'cpu': call_cpu, 'cuda': call_cuda}[sys.argv[1]]() } calls")
