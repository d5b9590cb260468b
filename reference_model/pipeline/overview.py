"""What a pipeline tells its user: the README of its folder and the table at its end."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_model.runs import write_atomically

README = "README.md"
CONTENTS = {
    "pretrain": "generic pictures; its weights, `pretrained.safetensors`, start the next one",
    "face": "face and non-face; gives Net_0",
    "identity": "identities with center loss, from Net_0; gives Net_1",
    "age": "age, from Net_0; gives Net_2",
    "race": "race, from Net_0; gives Net_3",
    "attributes": "the fused nets with AttributeNet and the joint loss",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        name: The run, or the product that a user supplied.
        state: In words.
        report: Its report, where it has one.
        seconds: How long it took; None where nothing was trained.
    """

    name: str
    state: str
    report: Mapping[str, Any] | None
    seconds: float | None


def quoted(path: Path) -> str:
    """Return a path as a shell reads it."""
    return shlex.quote(str(path))


def how_to_resume(folder: Path) -> str:
    """Return the command that goes on with a pipeline."""
    return f"python -m reference_model.train --resume {quoted(folder)}"


def main_figure(report: Mapping[str, Any] | None) -> str:
    """Return the figure that sums a report up, as text; empty where there is none."""
    main = (report or {}).get("main")
    if not isinstance(main, Mapping):
        return ""
    value = main.get("value")
    measured = isinstance(value, float | int) and math.isfinite(value)
    return f"{main.get('name')} {f'{value:.4g}' if measured else 'undefined'}"


def format_summary(outcomes: Sequence[Outcome]) -> str:
    """Return a table: stage, state, main figure, time."""
    rows = [("stage", "state", "main figure", "time")]
    for outcome in outcomes:
        duration = "" if outcome.seconds is None else f"{outcome.seconds:.0f} s"
        rows.append((outcome.name, outcome.state, main_figure(outcome.report), duration))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def write_readme(folder: Path, runs: Sequence[str], summary: str | None) -> None:
    """Write what lies where in the folder of a pipeline and how to go on.

    Args:
        folder: The folder.
        runs: Names of the runs' folders.
        summary: The table of `format_summary`, once the pipeline is complete.
    """
    lines = ["# A pipeline of `reference_model`", "", "| | |", "|---|---|", "| `pipeline.yaml` | every setting |"]
    lines += [f"| `{name}/` | {CONTENTS[name.split('-')[1]]} |" for name in runs]
    lines += [
        "| `net_0.safetensors` ... | the weights of the face-level nets |",
        "",
        "Each run has its settings, checkpoints, `metrics.csv`, `report.json`, `report.md` and a picture. What it was "
        "trained from stands in its `inputs.json`: settings, a fingerprint of the data, SHA-256 of the weights.",
        "",
        "Go on where it stopped, or train a stage and what follows anew:",
        "",
        "```bash",
        how_to_resume(folder),
        f"{how_to_resume(folder)} --redo identity",
        "```",
        "",
        *(["```", summary, "```", ""] if summary else []),
    ]
    write_atomically(folder / README, "\n".join(lines))
