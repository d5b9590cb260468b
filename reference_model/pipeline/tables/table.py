"""What a table is: which cells it has, and what it makes of their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reference_model.config import LossKind, RunConfig
from reference_model.pipeline.cells import Cell, CellResult, net_names
from reference_model.pipeline.tables.relation_variants import with_variant
from reference_model.settings.plain import SettingsError

Value = str | float | int
"""An entry: text, or a number, which is rounded in Markdown and whole in CSV; NaN is shown as a dash."""

ATTRIBUTE_DATA = ("celeba", "lfwa", "synthetic", "table")
FUSIONS: tuple[tuple[str, ...], ...] = (
    ("net_0",),
    ("net_1",),
    ("net_2",),
    ("net_3",),
    ("net_1", "net_2"),
    ("net_1", "net_3"),
    ("net_2", "net_3"),
    ("net_1", "net_2", "net_3"),
)
"""The fusions of the paper's Table II, in its order."""

ALL_NETS = FUSIONS[-1]
"""The fusion of all nets that were trained for a task of their own."""


@dataclass(frozen=True)
class TableOptions:
    """What a command line asks of a table.

    Args:
        bases: The settings of a run on each data set, by the data set's name, in order.
        seeds: The seeds.
        fusions: Which nets are fused, a row each.
        nets: Files of the nets, by name; the others start at random.
        nets_frozen: Whether nets are frozen.
        words: The text of the table's own options, by name.
        training_pictures: The number of training pictures of each stage, for tables whose cells depend on it.
    """

    bases: Mapping[str, RunConfig]
    seeds: tuple[int, ...] = (0,)
    fusions: tuple[tuple[str, ...], ...] = FUSIONS
    nets: Mapping[str, Path] = field(default_factory=dict)
    nets_frozen: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    training_pictures: Mapping[str, int] = field(default_factory=dict)

    @property
    def base(self) -> RunConfig:
        """The settings of a run on the first data set."""
        return next(iter(self.bases.values()))

    def config(self, data: str, nets: Sequence[str], *, seed: int, loss: str) -> RunConfig:
        """Return the settings of the attributes' run on a data set with some nets, as the options have them.

        Args:
            data: The data set's name.
            nets: The nets to fuse.
            seed: Of the run.
            loss: ce, obrl with the settings of the command line, or one of
                `reference_model.pipeline.tables.relation_variants`.
        """
        base = self.bases[data]
        chosen = tuple(nets)
        net = replace(base.net, nets=chosen, frozen=chosen if self.nets_frozen else ())
        weights = replace(base.weights, **{name: self.nets.get(name) for name in chosen})
        relation = base.relation if loss in ("ce", "obrl") else with_variant(base.relation, loss)
        kind: LossKind = "ce" if loss == "ce" else "obrl"
        return replace(base, net=net, weights=weights, relation=relation, seed=seed, loss=kind)


@dataclass(frozen=True)
class Column:
    """A column: its name and the digits after the point of its numbers."""

    name: str
    digits: int = 2


