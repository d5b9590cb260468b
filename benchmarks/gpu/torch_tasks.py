"""`python -m benchmarks.gpu.torch_tasks`: times torch's implementations at one size; measures rates and errors.

The tasks are `about`, `rates`, `accuracy`, `launcher/PART`, and `IMPLEMENTATION/LABELS`.
"""

from __future__ import annotations

import argparse
import gc
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch

import obrl
from benchmarks.batches import BATCHES, draw_batches
from benchmarks.gpu import launcher
from benchmarks.gpu.accuracy import accuracy
from benchmarks.gpu.clocks import Plan, clock_of
from benchmarks.gpu.floors import measure_rates
from benchmarks.gpu.rows import Row, times
from benchmarks.gpu.steps import ENTRIES, TorchStep
from benchmarks.gpu.tasks import answers_to_parent, serve
from obrl_native import cuda

HOST_MEMORY = 2**33
"""Memory in bytes that decides the plain formula's block size on a CPU."""


def about(device: str) -> dict[str, Any]:
    """The device and the versions of what runs on it."""
    try:
        triton: str | None = version("triton")
    except PackageNotFoundError:
        triton = None
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "triton": triton,
        "cuda": torch.version.cuda,
        "obrl": obrl.__version__,
    }
    if device != "cuda":
        return {"versions": versions, "gpu": None}
    device_properties = torch.cuda.get_device_properties(0)
    gpu = {
        "name": device_properties.name,
        "capability": f"{device_properties.major}.{device_properties.minor}",
        "memory_bytes": device_properties.total_memory,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "multiprocessors": device_properties.multi_processor_count,
    }
    return {"versions": versions, "gpu": gpu}


class Tasks:
    """Runs tasks at one size.

    Args:
        batch: K.
        num_labels: M.
        device: `"cuda"` or `"cpu"`.
        quick: whether to take few steps.
    """

    def __init__(self, batch: int, num_labels: int, device: str, *, quick: bool) -> None:
        self.size = (batch, num_labels)
        self.device = device
        self.plan = Plan(rounds=2, round_s=0.0, most=1) if quick else Plan()
        self.quick = quick
        self._held: tuple[str, TorchStep] | None = None
        self._spent = False

    def run(self, task: str) -> Any:
        """Run one task; release the step it holds if it fails."""
        try:
            return self._run(task)
        except Exception:
            self._release()
            raise

    def _run(self, task: str) -> Any:
        clock = clock_of(self.device)
        if task == "about":
            return about(self.device)
        if task == "rates":
            small = {"elements": 2**16, "side": 32, "repeats": 1} if self.quick else {}
            return measure_rates(clock, self.device, **small).as_dict()
        if task == "accuracy":
            self._release()
            return accuracy(draw_batches(*self.size, "correlated", 2), device=self.device)
        name, kind = task.split("/")
        if name == "launcher":
            return launcher.compare(kind, launcher.Native(cuda.library(), self.device))
        return self._time(name, kind).as_dict()

    def _time(self, name: str, labels: str) -> Row:
        step = self._step(name)
        clock = clock_of(self.device)
        step.load(draw_batches(*self.size, labels, BATCHES))
        timing = clock.measure(step, self.plan)
        self._spent = timing.capture_error is not None
        peak = clock.peak_extra_bytes(lambda: step(0))
        entry = ENTRIES[name]
        rows = step.rows if entry.plain else None
        return Row(name, entry.title, *self.size, labels, **times(timing), peak_memory_bytes=peak, block_rows=rows)

    def _step(self, name: str) -> TorchStep:
        """The implementation, compiled once for all kinds of labels; only the last one stays in memory."""
        if self._held is None or self._held[0] != name:
            self._release()
            memory = torch.cuda.get_device_properties(0).total_memory if self.device == "cuda" else HOST_MEMORY
            self._held = name, TorchStep(name, *self.size, device=self.device, memory=memory)
        return self._held[1]

    def _release(self) -> None:
        self._held = None
        torch.compiler.reset()
        gc.collect()  # compiled steps hold each other
        torch.cuda.empty_cache()

    def healthy(self) -> None:
        """Raise where no task can follow: the device failed, or a failed capture left the allocator in capture mode."""
        if self._spent:
            raise RuntimeError("a capture has failed in this process")
        if self.device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Answer the tasks of the command line."""
    answers = answers_to_parent()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.torch_tasks", description=__doc__)
    parser.add_argument("batch", type=int)
    parser.add_argument("num_labels", type=int)
    parser.add_argument("device", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("tasks", nargs="+")
    options = parser.parse_args()
    tasks = Tasks(options.batch, options.num_labels, options.device, quick=options.quick)
    serve(options.tasks, tasks.run, tasks.healthy, answers)


if __name__ == "__main__":
    main()
