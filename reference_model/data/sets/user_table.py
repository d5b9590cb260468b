"""Anybody's pictures: a table in CSV with a row a picture, and columns of attributes or a column of years."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import (
    AttributeLabels,
    Catalogue,
    Labels,
    PictureFolder,
    YearLabels,
    seeded_split,
)
from reference_model.data.errors import DataError, first_few
from reference_model.data.recognise import describe_layout
from reference_model.data.registry import DataSet, ReadOptions
from reference_model.data.sets.columns import Columns, read_columns
from reference_model.data.sets.common import (
    SHARES,
    contradictions,
    rows_with_files,
    warn_of_people_in_several_partitions,
)
from reference_model.data.sets.findings import check_by_reading
from reference_model.data.sets.groups import read_groups

TABLE = "labels.csv"
GROUPS = "groups.yaml"
FILE_COLUMNS = ("file", "filename", "file_name", "image", "image_id", "picture", "path", "name")
SPLIT_COLUMNS = ("split", "partition")
PERSON_COLUMNS = ("person", "person_id", "identity")
AGE_COLUMNS = ("age", "years")
OLDEST = 100
"""Largest age that is taken for one."""

_SPLITS = {
    **dict.fromkeys(("train", "training", "0"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "1"), "valid"),
    **dict.fromkeys(("test", "testing", "2"), "test"),
}
_PRESENT = ("1", "1.0", "true", "yes")
_ABSENT = ("-1", "-1.0", "false", "no")
_ZERO = ("0", "0.0")
_MISSING = ("", "nan", "na", "n/a", "null", "none", "?")


def read_table(root: Path, options: ReadOptions) -> Catalogue:
    """Read a table of pictures.

    The table is ``labels.csv``, or the folder's only CSV file, or a file that is given in place of the folder. Its
    first line names the columns. Fields are separated by commas, semicolons or tabs. Columns are known by name,
    whatever its case:

    - ``file`` (or ``image``, ``path`` ...; else the first column): the picture's path from the table's folder;
    - ``split``, if there is one: ``train``, ``valid`` or ``test`` (or CelebA's 0, 1, 2). Without it people, or pictures
      where people are not known, are divided 8 : 1 : 1; without validation rows a tenth of the training part is drawn;
    - ``person``, if there is one: who is shown, any text;
    - ``age`` or ``years``, if there is one: years from 0 to 100, for the stage age;
    - every other column is an attribute: 1, ``true`` or ``yes`` present; 0, -1, ``false`` or ``no`` absent; nothing or
      ``nan`` missing. In a column that holds -1, a 0 is missing, as in CelebA's list.

    ``groups.yaml`` beside the table may divide the attributes into groups: ``Group: [Column, Column]``. Columns that it
    does not name become the group ``other``.

    Args:
        root: The folder of the table, or the table.
        options: ``missing`` and ``seed`` are used.

    Returns:
        Pictures with labels ``"attributes"``, ``"age"`` or both.

    Raises:
        DataError: If there is no table, or a field, a row, a column or a group is not as it must be; the message names
            the line and the column. If pictures are missing; see ``options.missing``.

    Warns:
        DataWarning: If a person is in two partitions, or rows without a picture are left out.
    """
    path = _find_table(root)
    columns = read_columns(path)
    files = _files(columns)
    person = _people(columns)
    split = _partition(columns, person, seed=options.seed)
    labels = _labels(columns, path.parent / GROUPS)
    notes: tuple[str, ...] = ()
    if person is not None:
        warn_of_people_in_several_partitions(path, person, split)
        attributes = labels.get("attributes")
        if isinstance(attributes, AttributeLabels):
            notes = contradictions(attributes, person, "Male")
    catalogue = Catalogue("table", PictureFolder(path.parent, files), labels, split, person, notes)
    return catalogue.rows(rows_with_files(path.parent, files, options.missing, labels=path))


def _find_table(root: Path) -> Path:
    if root.is_file():
        return root
    if (root / TABLE).is_file():
        return root / TABLE
    if not root.is_dir():
        raise DataError(f"{root}: {describe_layout(root)}")
    tables = sorted(root.glob("*.csv"))
    if len(tables) == 1:
        return tables[0]
    if tables:
        listed = first_few([table.name for table in tables])
        raise DataError(f"{root}: holds {len(tables)} tables ({listed}): give one of them with --root")
    raise DataError(f"{root}: no table {TABLE}; {describe_layout(root)}")


def _file_column(columns: Columns) -> str:
    return columns.find(FILE_COLUMNS) or columns.names[0]


def _files(columns: Columns) -> npt.NDArray[np.str_]:
    name = _file_column(columns)
    files = [text.replace("\\", "/").removeprefix("./") for text in columns.texts(name)]
    seen: dict[str, int] = {}
    for row, file in enumerate(files):
        if not file:
            raise columns.error(row, name, "the name of a picture is missing")
        if file in seen:
            raise columns.error(row, name, f"{file} is also in line {columns.lines[seen[file]]}: list a picture once")
        seen[file] = row
    return np.array(files)


def _people(columns: Columns) -> npt.NDArray[np.int64] | None:
    name = columns.find(PERSON_COLUMNS)
    if name is None:
        return None
    texts = np.array(columns.texts(name))
    distinct, number = np.unique(texts, return_inverse=True)
    unknown = np.flatnonzero(distinct == "")
    return np.where(texts == "", -1, number - (len(unknown) > 0)).astype(np.int64)


def _partition(columns: Columns, person: npt.NDArray[np.int64] | None, *, seed: int) -> npt.NDArray[np.str_]:
    rows = np.arange(len(columns.rows))
    keys = rows if person is None else np.where(person < 0, len(rows) + rows, person)
    name = columns.find(SPLIT_COLUMNS)
    if name is None:
        return seeded_split(keys, SHARES, seed=seed)
    for row, text in enumerate(texts := columns.texts(name)):
        if text.lower() not in _SPLITS:
            raise columns.error(row, name, f"expected train, valid or test, got {text!r}")
    split = np.array([_SPLITS[text.lower()] for text in texts], dtype="U5")
    if not (split == "valid").any():
        train = split == "train"
        split[train] = seeded_split(keys[train], {"train": 0.9, "valid": 0.1}, seed=seed)
    return split


def _labels(columns: Columns, groups: Path) -> dict[str, Labels]:
    labels: dict[str, Labels] = {}
    age = columns.find(AGE_COLUMNS)
    others = (_file_column(columns), age, columns.find(SPLIT_COLUMNS), columns.find(PERSON_COLUMNS))
    names = tuple(name for name in columns.names if name not in others)
    if names:
        values = np.stack([_attribute(columns, name) for name in names], axis=1)
        labels["attributes"] = AttributeLabels(names, values, read_groups(groups, names))
    if age is not None:
        labels["age"] = YearLabels(_years(columns, age))
    if not labels:
        raise DataError(
            f"{columns.path}: no column of labels beside {', '.join(columns.names)}: add one an attribute, with 0 and "
            f"1, or a column {AGE_COLUMNS[0]} with years"
        )
    return labels


def _attribute(columns: Columns, name: str) -> npt.NDArray[np.float32]:
    texts = [text.lower() for text in columns.texts(name)]
    meaning = {**dict.fromkeys(_PRESENT, 1.0), **dict.fromkeys(_ABSENT, 0.0), **dict.fromkeys(_MISSING, np.nan)}
    signed = not {"-1", "-1.0"}.isdisjoint(texts)
    meaning.update(dict.fromkeys(_ZERO, np.nan if signed else 0.0))
    for row, text in enumerate(texts):
        if text not in meaning:
            raise columns.error(
                row,
                name,
                f"expected 1 or 0 (or 1 and -1, true and false; nothing where it is missing), got {text!r}; "
                "every column but file, split, person and age is an attribute",
            )
    return np.array([meaning[text] for text in texts], dtype=np.float32)


def _years(columns: Columns, name: str) -> npt.NDArray[np.float32]:
    years = np.full(len(columns.rows), np.nan, dtype=np.float32)
    for row, text in enumerate(columns.texts(name)):
        if text.lower() in _MISSING:
            continue
        try:
            years[row] = float(text.replace(",", "."))
        except ValueError:
            raise columns.error(row, name, f"expected years, got {text!r}") from None
        if not 0 <= years[row] <= OLDEST:
            raise columns.error(row, name, f"expected an age of 0 to {OLDEST} years, got {text}")
    return years


DATA_SETS = (
    DataSet(
        name="table",
        title="A table of pictures",
        labels=("attributes", "age"),
        layout="labels.csv with a row a picture: file, then columns of 0 and 1 or a column age; optional groups.yaml",
        terms="Those of whoever owns the pictures.",
        read=read_table,
        check=check_by_reading(read_table),
    ),
)
