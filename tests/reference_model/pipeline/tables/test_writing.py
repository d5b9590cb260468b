"""Tables as Markdown, CSV and SVG."""

from __future__ import annotations

import csv
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from reference_model.pipeline.tables.table import Column, FigureContent, Line, Panel, Part, TableContent
from reference_model.pipeline.tables.writing import format_markdown, write_table

ROWS = [["net_0", 3, 88.456, math.nan], ["a|b", 3, 1.0, -0.5]]
PART = Part(
    "", "Accuracy", (Column("nets"), Column("seeds", 0), Column("accuracy"), Column("±", 1)), ROWS, ("A note.",)
)
FIGURE = FigureContent(
    "wide",
    [
        Panel("celeba", "alpha", "accuracy", [Line("ours", [0, 1, 10], [1.0, 2.0, math.nan], [0.1, math.nan, 0.1])]),
        Panel("lfwa", "alpha", "accuracy", [Line("ours", [0, 1], [1.0, 2.0])], ticks=["net_0", "net_1"], log_x=False),
    ],
    "A caption. And more.",
)
CONTENT = TableContent("A table", [PART, Part("more", "More", (Column("x"),), [[1]])], [FIGURE], ("At first.",))


def test_markdown() -> None:
    text = format_markdown("table2", CONTENT)
    assert text.startswith("# A table\n\nAt first.\n\n## Accuracy\n\n| nets | seeds | accuracy | ± |\n")
    assert "| --- | ---: | ---: | ---: |\n| net_0 | 3 | 88.46 | - |\n| a\\|b | 3 | 1.00 | -0.5 |\n\nA note.\n" in text
    assert "![A caption](table2-wide.svg)\n\nA caption. And more.\n" in text


def test_files(tmp_path: Path) -> None:
    files = write_table(tmp_path / "tables", "table2", CONTENT)
    names = [path.name for path in files]
    assert names[:4] == ["table2.md", "table2.csv", "table2-more.csv", "table2-wide.svg"]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "tables").iterdir())
    with files[1].open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["nets", "seeds", "accuracy", "±"],
            ["net_0", "3", "88.456", ""],
            ["a|b", "3", "1.0", "-0.5"],
        ]
    drawn = files[3].read_bytes()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    write_table(tmp_path / "again", "table2", CONTENT)
    assert (tmp_path / "again" / "table2-wide.svg").read_bytes() == drawn
