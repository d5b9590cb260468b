"""The results as Markdown for the documentation: a table of times, one of memory, and one of how both grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.scaling import fit

MOST_FLOORS = 100
"""Above this ratio a step's time is that of its launches, and the ratio to its floor means nothing."""

Size = tuple[int, int]
Row = dict[str, Any]


def markdown(document: dict[str, Any]) -> str:
    """The document of `benchmarks.gpu.document.Results`, on its first kind of labels."""
    rows = [row for row in document["rows"] if row["labels"] == document["rows"][0]["labels"]]
    sizes = sorted({_size(row) for row in rows}, key=lambda size: (size[1], size[0]))
    titles = dict.fromkeys(row["title"] for row in rows)
    row_at = {(row["title"], _size(row)): row for row in rows}
    parts = [
        _about(document),
        "Microseconds a step (median); for the kernels, how many floors that is, where they are less than 100:",
        _table(titles, sizes, lambda title, size: _time(row_at.get((title, size)))),
        "Peak memory of a step beside its arguments, in MB:",
        _table(titles, sizes, lambda title, size: _memory(row_at.get((title, size)))),
    ]
    if growth := _growth(rows, titles, sizes):
        parts += ["How time and memory grow, as a power of K or M between the sizes named:", growth]
    return "\n\n".join(parts) + "\n"


def _size(row: Row) -> Size:
    return row["batch"], row["num_labels"]


def _about(document: dict[str, Any]) -> str:
    gpu, versions = document["gpu"] or {"name": "no GPU", "driver": None}, document["versions"]
    software = ", ".join(
        f"{name} {versions[name]}" for name in ("torch", "triton", "cuda", "jax") if versions.get(name)
    )
    labels = document["rows"][0]["labels"]
    return (
        f"{gpu['name']}, driver {gpu['driver']}, {software}; {document['date'][:10]}, "
        f"commit {document['commit'][:12]}; {labels} labels. Times are those of the device, by replaying CUDA graphs; "
        "where marked \\*, those of the clock on the wall around steps launched one by one."
    )


def _time(row: Row | None) -> str:
    if row is None or row["median_us"] is None:
        return "-"
    ratio = row["over_floor"] if "fused" in row["implementation"] else None
    floors = f" ({ratio:.3g})" if ratio and ratio < MOST_FLOORS else ""
    return _figure(row["median_us"]) + ("" if row["timed_by"] == "graph" else "\\*") + floors


def _memory(row: Row | None) -> str:
    return "-" if row is None or row["peak_memory_bytes"] is None else _figure(row["peak_memory_bytes"] / 1e6)


def _figure(value: float) -> str:
    """Three digits, or all digits before the point."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _table(titles: dict[str, None], sizes: list[Size], cell: Callable[[str, Size], str]) -> str:
    lines = [
        "| | " + " | ".join(f"({batch}, {labels:,})" for batch, labels in sizes) + " |",
        "|---" + "|---:" * len(sizes) + "|",
    ]
    lines += [f"| {title} | " + " | ".join(cell(title, size) for size in sizes) + " |" for title in titles]
    return "\n".join(lines)


def _growth(rows: list[Row], titles: dict[str, None], sizes: list[Size]) -> str:
    """Exponents between the smallest and the largest size that differ in one of K and M only."""
    spans = []
    for axis in (0, 1):
        for other in sorted({size[1 - axis] for size in sizes}):
            along = sorted(size for size in sizes if size[1 - axis] == other)
            if len(along) > 1:
                spans.append((axis, along[0], along[-1]))
    row_at = {(row["title"], _size(row)): row for row in rows}
    lines = []
    for title in titles:
        cells = [
            _exponent(axis, *(row_at.get((title, size)) for size in (low, high)), key=key)
            for axis, low, high in spans
            for key in ("median_us", "peak_memory_bytes")
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    if not spans:
        return ""
    heads = [
        f"{'KM'[axis]}, ({low[0]}, {low[1]:,}) to ({high[0]}, {high[1]:,}): {quantity}"
        for axis, low, high in spans
        for quantity in ("time", "memory")
    ]
    return "\n".join(["| | " + " | ".join(heads) + " |", "|---" + "|---:" * len(heads) + "|", *lines])


def _exponent(axis: int, low: Row | None, high: Row | None, *, key: str) -> str:
    if low is None or high is None or not low[key] or not high[key] or low["timed_by"] != high["timed_by"]:
        return "-"
    if low["block_rows"] is not None and any(row["block_rows"] != row["batch"] for row in (low, high)):  # in blocks
        return "-"
    return f"{fit([_size(low)[axis], _size(high)[axis]], [low[key], high[key]]):.2f}"
