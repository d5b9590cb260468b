"""Runs `tests/parity` on a device, several parts at once, and counts the tests that passed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.gpu.tasks import ROOT, Limits, trimmed

HOW = (
    "tests/parity compares value, gradient and state with the specification in float64 over examples that hypothesis "
    "draws. Profiles are those of tests/support/profiles.py: the kernels get a quarter of the examples, since each "
    "example compiles some kernels anew. HYPOTHESIS_PROFILE in the environment takes precedence. The suite is split "
    "over several processes, each of which must succeed."
)
PROFILES = {"torch": "device", "torch_fused": "quick", "torch_wide": "quick"}
MOST_SHARDS = 12
NO_TESTS = 5
"""pytest's exit status where a part is empty."""

ALONE = {
    "TORCHINDUCTOR_COMPILE_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "TRITON_INTERPRET": "0",
}
"""One thread a process, no installed plugins, and Triton's interpreter only where the suite asks for it."""


@dataclass(frozen=True)
class Outcome:
    """The result of the suite for one framework.

    Attributes:
        framework: a key of `tests.parity.subjects.FRAMEWORKS`.
        profile: of hypothesis.
        passed: number of tests that passed.
        failed: number of tests that failed, and of processes that ended without a report.
        skipped: number of skipped tests, which make the suite fail too.
        examples: number of examples that hypothesis drew.
        seconds: until its last part had ended.
        errors: the last lines of each failed part.
    """

    framework: str
    profile: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    examples: int = 0
    seconds: float = 0.0
    errors: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every test was run, and passed."""
        return self.passed > 0 and self.failed == 0 and self.skipped == 0

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain types."""
        return {**asdict(self), "ok": self.ok}


def command(framework: str, device: str, shard: str, report: Path) -> list[str]:
    """The command that runs a part of the suite, with pytest and hypothesis only and no configuration file."""
    pytest = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider"]
    reporting = ["-q", "-rfEs", "--tb=short", f"--junitxml={report}"]
    part = ["--framework", framework, "--device", device, "--shard", shard]
    return [*pytest, *reporting, "--import-mode=importlib", "tests/parity", *part]


def read_report(text: str) -> tuple[int, int, int]:
    """How many tests passed, failed and were skipped, from a report in JUnit's form."""
    suites = list(ET.fromstring(text).iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors, skipped


def count_examples(output: str) -> int:
    """The number of examples that hypothesis drew, as the suite prints it."""
    return sum(int(count) for count in re.findall(r"(\d+) (?:eager|compiled)\b", output))


def run_shard(before: Outcome, device: str, shard: str, limits: Limits) -> Outcome:
    """Run a part of the suite; `before` names the framework and the profile, and the result adds the counts."""
    start = time.monotonic()
    environment = {**os.environ, **ALONE, "HYPOTHESIS_PROFILE": before.profile}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        try:
            process = subprocess.run(
                command(before.framework, device, shard, report),
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=max(1.0, limits.left()),
            )
            output, code = process.stdout, process.returncode
        except subprocess.TimeoutExpired:
            output, code = f"shard {shard}: out of time", -1
        passed, failed, skipped = read_report(report.read_text()) if report.exists() else (0, 0, 0)
    code = 0 if code == NO_TESTS else code
    if code and not failed:
        failed = 1
    return replace(
        before,
        passed=passed,
        failed=failed,
        skipped=skipped,
        examples=count_examples(output),
        seconds=round(time.monotonic() - start, 1),
        errors=(trimmed(output),) if code else (),
    )


def run_parity(frameworks: Sequence[str], device: str, limits: Limits, *, shards: int | None = None) -> list[Outcome]:
    """Run the suite for some frameworks on a device.

    Args:
        frameworks: keys of `tests.parity.subjects.FRAMEWORKS`.
        device: `"cuda"` or `"cpu"`.
        limits: when all must have ended; single tests have no time limit.
        shards: number of parts of each suite; by default as many as there are processors, up to 12.
    """
    at_once = min(len(os.sched_getaffinity(0)), MOST_SHARDS)
    count = shards or at_once
    with ThreadPoolExecutor(at_once) as pool:
        runs = []
        for name in frameworks:
            profile = os.environ.get("HYPOTHESIS_PROFILE", PROFILES.get(name, "quick"))
            parts = [(Outcome(name, profile), device, f"{part}/{count}", limits) for part in range(1, count + 1)]
            runs.append([pool.submit(run_shard, *part) for part in parts])
        return [together([future.result() for future in futures]) for futures in runs]


def together(parts: Sequence[Outcome]) -> Outcome:
    """The outcome of a suite from those of its parts."""
    return replace(
        parts[0],
        passed=sum(part.passed for part in parts),
        failed=sum(part.failed for part in parts),
        skipped=sum(part.skipped for part in parts),
        examples=sum(part.examples for part in parts),
        seconds=max(part.seconds for part in parts),
        errors=tuple(error for part in parts for error in part.errors),
    )
