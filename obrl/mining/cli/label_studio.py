"""The options of subcommands that write an import for Label Studio, and what they show of a row."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from obrl.mining.blocks import Block
from obrl.mining.errors import MiningError
from obrl.mining.label_studio import CONFIG, Task, suspect_tasks, write_label_studio
from obrl.mining.label_studio_setup import label_studio_config
from obrl.mining.output import TASKS, check_folder
from obrl.mining.residual import dense_rows, row_chunks
from obrl.mining.suspects import Candidates
from obrl.mining.tables.ahead import read_ahead
from obrl.mining.tables.options import LabelTable


def add_label_studio_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where to write the import, and what of a row an annotator sees."""
    group = parser.add_argument_group("Label Studio")
    group.add_argument(
        "--label-studio",
        metavar="DIR",
        help="the folder for tasks.json and config.xml: the list as tasks of Label Studio with pre-annotations",
    )
    group.add_argument("--show", metavar="COLUMN", help="what an annotator sees of a row (default: its id)")
    group.add_argument(
        "--images",
        metavar="PREFIX",
        help="show a picture: PREFIX before the column's value is its address, such as https://host/faces/ or "
        "/data/local-files/?d=faces/ ('' where the column holds addresses)",
    )


def shown_columns(options: argparse.Namespace) -> tuple[str, ...]:
    """The column to hand on for `--show`; none without it."""
    return () if options.show is None else (options.show,)


def check_label_studio(options: argparse.Namespace, table: LabelTable) -> None:
    """Raise MiningError for options that do not go together, or a table that cannot be shown."""
    if options.label_studio is None:
        for name in ("show", "images"):
            if getattr(options, name) is not None:
                raise MiningError(f"--{name} says what Label Studio shows: name a folder with --label-studio, too")
        return
    check_folder(options.label_studio, "--label-studio")
    label_studio_config(table.label_names)
    if options.images is not None and options.show is None and table.id_column is None:
        raise MiningError("--images needs a column with the pictures' names: name it with --show or --id")


def row_data(options: argparse.Namespace, table: LabelTable, block: Block, row: int) -> Mapping[str, Any]:
    """What the task of a row of a block shows, and where the row stands; a table without ids shows the latter."""
    place = {"file": block.file, "row": block.first_row + row}
    data: dict[str, Any] = dict(place)
    if table.id_column is not None:
        data["id"] = str(block.columns[table.id_column][row])
    column = options.show or table.id_column
    text = f"{place['file']}, row {place['row']}" if column is None else str(block.columns[column][row])
    return {"text": text, **data} if options.images is None else {"image": f"{options.images}{text}", **data}


def suspects_as_tasks(options: argparse.Namespace, table: LabelTable, listed: Candidates) -> list[Task]:
    """The tasks of the rows of listed entries; the table is read once more."""
    wanted, place = np.unique(listed.row, return_inverse=True)
    values = np.full((len(wanted), len(table.label_names)), np.nan)
    data: list[Mapping[str, Any]] = []
    first = 0
    for block in read_ahead(table.blocks()):
        for rows in row_chunks(block.labels):
            here = wanted[(wanted >= first + rows.start) & (wanted < first + rows.stop)] - first
            labels, known = dense_rows(block.labels, rows)
            chosen = here - rows.start
            values[len(data) : len(data) + len(here)] = np.where(known[chosen], labels[chosen], np.nan)
            data += [row_data(options, table, block, row) for row in here.tolist()]
        first += block.rows
    scores = np.full(values.shape, -np.inf)
    scores[place, listed.label] = listed.score
    return suspect_tasks(scores, values, data, label_names=table.label_names, top=max(len(listed), 1))


def write_tasks(options: argparse.Namespace, table: LabelTable, tasks: list[Task]) -> str:
    """Write the import, and return in a line what to do with it."""
    write_label_studio(options.label_studio, tasks, label_names=table.label_names)
    folder = Path(options.label_studio)
    return (
        f"wrote {len(tasks):,} tasks to {folder / TASKS}: give Label Studio {folder / CONFIG} as the labelling setup "
        "of a project (Settings > Labeling Interface > Code), then import the tasks"
    )
