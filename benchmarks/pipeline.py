"""`python -m benchmarks.pipeline`: does loading keep up with the reference model, and what does the joint loss cost?

Compares, in turn in one process on drawn faces: loading pictures with training the small preset's net; the joint loss
with a whole training step of the paper's net; training with frozen nets with training on their stored features. On a
CUDA device also the speed of the paper preset in mixed precision. Figures to compare are the ratios, each the median
over rounds in which both sides were measured.
"""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.pipeline_tasks import (
    FULL,
    QUICK,
    Extent,
    Task,
    draw_faces,
    feature_tasks,
    images_per_second,
    loading_tasks,
    make_config,
    paper_tasks,
    temporary_folder,
    time_in_turn,
)
from benchmarks.report import busy_warning, commit, machine
from reference_model.engine.sources import open_data
from reference_model.stages.registry import load_stage

FORMAT = 1
PAPER_BATCH = 32
PAPER_BYTES, PAPER_BYTES_A_PICTURE = 0.7e9, 0.24e9
"""What a step of the paper's net takes, roughly: 7.3 GiB at 32 pictures."""

NO_GPU = "not measured: no GPU"


@dataclass(frozen=True)
class Ratio:
    """A comparison of two tasks.

    Args:
        title: What is divided by what.
        over: The task whose speed is divided.
        under: The task whose speed it is divided by.
        least: The ratio should be at least this; None for no bar.
        below: The ratio should be below this; None for no bar.
    """

    title: str
    over: str
    under: str
    least: float | None = None
    below: float | None = None


