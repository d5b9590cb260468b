"""A Sphinx directive, `obrl-measures`, that shows the entries of `obrl.MEASURES` as a table."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

import obrl

HEADER = ("measure", "formula", "range", "symmetric")


def table_lines() -> list[str]:
    """The table in reStructuredText, a line each."""
    rows = [
        (f"``{name}``", measure.formula, f"{measure.low:g} to {measure.high:g}", "yes" if measure.symmetric else "no")
        for name, measure in obrl.MEASURES.items()
    ]
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (HEADER, *rows):
        lines += [f"   {'* -' if at == 0 else '  -'} {cell}" for at, cell in enumerate(row)]
    return lines


class MeasuresTable(Directive):
    """The directive; it has no arguments and no content."""

    def run(self) -> list[nodes.Node]:
        """Parse the table where the directive stands."""
        container = nodes.container()
        self.state.nested_parse(StringList(table_lines(), source="obrl.MEASURES"), self.content_offset, container)
        return container.children


def setup(app: Sphinx) -> dict[str, object]:
    """Register the directive."""
    app.add_directive("obrl-measures", MeasuresTable)
    return {"parallel_read_safe": True}
