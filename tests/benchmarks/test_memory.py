"""Peak memory is read as it is: a large array shows, also when it is gone at the end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory
from benchmarks.memory import peak_extra_bytes

MEGABYTE = 10**6


def test_a_temporary_array_counts_and_what_exists_before_does_not():
    assert 90 * MEGABYTE < peak_extra_bytes(lambda: np.ones(100 * MEGABYTE, np.uint8).sum()) < 115 * MEGABYTE
    assert peak_extra_bytes(lambda: None) < 2 * MEGABYTE
    array = np.ones(100 * MEGABYTE, np.uint8)
    assert peak_extra_bytes(lambda: array.sum()) < 5 * MEGABYTE


def test_medium_arrays_are_seen_each_time_in_the_environment_of_the_workers():
    program = (
        "import numpy as np; from benchmarks.memory import peak_extra_bytes as peak\n"
        "print(*[peak(lambda: np.ones(5_000_000, np.uint8).sum()) for _ in range(4)])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env=memory.MALLOC_ENVIRONMENT,
        cwd=Path(memory.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(4 * MEGABYTE < int(peak) < 8 * MEGABYTE for peak in printed.split()), printed


def test_other_systems_are_told_so(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(RuntimeError, match="only be measured on Linux"):
        peak_extra_bytes(lambda: None)
