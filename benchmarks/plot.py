"""The plot of a run: the time of a step over the number of label pairs in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure


def draw(document: dict[str, Any], path: Path) -> None:
    """Write the times of a document (`benchmarks.report.make_document`) as a picture.

    One panel a framework, both axes logarithmic: the median time of a step over K M^2, on correlated labels.
    """
    rows = [row for row in document["rows"] if row["labels"] == document["rows"][0]["labels"]]
    frameworks = list(dict.fromkeys(row["implementation"].split("_")[0] for row in rows))
    figure = Figure(figsize=(4.6 * len(frameworks), 4.2), layout="constrained")
    panels = figure.subplots(1, len(frameworks), sharey=True, squeeze=False)[0]
    for panel, framework in zip(panels, frameworks, strict=True):
        panel_rows = [row for row in rows if row["implementation"].startswith(f"{framework}_")]
        for title in dict.fromkeys(row["title"] for row in panel_rows):
            points = sorted(
                (row["batch"] * row["num_labels"] ** 2, row["median_ms"]) for row in panel_rows if row["title"] == title
            )
            panel.loglog(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1, label=title)
        panel.set_title(framework)
        panel.set_xlabel("K M^2")
        panel.grid(visible=True, linewidth=0.3)
        panel.legend(fontsize="x-small")
    panels[0].set_ylabel("median ms a step")
    with rc_context({"svg.hashsalt": "obrl"}):  # the same figures give the same file
        figure.savefig(path, metadata={"Date": None})
