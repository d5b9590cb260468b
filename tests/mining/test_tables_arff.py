"""ARFF as label tables: dense and sparse rows, MULAN's XML, MEKA's -C."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl.mining.blocks import MISSING
from obrl.mining.errors import TableError
from obrl.mining.tables import LabelTable, TableOptions, open_tables

Y = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]])
HEADER = """% a comment
@relation '{relation}'

@attribute size numeric
@ATTRIBUTE 'film, title' string
@attribute Hat {{0,1}}
@attribute "Bald head" {{0, 1}}
@attribute Beard {{0,1}}
@data
"""
DENSE = "1.5,'a, b',1,0,1\n% note\n\n2,\"it's\",0,0,1\n3,'it\\'s',1,1,0\n?,x,0,0,0\n"
SPARSE = "{0 1.5, 1 'a, b', 2 1, 4 1}\n{4 1}\n{2 1,3 '1'}\n{}\n"
XML = """<?xml version="1.0" encoding="utf-8"?>
<labels xmlns="http://mulan.sourceforge.net/labels">
<label name="Hat"><label name="Bald head"/></label><label name="Beard"></label></labels>"""
NAMES = ("Hat", "Bald head", "Beard")


def codes(table: LabelTable) -> np.ndarray:
    """The codes of all rows, (rows, labels)."""
    return np.concatenate([block.labels.codes.T for block in table.blocks(3)])


def written(folder: Path, rows: str, relation: str = "films", name: str = "films.arff") -> str:
    """Write an ARFF file with the header above, and return its name."""
    path = folder / name
    path.write_text(HEADER.format(relation=relation) + rows)
    return str(path)


def opened(path: str, **options: Any) -> LabelTable:
    """A table with options."""
    return open_tables([path], TableOptions(**options))


@pytest.mark.parametrize("rows", [DENSE, SPARSE])
def test_labels_of_mulan_meka_and_the_user(tmp_path: Path, rows: str) -> None:
    path = written(tmp_path, rows, relation="films: -C -3")
    assert opened(path).label_names == NAMES and np.array_equal(codes(opened(path)), Y)
    path = written(tmp_path, rows)
    assert np.array_equal(codes(opened(path, labels=("Beard", "Hat"))), Y[:, [2, 0]])
    (tmp_path / "films.xml").write_text(XML)
    for name in ("films.arff", "films-train.arff"):
        table = opened(written(tmp_path, rows, name=name), drop=("Bald head",))
        assert table.label_names == ("Hat", "Beard") and np.array_equal(codes(table), Y[:, [0, 2]])


def test_the_first_attributes_are_labels_where_meka_counts_from_the_front(tmp_path: Path) -> None:
    path = tmp_path / "a.arff"
    path.write_text(
        "@relation 'x: -C 2 -split-percentage 50'\n@attribute a {0,1}\n@attribute b {0,1}\n"
        "@attribute c numeric\n@data\n1,0,7\n0,1,8\n"
    )
    assert opened(str(path)).label_names == ("a", "b") and np.array_equal(codes(opened(str(path))), [[1, 0], [0, 1]])


def test_what_a_sparse_row_leaves_out_is_the_first_value_of_a_nominal_attribute(tmp_path: Path) -> None:
    path = tmp_path / "a.arff"
    path.write_text(
        "@relation 'x: -C 3'\n@attribute a {1,0}\n@attribute b {false,true}\n@attribute c numeric\n"
        "@data\n{}\n{0 0, 1 true, 2 1}\n{2 ?}\n"
    )
    assert np.array_equal(codes(opened(str(path))), [[1, 0, 0], [0, 1, 1], [1, 0, MISSING]])


def test_further_columns_come_as_text_without_quotes(tmp_path: Path) -> None:
    path = written(tmp_path, DENSE, relation="films: -C -3")
    table = opened(path, id="film, title", groups="size")
    columns = [block.columns for block in table.blocks(3)]
    assert np.concatenate([part["film, title"] for part in columns]).tolist() == ["a, b", "it's", "it's", "x"]
    assert np.concatenate([part["size"] for part in columns]).tolist() == ["1.5", "2", "3", "?"]


BAD = {
    "no labels": ("films", DENSE, {}, r"nothing says which attributes are labels; put MULAN's films.xml beside it"),
    "too many": ("films: -C 9", DENSE, {}, r"-C names 9 labels of 5 attributes"),
    "ragged": ("films: -C -3", "1,x,1,0,1\n1,x,1,0\n", {}, r"row 2, line 11: expected 5 values, got 4"),
    "no end": ("films: -C -3", "{2 1\n", {}, r"row 1, line 10: the row begins with \{ and does not end"),
    "no number": ("films: -C -3", "{Hat 1}\n", {}, r"row 1, line 10: expected the number .* got 'Hat 1'"),
    "outside": ("films: -C -3", "{9 1}\n", {}, r"row 1, line 10: expected the number of an attribute"),
    "a word": ("films: -C -3", "1,x,1,maybe,1\n", {}, r"row 1, line 10, column 'Bald head': .* got 'maybe'"),
    "two": ("films: -C -3", "1,x,1,2,1\n", {}, r"row 1, line 10, column 'Bald head': a label must .* got 2"),
    "no rows": ("films: -C -3", "", {}, r"a header and no rows"),
    "no such label": ("films", DENSE, {"labels": ("Hat", "Cap")}, r"column 'Cap': there is no such attribute"),
    "no such id": ("films: -C -3", DENSE, {"id": "x"}, r"column 'x': --id names no attribute"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_say_where_and_what_to_do(tmp_path: Path, case: str) -> None:
    relation, rows, options, message = BAD[case]
    path = written(tmp_path, rows, relation=relation)
    with pytest.raises(TableError, match=message) as error:
        codes(opened(path, **options))
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


def test_bad_headers_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.arff"
    for content, message in (
        (b"@relation x\n@attribute a numeric\n", "the header does not end with @data"),
        (b"@relation x\n@attribute a\n@data\n", "line 2: expected @attribute NAME TYPE"),
        (b"@relation 'x -C 2'\n@attribute a {0,1}\n@attribute a {0,1}\n@data\n", "two columns have the same name"),
        (b"@relation 'x -C 2'\n@attribute a {0,1}\n@attribute b {0,1}\n@data\n1,\xe4\n", "not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(TableError, match=message):
            codes(opened(str(path)))
    path.write_bytes(b"@relation x\n@attribute a {0,1}\n@attribute b {0,1}\n@data\n1,0\n")
    for xml, message in (("<labels><lab", "XML file is damaged"), ("<labels/>", "names no label")):
        (tmp_path / "a.xml").write_text(xml)
        with pytest.raises(TableError, match=message):
            opened(str(path))
