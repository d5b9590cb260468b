"""The parts of a run; each adds to the results and writes the file again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from benchmarks.batches import kinds_up_to
from benchmarks.gpu.accuracy import MOST
from benchmarks.gpu.document import FUSED, Results, slug
from benchmarks.gpu.floors import Rates
from benchmarks.gpu.launcher import PARTS
from benchmarks.gpu.markdown import markdown
from benchmarks.gpu.parity import run_parity
from benchmarks.gpu.rows import JAX_TITLES, Row
from benchmarks.gpu.steps import ENTRIES
from benchmarks.gpu.tasks import LEFT_OUT, ROOT, Answer, Limits, ask
from benchmarks.labels import LABEL_KINDS

RESULTS = ROOT / "benchmarks" / "results"
PARITY_SHARE = 0.4
"""The fraction of the time that the parity suite may take."""

FIRST = ("torch_bce", FUSED)
"""The implementations that are measured first at each size."""

CHEAP = 2 * 10**8
"""Up to this K M^2 every kind of labels is measured; above, only the first."""


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        sizes: (K, M), those of the bars first.
        quick: whether to take few steps.
    """

    sizes: tuple[tuple[int, int], ...]
    quick: bool


ALL = Extent(((1024, 40), (512, 10_000), (64, 40), (256, 40), (256, 312), (128, 1000), (512, 1000)), quick=False)
QUICK = Extent(((8, 5),), quick=True)


def driver_version() -> str | None:
    """The version of NVIDIA's driver, or None where nvidia-smi does not tell."""
    try:
        process = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.split("\n")[0].strip() or None


def failures(document: dict[str, Any]) -> list[str]:
    """The reasons why a run fails, a line each: parity, the launcher, what kernels raised, errors beyond rounding."""
    return [
        *(f"parity of {outcome['framework']} failed" for outcome in document["parity"] if not outcome["ok"]),
        *(
            f"{FUSED} failed at ({row['batch']}, {row['num_labels']}), {row['labels']} labels"
            for row in document["rows"]
            if row["implementation"] == FUSED and row["error"] not in (None, LEFT_OUT)
        ),
        *(
            f"at ({entry['batch']}, {entry['num_labels']}) the kernels' {name} is {entry[name]:.2g}"
            for entry in document["accuracy"]
            for name in ("relation_error", "loss_error", "gradient_error")
            if entry.get(name, 0.0) > MOST and (name == "relation_error" or not entry["pairs_near_thresholds"])
        ),
        *(
            f"the launcher, {entry['part']}: {entry.get('error') or entry['different'][:3] or 'nothing was compared'}"
            for entry in document["launcher"]
            if entry.get("error", LEFT_OUT) != LEFT_OUT or entry.get("different") or entry.get("compared") == 0
        ),
        *(f"failed: {error.strip().splitlines()[-1]}" for error in document["errors"]),
    ]


