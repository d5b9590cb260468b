"""A table as files: Markdown, CSV and SVG."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from reference_model.pipeline.tables.table import Column, FigureContent, Panel, Part, TableContent, Value
from reference_model.runs import write_atomically, write_json


def write_table(folder: Path, name: str, content: TableContent) -> list[Path]:
    """Write ``NAME.md``, a CSV file for every part, an SVG file for every figure, and ``NAME.json`` for more numbers.

    Returns:
        The files, the Markdown first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{name}.md"]
    for part in content.parts:
        files.append(folder / f"{_file_name(name, part.name)}.csv")
        write_atomically(files[-1], format_csv(part))
    for figure in content.figures:
        files.append(folder / f"{_file_name(name, figure.name)}.svg")
        write_figure(files[-1], figure)
    if content.numbers is not None:
        files.append(folder / f"{name}.json")
        write_json(files[-1], content.numbers)
    write_atomically(files[0], format_markdown(name, content))
    return files


def finish_table(folder: Path, name: str, content: TableContent, others: Sequence[Path] = ()) -> None:
    """Write a table, and print its first part and the names of its files, with others that belong to it."""
    files = [*write_table(folder, name, content), *others]
    for part in content.parts[:1]:
        print(f"\n{part.title}\n{format_part(part)}")
    print(f"\nWritten: {', '.join(str(path) for path in files)}")


def format_markdown(name: str, content: TableContent) -> str:
    """Return a table as Markdown; figures are referred to as files beside it."""
    blocks = [f"# {content.title}", *content.notes]
    for part in content.parts:
        blocks += [f"## {part.title}", format_part(part), *part.notes]
    for figure in content.figures:
        blocks += [f"![{figure.caption.split('. ')[0]}]({_file_name(name, figure.name)}.svg)", figure.caption]
    return "\n\n".join(blocks) + "\n"


def format_part(part: Part) -> str:
    """Return the rows of a part as a Markdown table; columns of numbers are aligned to the right."""
    numeric = [all(not isinstance(row[place], str) for row in part.rows) for place in range(len(part.columns))]
    lines = [[column.name for column in part.columns], ["---:" if right else "---" for right in numeric]]
    lines += [
        [format_value(value, column) for value, column in zip(row, part.columns, strict=True)] for row in part.rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_value(value: Value, column: Column) -> str:
    """Return an entry as text: numbers with the column's digits, a dash for NaN."""
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if isinstance(value, int):
        return str(value)
    return f"{value:.{column.digits}f}" if math.isfinite(value) else "-"


def format_csv(part: Part) -> str:
    """Return a part as CSV with numbers as they are; NaN is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in part.columns)
    for row in part.rows:
        writer.writerow("" if isinstance(value, float) and not math.isfinite(value) else value for value in row)
    return text.getvalue()


def write_figure(path: Path, figure: FigureContent) -> None:
    """Write a figure as SVG, the same bytes for the same content."""
    import matplotlib as mpl  # here, so that help and mistakes need not wait for it
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(7, 0.8 + 2.9 * len(figure.panels)), layout="constrained")
    FigureCanvasSVG(drawing)
    for number, panel in enumerate(figure.panels, 1):
        _draw(drawing.add_subplot(len(figure.panels), 1, number), panel)
    unfinished = path.with_name(path.name + ".tmp")
    with mpl.rc_context({"svg.hashsalt": "obrl"}):
        drawing.savefig(unfinished, format="svg", metadata={"Date": None})
    unfinished.replace(path)


def _draw(axes: object, panel: Panel) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)  # what add_subplot returns
    for number, line in enumerate(panel.lines):
        spread = None if line.spread is None else [0.0 if math.isnan(value) else value for value in line.spread]
        # Names have no order that a line could follow, and their points stand side by side.
        aside = 0.0 if panel.ticks is None else 0.08 * (number - (len(panel.lines) - 1) / 2)
        axes.errorbar(
            [place + aside for place in line.x],
            line.y,
            yerr=spread,
            linestyle="-" if panel.ticks is None else "none",
            marker="o",
            markersize=4,
            capsize=3,
            label=line.label,
        )
    if panel.ticks is not None:
        axes.set_xticks(range(len(panel.ticks)), panel.ticks, rotation=30, ha="right", fontsize=8)
    if panel.log_x:
        axes.set_xscale("symlog", linthresh=1)
    if panel.log_y:
        axes.set_yscale("log")
    if panel.band is not None:
        axes.axvspan(*panel.band, color="0.92", zorder=0)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(color="0.9")
    axes.legend(fontsize=8)


def _file_name(name: str, part: str) -> str:
    return f"{name}-{part}" if part else name
