"""The table ``relation``: the moving average, batch by batch, beside the relation of the whole table of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.attributes import normalise_name
from reference_model.data.catalogue import AttributeLabels
from reference_model.data.errors import DataError
from reference_model.data.lists import read_attribute_list
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.pipeline.cells import Cell, CellResult
from reference_model.pipeline.tables.relation_content import study_content
from reference_model.pipeline.tables.relation_study import StudyOptions, run_study
from reference_model.pipeline.tables.table import Table, TableContent, TableOptions
from reference_model.settings.plain import SettingsError

OPTIONS: Mapping[str, str] = {
    "labels": "file of labels in the format of CelebA's list_attr_celeba.txt; no pictures are needed",
    "labels-after": "another such file, whose labels come from the middle on",
    "roots.lfwa": "folder of LFWA, whose labels come from the middle on",
    "batches": "batches before the data changes, and as many after (default: 4000)",
    "batch-sizes": "rows a batch (default: 32,64,128,256)",
    "seeds": "how many shuffles (default: 3)",
}


@dataclass(frozen=True)
class LabelTable:
    """Labels without pictures.

    Args:
        source: Where they come from, in words.
        names: The labels.
        values: (N, M) float32 in {0, 1}, NaN where missing.
    """

    source: str
    names: tuple[str, ...]
    values: npt.NDArray[np.float32]


def relation_cells(options: TableOptions) -> Sequence[Cell]:
    """Check the options; there is nothing to train."""
    study_options(options)
    _sources(options.words)
    return []


def relation_rows(options: TableOptions, results: Sequence[CellResult]) -> TableContent:
    """Read the labels and compare.

    Raises:
        SettingsError: If an option cannot be used.
        DataError: If the labels cannot be read, or those of two sets are not the same.
    """
    chosen = study_options(options)
    tables = read_tables(options.words)
    study = run_study([table.values for table in tables], chosen, say=lambda text: print(text, flush=True))
    return study_content(study, [table.source for table in tables], tables[0].names)


def study_options(options: TableOptions) -> StudyOptions:
    """Return what the command line compares.

    Raises:
        SettingsError: If an option cannot be used.
    """
    words = options.words
    chosen = StudyOptions()
    if "seeds" in words:
        chosen = replace(chosen, seeds=options.seeds)
    if "batches" in words:
        chosen = replace(chosen, batches=_whole("batches", words["batches"], least=8))
    if "batch-sizes" in words:
        sizes = tuple(_whole("batch-sizes", part, least=2) for part in words["batch-sizes"].split(","))
        if len(set(sizes)) < len(sizes):
            raise SettingsError(f"--batch-sizes {words['batch-sizes']} names a size twice")
        chosen = replace(chosen, batch_sizes=sizes)
    return chosen


def _whole(name: str, text: str, *, least: int) -> int:
    word = text.strip()
    if not (word.isascii() and word.isdigit()) or int(word) < least:
        raise SettingsError(f"--{name} must be whole numbers of at least {least}; got {text!r}")
    return int(word)


def _sources(words: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Return option and path of the first labels, and of those from the middle on where there are any."""
    if "labels" not in words:
        raise SettingsError("relation needs a file of labels: --labels path/to/list_attr_celeba.txt")
    later = [name for name in ("labels-after", "roots.lfwa") if name in words]
    if len(later) > 1:
        raise SettingsError("--labels-after and --roots.lfwa both say what comes from the middle on; leave one out")
    sources = [(name, Path(words[name])) for name in ("labels", *later)]
    for name, path in sources:
        is_there = path.is_dir() if name == "roots.lfwa" else path.is_file()
        if not is_there:
            raise SettingsError(f"--{name} {path}: no such {'folder' if name == 'roots.lfwa' else 'file'}")
    return sources


def read_tables(words: Mapping[str, str]) -> list[LabelTable]:
    """Read the labels that the options name, those of the second set in the order of the first.

    Raises:
        SettingsError: If an option cannot be used.
        DataError: If the labels cannot be read, or those of two sets are not the same.
    """
    tables = [_read_lfwa(path) if name == "roots.lfwa" else _read_list(path) for name, path in _sources(words)]
    return [tables[0], *(align_labels(table, tables[0]) for table in tables[1:])]


def _read_list(path: Path) -> LabelTable:
    content = read_attribute_list(path)
    return LabelTable(f"{len(content.files)} rows of {path.name}", content.names, content.targets)


def _read_lfwa(root: Path) -> LabelTable:
    labels = load_data_set("lfwa").read(root, ReadOptions(missing="skip")).labels["attributes"]
    assert isinstance(labels, AttributeLabels)  # what LFWA has
    return LabelTable(f"{len(labels.values)} rows of LFWA", labels.names, labels.values)


def align_labels(table: LabelTable, first: LabelTable) -> LabelTable:
    """Return a table with its columns in the order of another one, compared by normalised name.

    Raises:
        DataError: If it has other labels.
    """
    places = {normalise_name(name): column for column, name in enumerate(table.names)}
    wanted = [normalise_name(name) for name in first.names]
    absent = [name for name in first.names if normalise_name(name) not in places]
    extra = [name for name in table.names if normalise_name(name) not in set(wanted)]
    if absent or extra:
        differs = [f"it lacks {', '.join(absent)}"] if absent else []
        differs += [f"it also has {', '.join(extra)}"] if extra else []
        raise DataError(f"{table.source} have other labels than {first.source}: {' and '.join(differs)}")
    columns: list[Any] = [places[name] for name in wanted]
    return LabelTable(table.source, first.names, table.values[:, columns])


TABLE = Table(
    name="relation",
    title="how far the moving average is from the whole table's relation, and how fast it follows a change",
    cells=relation_cells,
    rows=relation_rows,
    data=(),
    options=OPTIONS,
)
