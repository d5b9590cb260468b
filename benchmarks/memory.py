"""The peak of a process's memory while something runs, read from the Linux kernel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

MALLOC_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "4096",
    "MALLOC_TRIM_THRESHOLD_": "0",
    "MALLOC_TOP_PAD_": "0",
}
"""Environment in which glibc returns freed arrays to the system at once, so that a peak contains one step's arrays."""

HOW = (
    "Peak memory is the process's peak resident memory during a step (VmHWM, cleared through "
    "/proc/self/clear_refs) less its resident memory just before, after warm-up, in a process of its own in "
    "which freed memory goes back to the system at once; the median of several steps, known to about 0.3 MB. "
    "Scratch memory that a library keeps from step to step counts as memory before."
)


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}: peak memory can only be measured on Linux")


def peak_extra_bytes(run: Callable[[], object]) -> int:
    """Run `run` once and return by how many bytes resident memory rose at its peak.

    Raises:
        RuntimeError: not on Linux.
    """
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        raise RuntimeError("peak memory can only be measured on Linux: /proc/self/clear_refs does not exist")
    clear.write_text("5")  # resets VmHWM to the present
    before = _status_bytes("VmRSS")
    run()
    return max(0, _status_bytes("VmHWM") - before)
