"""The file of results: the machine, the rows with their ratios, and the bars that they are held to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.gpu import accuracy, clocks, floors, launcher, parity
from benchmarks.gpu.floors import Rates, floor_of
from benchmarks.gpu.steps import PLAIN_SHARE

FORMAT = 1
PLAIN_HOW = (
    f"The plain formula is benchmarks/peers.py. Where its arrays of size K M^2 would take more than {PLAIN_SHARE:.0%} "
    "of the device's memory, it goes through the batch block_rows at a time, each block forward and backward before "
    "the next."
)
RATIOS_HOW = (
    "over_bce: median over that of cross-entropy alone in the same framework (torch_bce, jax_bce) at the same size "
    "and labels. plain_compiled_over: median of torch_plain_compiled over the row's, how many times faster it is. Both "
    "are null where the two were timed in different ways. over_floor: median over floor_us."
)
HOW = {
    "time": clocks.HOW,
    "memory": clocks.MEMORY_HOW,
    "plain": PLAIN_HOW,
    "ratios": RATIOS_HOW,
    "floors": floors.HOW,
    "accuracy": accuracy.HOW,
    "launcher": launcher.HOW,
    "parity": parity.HOW,
}
BARS = (
    ("over_bce", (1024, 40), "at most", 1.5),
    ("plain_compiled_over", (512, 10_000), "at least", 5.0),
    ("over_floor", (512, 10_000), "at most", 2.0),
)
"""The bars of the fused step: a ratio of its row, the size, and its bound."""
FUSED = "torch_obrl_fused"
COLUMNS = (("median_us", 10), ("over_bce", 9), ("over_floor", 9))
"""The columns of the table, and their widths."""


def slug(name: str) -> str:
    """A GPU's name as that of a file.

    Example:
        >>> slug("NVIDIA H200")
        'nvidia-h200'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _quotient(a: float | None, b: float | None) -> float | None:
    return None if not a or not b else a / b


def with_ratios(rows: Sequence[dict[str, Any]], rates: Rates | None) -> list[dict[str, Any]]:
    """The rows, each beside its peers and its floor."""
    medians = {
        (row["implementation"], row["batch"], row["num_labels"], row["labels"], row["timed_by"]): row["median_us"]
        for row in rows
    }
    result = []
    for row in rows:
        at = (row["batch"], row["num_labels"], row["labels"], row["timed_by"])
        floor = None if rates is None else floor_of(*at[:2], rates).floor_us
        median_us, framework = row["median_us"], row["implementation"].partition("_")[0]
        ratios = {
            "over_bce": _quotient(median_us, medians.get((f"{framework}_bce", *at))),
            "plain_compiled_over": _quotient(medians.get(("torch_plain_compiled", *at)), median_us),
            "over_floor": _quotient(median_us, floor) if "obrl" in row["implementation"] else None,
        }
        result.append({**row, **ratios})
    return result


def bars(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The bars and the measured ratios; `met` is None where there is no measurement."""
    result = []
    for ratio, (batch, num_labels), direction, bar in BARS:
        for row in rows:
            if (row["implementation"], row["batch"], row["num_labels"]) != (FUSED, batch, num_labels):
                continue
            value = row[ratio]
            met = None if value is None else value <= bar if direction == "at most" else value >= bar
            entry = {"implementation": FUSED, "batch": batch, "num_labels": num_labels, "labels": row["labels"]}
            result.append({**entry, "ratio": ratio, direction.replace(" ", "_"): bar, "measured": value, "met": met})
    return result


class Results:
    """The results of one run, which are added one by one.

    Args:
        commit: of the sources.
        about: the machine.
        settings: the extent of the run.
    """

    def __init__(self, commit: str, about: dict[str, Any], settings: dict[str, Any]) -> None:
        self.commit = commit
        self.about = about
        self.settings = settings
        self.date = datetime.now(UTC).isoformat(timespec="seconds")
        self.versions: dict[str, Any] = {}
        self.gpu: dict[str, Any] | None = None
        self.parity: list[parity.Outcome] = []
        self.rates: Rates | None = None
        self.rows: list[dict[str, Any]] = []
        self.accuracy: list[dict[str, Any]] = []
        self.launcher: list[dict[str, Any]] = []
        self.errors: list[str] = []

    def document(self) -> dict[str, Any]:
        """All of it as plain types."""
        rows = with_ratios(self.rows, self.rates)
        sizes = dict.fromkeys((row["batch"], row["num_labels"]) for row in rows)
        return {
            "benchmark": "gpu",
            "format": FORMAT,
            "date": self.date,
            "commit": self.commit,
            "gpu": self.gpu,
            "machine": self.about,
            "versions": self.versions,
            "settings": self.settings,
            "how": HOW,
            "parity": [outcome.as_dict() for outcome in self.parity],
            "rates": None if self.rates is None else self.rates.as_dict(),
            "floors": [] if self.rates is None else [floor_of(*size, self.rates).as_dict() for size in sizes],
            "bars": bars(rows),
            "accuracy": self.accuracy,
            "launcher": self.launcher,
            "errors": self.errors,
            "rows": rows,
        }


def _cell(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}g}"


def table(document: dict[str, Any]) -> str:
    """The rows and the bars for a terminal."""
    lines = [f"{'(K, M)':>13}  {'labels':10}  {'implementation':30}{'us':>10}{'x BCE':>9}{'x floor':>9}{'MB':>9}  by"]
    for row in document["rows"]:
        memory = None if row["peak_memory_bytes"] is None else row["peak_memory_bytes"] / 1e6
        cells = "".join(f"{_cell(row[key]):>{width}}" for key, width in COLUMNS) + f"{_cell(memory):>9}"
        size = f"({row['batch']}, {row['num_labels']})"
        how = row["timed_by"] or (row["error"] or "").strip().splitlines()[-1]
        lines.append(f"{size:>13}  {row['labels']:10}  {row['title']:30}{cells}  {how}")
    for bar in document["bars"]:
        bound = f"at most {bar['at_most']}" if "at_most" in bar else f"at least {bar['at_least']}"
        met = {None: "not measured", True: "met", False: "NOT MET"}[bar["met"]]
        size = f"({bar['batch']}, {bar['num_labels']})"
        lines.append(f"{size}, {bar['labels']} labels: {bar['ratio']} {_cell(bar['measured'])}, {bound}: {met}")
    return "\n".join(lines)
