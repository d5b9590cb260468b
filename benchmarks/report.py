"""Tables and JSON of the measurements."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.measure import Plan, Row
from benchmarks.memory import HOW as MEMORY_HOW
from reference_model.machine import commit_of, processor_name

FORMAT = 1
BUSY_LOAD = 0.5
TIME_HOW = (
    "A step is relation update, forward and backward to the logits. Each implementation runs in a separate process; "
    "they are timed in turn, a short burst of steps each, one at a time, while the others sleep. "
    "'x BCE' is the median over that of cross-entropy alone in the same mode; 'plain / it' is how many times "
    "faster than the plain formula it is (in torch the eager one, in TensorFlow the graph without XLA)."
)
HEADER = ("implementation", "median ms", "min", "max", "x BCE", "plain / it", "peak MB")


def machine() -> dict[str, Any]:
    """The processor's name, number of cores and architecture, and the system's load in the last minute."""
    return {
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "architecture": platform.machine(),
        "gpu": None,
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit() -> str | None:
    """The commit of these sources, with `-dirty` where they differ from it; None where git does not know."""
    return commit_of(Path(__file__).parent)


def busy_warning(about: dict[str, Any]) -> str | None:
    """A warning about a machine on which other programs ran; None where it was nearly idle."""
    if about["load_before"] <= BUSY_LOAD:
        return None
    return (
        f"The machine was busy before the run (load {about['load_before']}): other programs make threads wait for each "
        "other, and these times mean little."
    )


def make_document(rows: Sequence[Row], plan: Plan, versions: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    """The results of one run and what it ran on, as plain types; `about` is the result of `machine` before the run."""
    return {
        "benchmark": "loss_step",
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": about,
        "versions": versions,
        "settings": asdict(plan),
        "how": {"time": TIME_HOW, "memory": MEMORY_HOW},
        "rows": [row.as_dict() for row in rows],
    }


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    times = tuple(_number(row[key]) for key in ("median_ms", "min_ms", "max_ms", "over_bce", "plain_over"))
    return (row["title"], *times, f"{row['peak_memory_bytes'] / 1e6:.1f}")


def _groups(document: dict[str, Any]) -> Iterable[tuple[str, list[dict[str, Any]]]]:
    def key(row: dict[str, Any]) -> tuple[int, int, str]:
        return row["batch"], row["num_labels"], row["labels"]

    for (batch, num_labels, labels), group in groupby(document["rows"], key=key):
        rows = list(group)
        with_relation = [row for row in rows if row["active_together"] is not None]
        share = ""
        if with_relation:
            together = _span([row["active_together"] for row in with_relation])
            apart = _span([row["active_apart"] for row in with_relation])
            share = f": {together} of the pairs related positively, {apart} negatively"
        yield f"(K, M) = ({batch}, {num_labels}), {labels} labels{share}", rows


def _span(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.1%}", f"{max(shares):.1%}"
    return low if low == high else f"{low} to {high}"


def text_table(document: dict[str, Any]) -> str:
    """The rows for a terminal, one block a size and kind of labels."""
    blocks = []
    for title, rows in _groups(document):
        lines = [HEADER, *(_cells(row) for row in rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(HEADER))]
        text = [
            "  ".join(
                cell.ljust(width) if at == 0 else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        blocks.append("\n".join([title, *text]))
    return "\n\n".join(blocks)


def markdown(document: dict[str, Any]) -> str:
    """The rows as Markdown tables, with the date, the commit and the machine."""
    about, versions = document["machine"], document["versions"]
    parts = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} "
        f"on {about['cores']} cores of {about['cpu']} "
        f"({document['settings']['threads']} threads), "
        + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
        + f". GPU: {about['gpu'] or 'not measured'}.",
        document["how"]["time"] + " " + document["how"]["memory"],
    ]
    parts += [warning] if (warning := busy_warning(about)) else []
    for title, rows in _groups(document):
        lines = [f"| {' | '.join(cells)} |" for cells in (HEADER, *(_cells(row) for row in rows))]
        lines.insert(1, "|---" + "|---:" * (len(HEADER) - 1) + "|")
        parts += [f"**{title}**", "\n".join(lines)]
    if document.get("left_out"):
        parts.append("\n".join(f"- {line}" for line in document["left_out"]))
    if document.get("growth"):
        parts.append(_growth(document["growth"]))
    return "\n\n".join(parts) + "\n"


def _growth(exponents: Sequence[dict[str, Any]]) -> str:
    """The exponents as a Markdown table."""
    lines = ["| implementation | grows with | in | as the power | measured at (K, M) |", "|---|---|---|---:|---|"]
    for entry in exponents:
        variable = {"batch": "K", "num_labels": "M"}[entry["variable"]]
        sizes = ", ".join(f"({batch}, {labels})" for batch, labels in entry["sizes"])
        lines.append(f"| {entry['title']} | {variable} | {entry['quantity']} | {entry['exponent']:.2f} | {sizes} |")
    return "\n".join(lines)
