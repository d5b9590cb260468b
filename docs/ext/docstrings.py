"""A Sphinx extension that shows docstrings as they are meant where reStructuredText would read them otherwise."""

from __future__ import annotations

import re
from itertools import pairwise

from sphinx.application import Sphinx

LETTER_ALONE = re.compile(r"^(\s+\w+: )([A-Z])\.(?=\s|$)")
NO_TEXT = re.compile(r"^\s*([A-Z]\w+:|.*::)$")
"""What indented lines belong to: the heading of a section, or an announcement that they are code."""


def indent_of(line: str) -> int:
    """How many spaces a line starts with."""
    return len(line) - len(line.lstrip())


def as_written(lines: list[str]) -> list[str]:
    """The lines of a docstring with two changes.

    Lines after a paragraph that are indented further are formulas, and keep their line breaks. An argument that is
    described as `num_labels: M.` is no item `M` of a list.
    """
    shown: list[str] = []
    paragraph = ""
    for previous, line in pairwise(["", *lines]):
        starts = bool(line.strip()) and not previous.strip() and not line.lstrip().startswith((">>>", ".."))
        if starts and paragraph and indent_of(line) > indent_of(paragraph) and not NO_TEXT.match(paragraph):
            shown += [f"{' ' * indent_of(paragraph)}::", ""]
        paragraph = line if line.strip() else paragraph
        shown.append(LETTER_ALONE.sub(r"\1\\\2.", line))
    return shown


def process(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Change a docstring in place, before Napoleon reads it."""
    lines[:] = as_written(lines)


def setup(app: Sphinx) -> dict[str, object]:
    """Register the change."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True}
