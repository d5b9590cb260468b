"""CSV, TSV and CelebA's text, against tables drawn in NumPy."""

from __future__ import annotations

import csv
import gzip
import io
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl.mining.blocks import MISSING
from obrl.mining.counting import as_dense
from obrl.mining.errors import MiningWarning, TableError
from obrl.mining.tables import LabelTable, TableOptions, open_tables

ROWS, LABELS = 157, 4
Y = (np.random.default_rng(3).random((ROWS, LABELS)) < 0.4).astype(np.int8)
NAMES = ["Hat", "Bald head", "bärtig", "<script>"]
IDS = [f"{row:06}.jpg" for row in range(ROWS)]


def opened(path: Path, **options: Any) -> LabelTable:
    """A table with options."""
    return open_tables([str(path)], TableOptions(**options))


def codes(table: LabelTable, rows: int = 65_536) -> np.ndarray:
    """The codes of all rows, (rows, labels)."""
    return np.concatenate([as_dense(block.labels).codes.T for block in table.blocks(rows)])


def column(table: LabelTable, name: str) -> list[str]:
    """A further column of all rows."""
    return [value for block in table.blocks(50) for value in block.columns[name]]


def text(matrix: Any = Y, *, absent: str = "0", present: str = "1", delimiter: str = ",", ids: bool = True) -> str:
    """A table with a header."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow([*(["photo"] if ids else []), *NAMES])
    for name, row in zip(IDS, matrix, strict=True):
        writer.writerow([*([name] if ids else []), *(present if value else absent for value in row)])
    return file.getvalue()


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("absent", "present"),
    [("0", "1"), ("-1", "1"), ("false", "true"), ("False", "True"), ("FALSE", "TRUE"), ("0.0", "1.0"), ("-1.0", "1")],
)
@pytest.mark.parametrize("rows", [10, 65_536])
def test_codings(tmp_path: Path, absent: str, present: str, rows: int) -> None:
    table = opened(written(tmp_path / "t.csv", text(absent=absent, present=present)))
    assert table.label_names == tuple(NAMES) and table.id_column == "photo"
    assert np.array_equal(codes(table, rows), Y)
    assert np.array_equal(codes(table, rows), Y)  # a second pass
    assert column(table, "photo") == IDS


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.tsv", "t"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters(tmp_path: Path, name: str, delimiter: str) -> None:
    if name == "t.tsv":
        delimiter = "\t"
    table = opened(written(tmp_path / name, text(delimiter=delimiter)))
    assert table.label_names == tuple(NAMES)
    assert np.array_equal(codes(table), Y)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_marks(tmp_path: Path, ending: str, bom: bytes, last: bool) -> None:
    content = text(ids=False) if last else text(ids=False).rstrip("\n")
    table = opened(written(tmp_path / "t.csv", bom + content.replace("\n", ending).encode()))
    assert table.label_names == tuple(NAMES)
    assert np.array_equal(codes(table), Y)


def test_blank_lines_are_passed_over(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "t.csv", text().replace("\n", "\n\n")))
    assert np.array_equal(codes(table), Y)


def test_quoted_cells(tmp_path: Path) -> None:
    content = 'photo,"a, or b","say ""yes"""\n"one\ntwo.jpg","1","0"\n"x,y",0,"1"\nz,1,1\n'
    table = opened(written(tmp_path / "t.csv", content))
    assert table.label_names == ("a, or b", 'say "yes"')
    assert codes(table).tolist() == [[1, 0], [0, 1], [1, 1]]
    assert column(table, "photo") == ["one\ntwo.jpg", "x,y", "z"]


def test_spaces_around_cells(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "t.csv", "id, a, b\nx, 1, 0\ny, 0, 1\n"))
    assert table.label_names == ("a", "b")
    assert codes(table).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("name", ["t.csv.gz", "t.gz", "t.csv"])
def test_gzip(tmp_path: Path, name: str) -> None:
    table = opened(written(tmp_path / name, gzip.compress(text().encode())))
    assert np.array_equal(codes(table), Y)


def test_empty_cells_are_missing_or_absent(tmp_path: Path) -> None:
    mask = np.random.default_rng(1).random(Y.shape) < 0.2
    cells = np.where(mask, "", Y.astype(str))
    lines = [",".join(NAMES), *(",".join(row) for row in cells)]
    path = written(tmp_path / "t.csv", "\n".join(lines) + "\n")
    assert np.array_equal(codes(opened(path)), np.where(mask, MISSING, Y))
    assert np.array_equal(codes(opened(path, empty="absent")), np.where(mask, 0, Y))