def _replace(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    part = path.with_suffix(f"{path.suffix}.part")
    part.write_text(text)
    part.replace(path)


class Run:
    """One run.

    Args:
        extent: how much is measured.
        device: `"cuda"` or `"cpu"`.
        about: the machine.
        commit: of the sources.
        budget_s: seconds that all of it may take.
    """

    path: Path

    def __init__(self, extent: Extent, device: str, about: dict[str, Any], *, commit: str, budget_s: float) -> None:
        self.extent = extent
        self.device = device
        self.budget_s = budget_s
        self.limits = Limits(time.monotonic() + budget_s)
        settings = {**asdict(extent), "device": device, "budget_s": budget_s, "task_s": self.limits.task_s}
        self.results = Results(commit, about, settings)

    def start(self, out: Path | None) -> None:
        """Ask for the device and the versions, and choose the file."""
        for _, answer in self._ask_torch((2, 2), ["about"]):
            if "error" in answer:
                raise RuntimeError(answer["error"])
            self.results.versions = answer["result"]["versions"]
            if (gpu := answer["result"]["gpu"]) is not None:
                self.results.gpu = {**gpu, "driver": driver_version()}
                self.results.about = {**self.results.about, "gpu": gpu["name"]}
        name = "cpu" if self.results.gpu is None else slug(self.results.gpu["name"])
        self.path = out or RESULTS / f"{name}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._save("started")

    def parity(self) -> None:
        """The parity suite of the kernels and of torch's operators."""
        limits = replace(self.limits, deadline=time.monotonic() + PARITY_SHARE * self.budget_s)
        self.results.parity = run_parity(["torch_fused", "torch_wide", "torch"], self.device, limits)
        counts = [f"{one.framework}: {one.passed} passed, {one.failed} failed" for one in self.results.parity]
        self._save(f"parity: {'; '.join(counts)}")

    def launcher(self) -> None:
        """The native launcher beside Triton's launches; one process runs all parts unless a part fails."""
        for task, answer in self._ask_torch((2, 2), [f"launcher/{part}" for part in PARTS]):
            self.results.launcher.append(answer.get("result", {"part": task, **answer}))
            self._save(task)

    def torch(self) -> None:
        """Rates of the device, rows and errors in torch, one process for each size."""
        for size in self.extent.sizes:
            kinds = kinds_up_to(CHEAP, *size)
            rates = ["rates"] if size == self.extent.sizes[0] else []
            first = [f"{name}/{kind}" for name in FIRST for kind in kinds]
            peers = [f"{name}/{kind}" for name in ENTRIES if name not in FIRST for kind in kinds]
            for task, answer in self._ask_torch(size, [*rates, *first, "accuracy", *peers]):
                if task == "rates":
                    self._add_rates(answer)
                elif task == "accuracy":
                    self._add_accuracy(size, answer)
                else:
                    name, kind = task.split("/")
                    self._add_row(Row(name, ENTRIES[name].title, *size, kind), answer)

    def jax(self) -> None:
        """Rows in JAX, in a separate process."""
        kind = next(iter(LABEL_KINDS))
        rows = [Row(name, title, *size, kind) for size in self.extent.sizes for name, title in JAX_TITLES.items()]
        tasks = [f"{row.implementation}/{kind}/{row.batch}/{row.num_labels}" for row in rows]
        # JAX must not preallocate most of the memory, nor look for a GPU on `--device cpu`.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        environment |= {"JAX_PLATFORMS": "cpu"} if self.device == "cpu" else {}
        arguments, all_tasks = [self.device, *self._quick()], ["versions", *tasks]
        answers = ask("benchmarks.gpu.jax_tasks", arguments, all_tasks, self.limits, environment=environment)
        _, first = next(answers)
        self.results.versions |= first.get("result", {})
        # Where no JAX sees the GPU, the first answer says so, and stands for all rows without another process.
        for row, (_, answer) in zip(rows, repeat((None, first)) if "error" in first else answers, strict=False):
            self._add_row(row, answer)
        answers.close()

    def _quick(self) -> list[str]:
        return ["--quick"] if self.extent.quick else []

    def _ask_torch(self, size: tuple[int, int], tasks: Sequence[str]) -> Generator[tuple[str, Answer]]:
        arguments = [*map(str, size), self.device, *self._quick()]
        environment = {"TRITON_INTERPRET": "1" if self.device == "cpu" else "0"}
        return ask("benchmarks.gpu.torch_tasks", arguments, tasks, self.limits, environment=environment)

    def _add_row(self, row: Row, answer: Answer) -> None:
        error = answer.get("error")
        result = answer["result"] if error is None else replace(row, error=error).as_dict()
        self.results.rows.append(result)
        time_us = result["median_us"]
        outcome = "failed" if time_us is None else f"{time_us:.1f} us by {result['timed_by']}"
        self._save(f"({row.batch}, {row.num_labels}) {row.labels}: {row.title}: {outcome}")

    def _add_rates(self, answer: Answer) -> None:
        if "error" in answer:
            self.results.errors.append(answer["error"])
        else:
            self.results.rates = Rates(**answer["result"])
        self._save("rates of the device")

    def _add_accuracy(self, size: tuple[int, int], answer: Answer) -> None:
        at = {"batch": size[0], "num_labels": size[1]}
        error = answer.get("error")
        if error not in (None, LEFT_OUT):
            self.results.errors.append(f"accuracy at {size}: {error}")
        self.results.accuracy.append({**at, **answer.get("result", {})})
        self._save(f"{size}: accuracy")

    def _save(self, line: str) -> None:
        """Write all results so far, and print a line on what was added."""
        document = self.results.document()
        _replace(self.path, json.dumps(document, indent=2, allow_nan=False) + "\n")
        if document["rows"]:
            _replace(self.path.with_suffix(".md"), markdown(document))
        print(f"{self.budget_s - self.limits.left():6.1f} s  {line}", file=sys.stderr, flush=True)
