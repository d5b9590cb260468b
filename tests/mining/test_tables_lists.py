"""Tables that list their labels, and text that is no table."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from obrl.mining.errors import TableError
from tests.mining.test_tables_text import codes, column, opened, written

LISTS = [["b", "a"], [], ["No Finding"], ["c", "b", "b"], ["a"]]
LISTED = [[1, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_list_columns(tmp_path: Path, delimiter: str, rows: int) -> None:
    lines = [delimiter.join(["id", "Finding"]), *(f"{k}{delimiter}{'|'.join(v)}" for k, v in enumerate(LISTS))]
    path = written(tmp_path / ("t.tsv" if delimiter == "\t" else "t.csv"), "\r\n".join(lines))
    table = opened(path, list_column="Finding", none="No Finding", id="id")
    assert table.label_names == ("b", "a", "c") and table.rows == 5
    assert codes(table, rows).tolist() == LISTED
    assert column(table, "id") == list("01234")
    assert opened(path, list_column="Finding").label_names == ("b", "a", "No Finding", "c")
    assert codes(opened(path, list_column="Finding", labels=("c", "a"))).tolist() == [[r[2], r[1]] for r in LISTED]


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
def test_json_lines(tmp_path: Path, packed: bool, as_text: bool) -> None:
    records = [{"id": k, "tags": "|".join(v) if as_text else v} for k, v in enumerate(LISTS)]
    content = "\n".join(json.dumps(record) for record in records).encode()
    path = written(tmp_path / "t.jsonl", gzip.compress(content) if packed else content)
    table = opened(path, none="No Finding", id="id", **({"list_column": "tags"} if as_text else {}))
    assert table.label_names == ("b", "a", "c")
    assert codes(table, 2).tolist() == LISTED
    assert column(table, "id") == list("01234")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"l": ["a"]}\n[1]\n', "row 2, line 2: the line is no object"),
        ('{"l": ["a"]}\n\n{"l": ["a"\n', "row 2, line 3: the line is no JSON"),
        ('{"l": ["a"]}\n{"l": ["b", null]}\n', "row 2, line 2.*a text or a number.*null"),
        ('{"l": ["a", "b"]}\n{"l": {"a": 1}}\n', "row 2, line 2.*a text or a number"),
        ('{"l": ["a"], "m": ["b"]}\n', "--list-column"),
        ('{"l": ["a"]}\n{"l": ["a"]}\n', "at least two labels"),
    ],
)
def test_bad_json_lines(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(TableError, match=says):
        opened(written(tmp_path / "t.jsonl", content))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("listed", [False, True])
def test_other_encodings_are_named(tmp_path: Path, encoding: str, listed: bool) -> None:
    content = "id,l\nä,x|y\nb,z\n" if listed else "id,a,b\nä,1,0\nb,0,1\n"
    with pytest.raises(TableError, match=r"UTF-8|UTF-16|no text"):
        codes(opened(written(tmp_path / "t.csv", content.encode(encoding)), list_column="l" if listed else None))


@pytest.mark.parametrize("listed", [False, True])
def test_a_byte_that_is_no_text_far_down_is_named_by_line(tmp_path: Path, listed: bool) -> None:
    lines = b"1,a|b\n" * 900_000 if listed else b"1,0\n0,1\n" * 600_000
    content = b"id,l\n" + lines + b"\xe9,c\n"
    with pytest.raises(TableError, match=r"line (900002|1200002): the file is not UTF-8"):
        codes(opened(written(tmp_path / "t.csv", content), list_column="l" if listed else None))


@pytest.mark.parametrize("listed", [False, True])
def test_a_quote_that_is_not_closed(tmp_path: Path, listed: bool) -> None:
    content = 'id,l,m\n1,1,1\n2,0,1\n"' + "3,1,1\n" * 30_000
    with pytest.raises(TableError, match=r"t.csv, line \d+: .*every quote is closed"):
        codes(opened(written(tmp_path / "t.csv", content), list_column="l" if listed else None))


@pytest.mark.parametrize("row", range(3))
def test_a_list_column_with_a_ragged_row(tmp_path: Path, row: int) -> None:
    lines = ["1,a|b", "2,b", "3,c"]
    lines[row] += ",more"
    with pytest.raises(TableError, match=f"row {row + 1}, line {row + 2}: expected 2 cells.*got 3"):
        opened(written(tmp_path / "t.csv", "\n".join(["id,l", *lines])), list_column="l")


@pytest.mark.parametrize(
    "content",
    ["<table><tr><td>1</td></tr></table>\n", "\n\n<!doctype html>\n<p>", "<?xml version='1.0'?><a/>\n"],
)
def test_a_page_is_no_table(tmp_path: Path, content: str) -> None:
    with pytest.raises(TableError):
        codes(opened(written(tmp_path / "t.csv", content)))