@dataclass(frozen=True)
class Part:
    """A part of a table: a heading, rows, and sentences below them.

    Args:
        name: Of its CSV file, after the table's; empty for the first part.
        title: The heading.
        columns: The columns.
        rows: One entry a column.
        notes: Sentences below the rows.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Value]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of a figure.

    Args:
        label: In the legend.
        x: Places.
        y: Values.
        spread: Half the length of each error bar; None for none.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] | None = None


@dataclass(frozen=True)
class Panel:
    """A panel of a figure.

    Args:
        title: Above it.
        x_label: Below it.
        y_label: Beside it.
        lines: Its lines.
        ticks: Names of the places 0, 1, 2 ..., which are then drawn as points without lines; None for numbers.
        log_x: Whether the places are drawn on a logarithmic scale, which is linear below 1.
        log_y: Whether the values are drawn on a logarithmic scale.
        band: A range of places that is shaded; None for none.
    """

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line]
    ticks: Sequence[str] | None = None
    log_x: bool = False
    log_y: bool = False
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class FigureContent:
    """A figure: panels, one above the other, and its caption.

    Args:
        name: Of its SVG file, after the table's; empty for the first figure.
        panels: The panels.
        caption: Sentences for the Markdown.
    """

    name: str
    panels: Sequence[Panel]
    caption: str


@dataclass(frozen=True)
class TableContent:
    """What a table says.

    Args:
        title: Its title.
        parts: Its parts.
        figures: Its figures.
        notes: Sentences at its beginning.
        numbers: More figures in plain values, for a JSON file; None for none.
    """

    title: str
    parts: Sequence[Part]
    figures: Sequence[FigureContent] = ()
    notes: tuple[str, ...] = ()
    numbers: Mapping[str, Any] | None = None


SET_BY_EVERY_TABLE = ("net.nets", "net.frozen", "loss", "seed", "stage")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that ``python -m reference_model.tables NAME`` makes.

    Args:
        name: On the command line.
        title: In one line, for ``--help``.
        cells: From the options to the cells.
        rows: From the options and the results, in the order of the cells, to what the table says.
        data: The data sets it can be made of; none for a table without pictures, which takes no ``--data``.
        fusions: The fusions without ``--fusions``; one alone for a table whose cells all have the same nets.
        several: Whether it can be made of several data sets at once (``--roots``).
        options: Its own options, by name, with a line each for ``--help``; their text is in `TableOptions.words`.
        sections: Stages whose settings may be given as with ``--stage all``, such as ``--identity.train.epochs 4``;
            their text is in `TableOptions.words`.
        sets: Settings that the table sets itself, beside those of `SET_BY_EVERY_TABLE`.
        needs: Whether ``rows`` cannot do without the result of a cell, should that diverge.
        pictures: From the options to the number of training pictures of each stage, which it reads from the data; for
            tables whose cells depend on it.
    """

    name: str
    title: str
    cells: Callable[[TableOptions], Sequence[Cell]]
    rows: Callable[[TableOptions, Sequence[CellResult]], TableContent]
    data: tuple[str, ...] = ATTRIBUTE_DATA
    fusions: tuple[tuple[str, ...], ...] = FUSIONS
    several: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    needs: Callable[[Cell], bool] = lambda _: True
    pictures: Callable[[TableOptions], Mapping[str, int]] = lambda _: {}

    def with_pictures(self, options: TableOptions) -> TableOptions:
        """Return options that say what the cells depend on of the data.

        Raises:
            ValueError: If the data cannot be read.
        """
        return replace(options, training_pictures=self.pictures(options))

    @property
    def one_fusion(self) -> bool:
        """Whether all cells have the same nets."""
        return len(self.fusions) == 1

    @property
    def flags_of_cells(self) -> tuple[str, ...]:
        """Settings that the table sets itself, which are refused on the command line."""
        return (*SET_BY_EVERY_TABLE, *self.sets)


def parse_fusions(text: str) -> tuple[tuple[str, ...], ...]:
    """Return the fusions of ``net_0,net_1+net_2``.

    Raises:
        SettingsError: If there is none, one is there twice, or a net is unknown.
    """
    fusions = []
    known = {net for fusion in FUSIONS for net in fusion}
    for part in text.split(","):
        nets = tuple(part.strip().split("+"))
        if set(nets) - known or len(set(nets)) < len(nets):
            raise SettingsError(
                f"--fusions {text}: {part.strip() or 'an empty entry'} is no fusion; write nets of net_0 to net_3 with "
                "+ between them and fusions with commas, such as net_0,net_1+net_2+net_3"
            )
        fusions.append(tuple(net_names(nets).split("+")))
    if len(set(fusions)) < len(fusions):
        raise SettingsError(f"--fusions {text} names a fusion twice")
    return tuple(fusions)
