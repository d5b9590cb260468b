"""`python -m tests.native.sanitized_cuda`: the CUDA launcher under the sanitizers, over the recording driver.

The address sanitizer must be loaded before anything else: see `tests/native/test_sanitizers.py`.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product

from obrl_native import cpu, cuda
from obrl_native.build import BuildError, Recipe, build
from tests.native import recording
from tests.native.recording import Memory
from tests.native.sanitized import FLAGS

SIZES = ((0, 40), (1, 1), (64, 65), (5000, 40), (3, 129), (100, 1000), (9, 16_384), (2**24, 2**14))


def exercise(library: cuda.Library, context: int) -> int:
    """Call everything at every size; returns the number of calls."""
    calls = 0
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
            recording.loss(
                library,
                Memory(),
                batch,
                labels,
                joint=joint,
                gradients=gradients,
                active_pairs=active,
                stream=stream,
            )
        calls += 21
    return calls


def refused(library: cuda.Library) -> int:
    """Call with wrong sizes, addresses and numbers; returns the number of calls."""
    calls = 0
    for number in (-(2**63), -1, 0, 1, 2**14 + 1, 2**31, 2**63 - 1):
        for call, arguments in (
            (library.move, cuda.Relation(batch=number, num_labels=number, measure=number & 255)),
            (library.loss, cuda.LossArguments(batch=number, num_labels=number, gradients=number & 255)),
        ):
            with suppress(ValueError):
                call(arguments, stream=4096, scratch=number & 4096, scratch_bytes=number)
            calls += 1
    return calls


def main(arguments: list[str]) -> None:
    """Compile with the sanitizers and further flags, and call everything."""
    flags = (*FLAGS, "-O0", *arguments)  # a third of the time to compile
    path = str(build(Recipe("obrl_cuda_sanitized", cuda.UNITS, flags=flags, links=cuda.LINKS)))
    driver = recording.Driver(flags)
    for wrong in ({"driver": "libnone.so"}, {"driver": driver.path, "cubins": recording.DRIVER}):
        with suppress(BuildError):
            cuda.Library(path, **wrong)
    library = cuda.Library(path, driver=driver.path)
    driver.device(3, 100)
    driver.device(4, 80)
    with ThreadPoolExecutor(3) as pool:
        calls = sum(pool.map(exercise, [library] * 3, (2, 3, 4)))
    driver.fail("cuLaunchKernel", 1)
    with suppress(RuntimeError):
        recording.loss(library, Memory(), 8, 300)
    print(f"{calls + refused(library)} calls")


if __name__ == "__main__":
    main(sys.argv[1:])
