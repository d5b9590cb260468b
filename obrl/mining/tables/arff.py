"""ARFF, dense and sparse, with the labels that MULAN's XML names or MEKA's `-C` counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from obrl.mining.blocks import ROWS_PER_BLOCK, Block, DenseLabels
from obrl.mining.errors import TableError
from obrl.mining.tables.options import TableOptions
from obrl.mining.tables.roles import check_enough, check_names
from obrl.mining.tables.text import first_lines, numbered_lines
from obrl.mining.tables.values import WHAT_IS_ALLOWED, ValueCoding, remedy_for_column

ATTRIBUTE = re.compile(r"""^@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\S+)\s+(.*)$""", re.IGNORECASE)
MEKA = re.compile(r"-C\s+(-?\d+)")
NUMBER_OF = {"": np.nan, "?": np.nan, "0": 0, "1": 1, "-1": -1, "true": 1, "false": 0, "yes": 1, "no": 0}
"""Values of nominal attributes; numbers such as 1.0 are read as such."""
CELL = re.compile(r"""((?:[^,'"]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")*)(?:,|$)""")
QUOTED = re.compile(r"""^(['"])(.*)\1$""", re.DOTALL)


def looks_like_arff(lines: list[str]) -> bool:
    """Whether a file begins as ARFF does, after comments."""
    first = next((line for line in lines if line.strip() and not line.lstrip().startswith("%")), "")
    return first.lower().startswith("@relation")


class ArffTable:
    """One file.

    Its labels are those that the options name, that MEKA's `-C` in the relation's name counts, or that MULAN's XML file
    of the same name lists.
    """

    def __init__(self, path: str, options: TableOptions) -> None:
        self.files: tuple[str, ...] = (path,)
        self._path, self._options = path, options
        lines = first_lines(path)
        self._header_lines, relation, attributes = _header(lines, path)
        names = [name for name, _ in attributes]
        check_names(names, path)
        self._left_out = [_left_out(kind) for _, kind in attributes]
        for flag, value in (("--id", options.id), ("--groups", options.groups)):
            if value is not None and value not in names:
                raise TableError(f"{flag} names no attribute", file=path, column=value)
        self.id_column: str | None = options.id
        self.group_column: str | None = options.groups
        labels = _label_names(path, relation, names, options)
        self.label_names = tuple(name for name in labels if name not in options.drop)
        check_enough(self.label_names, path)
        self._position = {name: number for number, name in enumerate(names)}
        self._text = [name for name in (options.id, options.groups, *options.keep) if name is not None]
        for name in (*self.label_names, *self._text):
            if name not in self._position:
                raise TableError("there is no such attribute", file=path, column=name)
        self.rows: int | None = None
        self._coding = ValueCoding(options)
        self._rows_read = 0

    def blocks(self, rows: int = ROWS_PER_BLOCK) -> Iterator[Block]:
        """The rows in order, `rows` at a time."""
        self._coding = ValueCoding(self._options)
        self._rows_read = 0
        pending: list[tuple[list[str], int]] = []
        for record in self._records():
            pending.append(record)
            if len(pending) == rows:
                yield self._block(pending)
                pending = []
        if pending:
            yield self._block(pending)
        if not self._rows_read:
            raise TableError("the table has a header and no rows", file=self._path)
        self._coding.finish(self._path)

    def _records(self) -> Iterator[tuple[list[str], int]]:
        """The cells of each row, with its line."""
        row = 0
        for number, line in numbered_lines(self._path):
            content = line.strip()
            if number <= self._header_lines or not content or content.startswith("%"):
                continue
            row += 1
            yield self._cells(content, {"file": self._path, "row": row, "line": number}), number

    def _cells(self, content: str, place: dict[str, Any]) -> list[str]:
        """The cells of a row; a sparse row names those that differ from what it leaves out."""
        if not content.startswith("{"):
            cells = split_cells(content)
            if len(cells) != len(self._position):
                raise TableError(f"expected {len(self._position)} values, got {len(cells)}", **place)
            return [unquoted(cell) for cell in cells]
        if not content.endswith("}"):
            raise TableError("the row begins with { and does not end with }", **place)
        inside = content[1:-1].strip()
        sparse = self._left_out.copy()
        for cell in split_cells(inside) if inside else ():
            position, _, value = cell.strip().partition(" ")
            if not position.isdecimal() or int(position) >= len(sparse) or not value.strip():
                raise TableError("expected the number of an attribute and its value", **place, value=cell)
            sparse[int(position)] = unquoted(value)
        return sparse

    def _block(self, records: list[tuple[list[str], int]]) -> Block:
        first_row = self._rows_read + 1

        def place(column: int, row: int) -> dict[str, Any]:
            name = self.label_names[column]
            return {"file": self._path, "row": first_row + row, "line": records[row][1], "column": name}

        values = np.empty((len(self.label_names), len(records)), np.float32)
        for position, name in enumerate(self.label_names):
            column = self._position[name]
            words = [cells[column] for cells, _ in records]
            meaning = {word: _number(word) for word in set(words)}
            values[position] = [meaning[word] for word in words]
        wrong = np.argwhere(np.isinf(values.T))
        if len(wrong):
            row, position = (int(index) for index in wrong[0])
            where = place(position, row)
            cell = records[row][0][self._position[where["column"]]]
            raise TableError(WHAT_IS_ALLOWED, **where, value=cell, remedy=remedy_for_column(where["column"]))
        codes, complete = self._coding.codes(values, None, place)
        self._rows_read += len(records)
        columns = {}
        for name in self._text:
            columns[name] = np.array([cells[self._position[name]] for cells, _ in records], object)
        return Block(DenseLabels(codes, complete), len(records), self._path, first_row, None, columns)

    def description(self) -> dict[str, Any]:
        """The format and the coding."""
        return {"format": "arff", "coding": self._coding.description(), "id": self.id_column, "rows": self._rows_read}


def open_arff(path: str, options: TableOptions) -> ArffTable:
    """Open an ARFF file, dense or sparse.

    Raises:
        TableError: nothing says which attributes are labels, or a damaged file.
    """
    return ArffTable(path, options)


def split_cells(row: str) -> list[str]:
    r"""The cells of a row between commas; a comma in single or double quotes divides nothing.

    Example:
        >>> split_cells("1, 'a, b', \"c\"")
        ['1', " 'a, b'", ' "c"']
    """
    if "'" not in row and '"' not in row:
        return row.split(",")
    return [match.group(1) for match in CELL.finditer(row + ",") if match.end() <= len(row) + 1 and match.group()]


def unquoted(cell: str) -> str:
    """A cell without the spaces and quotes around it."""
    cell = cell.strip()
    quoted = QUOTED.match(cell)
    return re.sub(r"\\(.)", r"\1", quoted.group(2)) if quoted else cell


def _left_out(kind: str) -> str:
    """The value that a sparse row means where it leaves an attribute out: 0, or the first of a nominal attribute."""
    nominal = kind.strip()
    return unquoted(split_cells(nominal.strip("{}"))[0]) if nominal.startswith("{") else "0"


def _number(cell: str) -> float:
    """The value of a cell; infinite where it is no number."""
    if cell.lower() in NUMBER_OF:
        return float(NUMBER_OF[cell.lower()])
    try:
        return float(cell)
    except ValueError:
        return np.inf


def _header(lines: list[str], path: str) -> tuple[int, str, list[tuple[str, str]]]:
    """The number of lines of the header, the relation's name, and the names and types of the attributes."""
    relation, attributes = "", []
    for number, line in enumerate(lines, 1):
        content = line.strip()
        if content.lower().startswith("@relation"):
            relation = content[len("@relation") :].strip()
        elif match := ATTRIBUTE.match(content):
            attributes.append((unquoted(match.group(1)), match.group(2)))
        elif content.lower().startswith("@data"):
            return number, relation, attributes
        elif content.lower().startswith("@attribute"):
            raise TableError("expected @attribute NAME TYPE", file=path, line=number, value=content)
    raise TableError("the header does not end with @data", file=path, remedy="fetch the file again")


def _label_names(path: str, relation: str, names: list[str], options: TableOptions) -> list[str]:
    if options.labels is not None:
        return list(options.labels)
    if match := MEKA.search(relation):
        count = int(match.group(1))
        if not 0 < abs(count) <= len(names):
            raise TableError(f"-C names {abs(count)} labels of {len(names)} attributes", file=path, value=relation)
        return names[:count] if count > 0 else names[count:]
    described = Path(path.removesuffix(".gz")).with_suffix(".xml")
    for candidate in (described, _without_part(described)):
        if candidate.is_file():
            return _xml_labels(candidate)
    raise TableError(
        "nothing says which attributes are labels",
        file=path,
        remedy=f"put MULAN's {described.name} beside it, name them with --labels, or give @relation MEKA's -C",
    )


def _without_part(described: Path) -> Path:
    """The XML file of a data set whose ARFF file is the train or test part."""
    return described.with_name(re.sub(r"-(train|test)\.xml$", ".xml", described.name))


def _xml_labels(path: Path) -> list[str]:
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise TableError(f"the XML file is damaged ({error})", file=str(path)) from None
    labels = [str(node.get("name")) for node in root.iter() if node.tag.rpartition("}")[2] == "label"]
    if not labels:
        raise TableError("the XML file names no label", file=str(path))
    return labels
