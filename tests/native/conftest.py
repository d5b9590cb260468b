"""The library on a CPU, and the launcher over the driver that records."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from obrl_native import cpu, cuda
from tests.native import recording


@pytest.fixture
def driver() -> Iterator[recording.Driver]:
    driver = recording.driver()
    driver.reset()
    yield driver
    driver.reset()
    driver.current(0)
    driver.device(3, 90)  # as all others


@pytest.fixture(scope="session")
def launcher() -> cuda.Library:
    return recording.library()


@pytest.fixture(scope="session")
def library() -> ctypes.CDLL:
    return cpu.library()