RATIOS = (
    Ratio("loading from files / training", "load_files", "train", least=2.0),
    Ratio("loading from memory / training", "load_memory", "train", least=2.0),
    Ratio("share of the joint loss in a step of the paper's net", "paper_step", "paper_loss", below=0.01),
    Ratio("stored features / frozen nets on pictures", "cached", "frozen"),
)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, help=f"rounds of bursts (default: {FULL.rounds})")
    add("--threads", type=int, default=2, help="threads of torch (default: %(default)s)")
    add("--paper-batch", type=int, help=f"pictures a step of the paper's net (default: {PAPER_BATCH}, or what fits)")
    add("--quick", action="store_true", help="tiny nets and few pictures: only shows that it runs")
    add("--json", type=Path, metavar="PATH", help="write every figure, and what it was measured on, to PATH")
    add("--markdown", type=Path, metavar="PATH", help="write the tables as Markdown to PATH")
    options = parser.parse_args(arguments)
    for name in ("rounds", "threads", "paper_batch"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1, got {value}")
    return options


def paper_batch(available: float) -> int:
    """The batch size of the paper preset, or the largest half, quarter ... of it that fits into some memory.

    Args:
        available: Bytes; a step may take two thirds of them.
    """
    batch = PAPER_BATCH
    while batch > 1 and PAPER_BYTES + batch * PAPER_BYTES_A_PICTURE > available * 2 / 3:
        batch //= 2
    return batch


def compare(speeds: dict[str, list[float]]) -> list[dict[str, Any]]:
    """The ratios of tasks that were measured, each the median over the rounds, and whether they meet their bars."""
    rows = []
    for ratio in RATIOS:
        if ratio.over not in speeds or ratio.under not in speeds:
            continue
        values = [over / under for over, under in zip(speeds[ratio.over], speeds[ratio.under], strict=True)]
        value = statistics.median(values)
        bar, met = "", None
        if ratio.least is not None:
            bar, met = f"at least {ratio.least:g}", value >= ratio.least
        if ratio.below is not None:
            bar, met = f"below {ratio.below:g}", value < ratio.below
        rows.append(
            {"title": ratio.title, "median": value, "min": min(values), "max": max(values), "bar": bar, "met": met}
        )
    return rows


def measure(extent: Extent, batch: int) -> tuple[list[dict[str, Any]], dict[str, list[float]], float | None]:
    """Measure everything.

    Args:
        extent: How much.
        batch: Pictures a step of the paper's net.

    Returns:
        A row for each task; the speeds of each round by task; pictures a second on a GPU, None without one.
    """

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    rows: list[dict[str, Any]] = []
    speeds: dict[str, list[float]] = {}

    def add(tasks: list[Task], rounds: int) -> None:
        measured = time_in_turn(tasks, rounds, say=say)
        speeds.update(measured)
        for task in tasks:
            values = measured[task.name]
            figures = {"median": statistics.median(values), "min": min(values), "max": max(values)}
            rows.append({"name": task.name, "title": task.title, "unit": f"{task.unit}/s", **figures})

    with temporary_folder() as place:
        folder = Path(place)
        say(f"Drawing {extent.faces} faces ...")
        root = draw_faces(folder, extent)
        add(loading_tasks(root, extent), extent.rounds)
        add(feature_tasks(root, folder, extent), extent.rounds)
        add(paper_tasks(root, batch, extent), extent.paper_rounds)
        return rows, speeds, _on_gpu(root, extent)


def _on_gpu(root: Path, extent: Extent) -> float | None:
    if not torch.cuda.is_available():
        return None
    config = make_config("paper", root, *extent.settings)
    data = open_data(config, load_stage("attributes"))
    return images_per_second(config, data, device="cuda", steps=extent.gpu_steps)


def make_document(
    rows: list[dict[str, Any]],
    speeds: dict[str, list[float]],
    gpu: float | None,
    *,
    about: dict[str, Any],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """The results of one run and what it ran on, as plain types."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "benchmark": "pipeline",
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": about | {"gpu": device},
        "versions": {"torch": torch.__version__},
        "settings": settings,
        "rows": rows,
        "ratios": compare(speeds),
        "paper_on_gpu": NO_GPU if gpu is None else {"pictures_per_second": gpu, "precision": "bfloat16, mixed"},
    }


def markdown(document: dict[str, Any]) -> str:
    """The results as Markdown tables, with the date, the commit and the machine."""
    about, settings, gpu = document["machine"], document["settings"], document["paper_on_gpu"]
    parts = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']} ({settings['threads']} threads), torch {document['versions']['torch']}.",
    ]
    parts += [warning] if (warning := busy_warning(about)) else []
    ratios = [
        (
            row["title"],
            *(f"{row[name]:.3g}" for name in ("median", "min", "max")),
            row["bar"] or "-",
            "-" if row["met"] is None else ("yes" if row["met"] else "no"),
        )
        for row in document["ratios"]
    ]
    parts.append(_table(("ratio", "median", "min", "max", "bar", "met"), ratios))
    speeds = [
        (row["title"], *(f"{row[name]:.4g}" for name in ("median", "min", "max")), row["unit"])
        for row in document["rows"]
    ]
    parts.append(_table(("what", "median", "min", "max", "unit"), speeds))
    shown = gpu if isinstance(gpu, str) else f"{gpu['pictures_per_second']:.4g} pictures/s on {about['gpu']}"
    parts.append(f"The paper preset on drawn faces in mixed precision on a GPU: {shown}.")
    return "\n\n".join(parts) + "\n"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    lines.insert(1, "|---" + "|---:" * (len(header) - 1) + "|")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the files that were asked for."""
    options = parse(arguments)
    extent = QUICK if options.quick else FULL
    if options.rounds is not None:
        extent = Extent(**asdict(extent) | {"rounds": options.rounds})
    batch = options.paper_batch or paper_batch(psutil.virtual_memory().available)
    about = machine()
    if warning := busy_warning(about):
        print(warning, file=sys.stderr, flush=True)
    torch.set_num_threads(options.threads)
    rows, speeds, gpu = measure(extent, batch)
    settings = {**asdict(extent), "threads": options.threads, "paper_batch": batch}
    document = make_document(rows, speeds, gpu, about=about, settings=settings)
    text = markdown(document)
    print(text, end="")
    for path, content in ((options.json, json.dumps(document, indent=2) + "\n"), (options.markdown, text)):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


if __name__ == "__main__":
    main()