@pytest.mark.parametrize(("values", "meaning"), [("u-ignore", MISSING), ("u-zeros", 0), ("u-ones", 1)])
def test_chexpert(tmp_path: Path, values: str, meaning: int) -> None:
    path = written(tmp_path / "t.csv", "Path,a,b\np1,1.0,\np2,-1.0,0.0\np3,,-1.0\np4,0.0,1.0\n")
    table = opened(path, values=values)
    assert codes(table).tolist() == [[1, MISSING], [meaning, 0], [MISSING, meaning], [0, 1]]
    assert table.description()["coding"]["minus_one"] == values
    with pytest.raises(TableError, match=r"row 2, line 3, column 'a'.*u-ignore|row 2, column 'a'.*u-ignore"):
        codes(opened(path))


def test_minus_one_beside_zero_is_refused_however_far_apart(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b\n" + "1,0\n" * 60_000 + "0,1\n" + "-1,1\n")
    with pytest.raises(TableError, match=r"row 60002.* column 'a'.*uncertain.*-1"):
        codes(opened(path), 64)


def test_only_one_and_empty_warns(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "id,a,b\nx,1,\ny,,1\nz,1,1\n")
    with pytest.warns(MiningWarning, match="--empty absent"):
        codes(opened(path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert codes(opened(path, empty="absent")).tolist() == [[1, 0], [0, 1], [1, 1]]


def test_columns_are_chosen(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,note,b,who,c\n1,fine,0,p1,1\n0,good,1,p2,1\n1,bad,1,p1,0\n")
    with pytest.warns(MiningWarning, match=r"hold no labels are passed over: note \('fine'\), who \('p1'\); --drop"):
        assert opened(path).label_names == ("a", "b", "c")
    table = opened(path, drop=("note",), groups="who")
    assert table.label_names == ("a", "b", "c") and table.group_column == "who" and table.id_column is None
    assert codes(table).tolist() == [[1, 0, 1], [0, 1, 1], [1, 1, 0]]
    assert column(table, "who") == ["p1", "p2", "p1"]
    table = opened(path, labels=("c", "a"), keep=("note",), id="who")
    assert table.label_names == ("c", "a")
    assert codes(table).tolist() == [[1, 1], [1, 0], [0, 1]]
    assert column(table, "note") == ["fine", "good", "bad"] and column(table, "who") == ["p1", "p2", "p1"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ("yes", "no", "yes"),
            "got 'yes'; correct it, leave the column out with --drop x",
        ),  # labels in another spelling
        (("34", "", "34"), "got '34'; correct it, leave the column out with --drop x"),
        (("34", "35", "36"), "got '34'; if the column names the rows, say so with --id x; else correct it"),
        (("1", "Ann", "0"), "got 'Ann'"),
    ],
)
def test_columns_that_may_be_meant_as_labels_are_not_passed_over(
    tmp_path: Path, cells: tuple[str, ...], message: str
) -> None:
    rows = [f"{k % 2},{cell},1" for k, cell in enumerate(cells)]
    with pytest.raises(TableError, match=re.escape(message)):
        opened(written(tmp_path / "t.csv", "\n".join(["a,x,b", *rows, ""])))


@pytest.mark.parametrize(("absent", "present"), [("false", "true"), ("-1", "1"), ("0.0", "1.0")])
def test_a_column_that_is_empty_at_the_top(tmp_path: Path, absent: str, present: str) -> None:
    content = "a,b\n" + ",1\n" * 1000 + f"{present},-1\n{absent},1\n"
    table = opened(written(tmp_path / "t.csv", content), values="auto" if absent == "-1" else "u-zeros")
    assert codes(table, 10)[-3:].tolist() == [[MISSING, 1], [1, 0], [0, 1]]
    path = written(tmp_path / "t.csv", content + "perhaps,1\n")
    with pytest.raises(TableError, match=r"row 1003, line 1004, column 'a'.*'perhaps'"):
        codes(opened(path, values="u-zeros"))


@pytest.mark.parametrize(("first", "late"), [("1", "true"), ("0.0", "False"), ("-1", " "), ("1", "yes")])
def test_a_late_word_is_named_by_row(tmp_path: Path, first: str, late: str) -> None:
    content = "a,b\n" + f"{first},1\n" * 1000 + f"{late},0\n"
    with pytest.raises(TableError, match=rf"row 1001, line 1002, column 'a': .*{late}.*--labels"):
        codes(opened(written(tmp_path / "t.csv", content)))


def test_spaces_around_words(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "t.csv", "a, b\ntrue, 0\nfalse , true\n , 1.0\n"))
    assert codes(table).tolist() == [[1, 0], [0, 1], [MISSING, 1]]


def test_lines_that_end_with_cr_alone(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"CR alone.*tr '\\r' '\\n'"):
        opened(written(tmp_path / "t.csv", text().replace("\n", "\r")))


def celeba(matrix: np.ndarray = Y, *, spaces: str = "  ", ending: str = "\n", tail: str = "") -> str:
    """CelebA's text."""
    names = [name.replace(" ", "_") for name in NAMES]
    lines = [str(len(matrix)), " ".join(names) + tail]
    for name, row in zip(IDS, matrix, strict=False):
        lines.append(name + "".join(f"{spaces if value else ' '}{2 * value - 1}" for value in row) + tail)
    return ending.join(lines) + ending


@pytest.mark.parametrize("spaces", [" ", "  ", "     "])
@pytest.mark.parametrize(("ending", "tail"), [("\n", ""), ("\r\n", ""), ("\n", " "), ("\r\n", "  ")])
def test_celeba(tmp_path: Path, spaces: str, ending: str, tail: str) -> None:
    table = opened(written(tmp_path / "list.txt", celeba(spaces=spaces, ending=ending, tail=tail)))
    assert table.rows == ROWS and table.id_column == "image_id"
    assert table.label_names == ("Hat", "Bald_head", "bärtig", "<script>")
    assert np.array_equal(codes(table, 20), Y)
    assert column(table, "image_id") == IDS


def test_celeba_groups_from_a_file(tmp_path: Path) -> None:
    path = written(tmp_path / "list.txt", celeba())
    groups = written(tmp_path / "identity.txt", "".join(f"{name} {row // 5}\n" for row, name in enumerate(IDS)))
    table = opened(path, groups=str(groups))
    assert table.group_column is not None
    assert column(table, table.group_column) == [str(row // 5) for row in range(ROWS)]


def test_celeba_without_the_last_line_end(tmp_path: Path) -> None:
    assert np.array_equal(codes(opened(written(tmp_path / "list.txt", celeba().rstrip("\n")))), Y)


def test_a_large_list_of_celeba_crosses_the_pieces_it_is_read_in(tmp_path: Path) -> None:
    matrix = (np.random.default_rng(5).random((70_000, 20)) < 0.3).astype(np.int8)
    lines = [str(len(matrix)), " ".join(f"l{k}" for k in range(20))]
    lines += [f"{row}.jpg" + "".join(" -1" if not v else "  1" for v in values) for row, values in enumerate(matrix)]
    table = opened(written(tmp_path / "list.txt", "\n".join(lines) + "\n"))
    assert np.array_equal(codes(table), matrix)
    first = [block.first_row for block in table.blocks(5000)]
    counts = [block.rows for block in table.blocks(5000)]
    assert len(first) > 3
    assert first == [1, *(1 + np.cumsum(counts[:-1])).tolist()]
    shares = [block.read for block in table.blocks(5000)]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] <= 1  # type: ignore[type-var, operator]


def test_blank_lines_above_the_header_are_passed_over(tmp_path: Path) -> None:
    table = opened(written(tmp_path / "t.csv", "\n  \n" + text()))
    np.testing.assert_array_equal(codes(table), Y)
    broken = written(tmp_path / "b.csv", "\n" + text().replace(f"{IDS[4]},", f"{IDS[4]},x", 1))
    with pytest.raises(TableError, match="row 5"):
        codes(opened(broken))


def test_damaged_gzip_is_named(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(text(np.random.default_rng(0).random((ROWS, LABELS)) < 0.5).encode()))
    packed[200:240] = bytes(255 - byte for byte in packed[200:240])
    with pytest.raises(TableError, match="gzip file is cut off or damaged"):
        codes(opened(written(tmp_path / "t.csv.gz", bytes(packed))))


def test_a_label_that_is_both_chosen_and_dropped_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", text())
    assert opened(path, labels=("Hat", "bärtig", "<script>"), drop=("bärtig",)).label_names == ("Hat", "<script>")
