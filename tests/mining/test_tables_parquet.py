"""Parquet as label tables, against the values that were written."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from obrl.mining.blocks import MISSING
from obrl.mining.counting import as_dense
from obrl.mining.errors import MiningWarning, TableError
from obrl.mining.tables import TableOptions, open_tables

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, object], **options: object) -> str:
    """Write columns as a Parquet file and return its name."""
    parquet.write_table(pa.table(columns), path, **options)
    return str(path)


def codes(path: str | list[str], rows: int = 4, **options: object) -> np.ndarray:
    """The codes of all rows of a table, (rows, labels)."""
    paths = [path] if isinstance(path, str) else path
    blocks = list(open_tables(paths, TableOptions(**options)).blocks(rows))
    return np.concatenate([as_dense(block.labels).codes.T for block in blocks])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64"])
def test_numbers_of_every_type_come_back_across_row_groups(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).random((101, 3)) < 0.4
    columns = {name: values[:, i].astype(dtype) for i, name in enumerate("ABC")}
    path = write(tmp_path / "a.parquet", columns, row_group_size=13)
    table = open_tables([path])
    blocks = list(table.blocks(10))
    assert table.label_names == ("A", "B", "C") and table.rows == 101
    assert np.array_equal(np.concatenate([block.labels.codes.T for block in blocks]), values)
    assert [block.first_row for block in blocks] == np.cumsum([1] + [block.rows for block in blocks])[:-1].tolist()
    assert all(block.rows <= 10 for block in blocks) and blocks[-1].read == 1.0


def test_nulls_and_nan_are_missing_or_absent(tmp_path: Path) -> None:
    columns = {"A": [1, None, 0], "B": [True, False, None], "C": [float("nan"), 1.0, 0.0], "D": pa.nulls(3)}
    path = write(tmp_path / "a.parquet", columns)
    expected = np.array([[1, 1, MISSING, MISSING], [MISSING, 0, 1, MISSING], [0, MISSING, 0, MISSING]])
    assert np.array_equal(codes(path), expected)
    assert np.array_equal(codes(path, empty="absent"), np.where(expected == MISSING, 0, expected))


def test_texts_and_dictionaries_are_read_as_csv_reads_them(tmp_path: Path) -> None:
    words = ["true", "False", None, "", "1.0", "0", "-1"]
    expected = [1, 0, MISSING, MISSING, 1, 0, MISSING]
    columns = {
        "photo": [f"{i}.jpg" for i in range(7)],
        "text": words,
        "words": pa.array(words).dictionary_encode(),
        "numbers": pa.array([1, 0, None, None, 1, 0, -1]).dictionary_encode(),
    }
    path = write(tmp_path / "a.parquet", columns)
    table = open_tables([path], TableOptions(values="u-ignore"))
    assert table.id_column == "photo" and table.label_names == ("text", "words", "numbers")
    assert np.array_equal(codes(path, values="u-ignore").T, [expected] * 3)
    assert next(table.blocks()).columns["photo"].tolist() == columns["photo"]


def test_lists_of_names_count_each_label_once(tmp_path: Path) -> None:
    lists = [["x", "y"], [], None, ["y", "y", None, "z"], ["late"]]
    path = write(tmp_path / "a.parquet", {"image": list("abcde"), "tags": lists}, row_group_size=2)
    expected = [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    table = open_tables([path])
    assert table.label_names == ("x", "y", "z", "late")
    assert np.array_equal(codes(path), expected) and np.array_equal(codes(path, rows=2), expected)
    assert np.array_equal(codes(path, labels=("late", "y")), np.array(expected)[:, [3, 1]])
    texts = write(tmp_path / "b.parquet", {"tags": ["x|y", "", None, "y | z", "late"]})
    assert np.array_equal(codes(texts, list_column="tags"), expected)
    assert np.array_equal(codes(texts, list_column="tags", none="late"), np.array(expected)[:, :3])


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": ["cat", "dog", "cow"], "_type": "ClassLabel"}, "_type": "Sequence"},
        [{"names": ["cat", "dog", "cow"], "_type": "ClassLabel"}],
    ],
)
def test_class_numbers_take_the_names_of_hugging_face(tmp_path: Path, feature: object) -> None:
    metadata = {"huggingface": json.dumps({"info": {"features": {"labels": feature}}})}
    schema = pa.schema([("labels", pa.list_(pa.int64()))], metadata=metadata)
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pa.table({"labels": [[0, 2], [1], []]}, schema=schema), path)
    assert open_tables([path]).label_names == ("cat", "dog", "cow")
    assert np.array_equal(codes(path), [[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    parquet.write_table(pa.table({"labels": [[0], [2, 1], [-1]]}, schema=schema), path)
    with pytest.raises(TableError, match=r"row 3, column 'labels': expected the number of one of 3 classes, got -1"):
        codes(path)


BAD = {
    "a value outside the coding": (
        {"A": [1, 0, 1], "B": [1, 2, 1]},
        {},
        r"row 2, column 'B': a label .* got '2'; .*--drop B",
    ),
    "a fraction": ({"A": [1, 0], "B": [1, 0.5]}, {}, r"row 2, column 'B': .* got 0.5"),
    "an infinite value": ({"A": [1, 0], "B": [1, float("inf")]}, {}, r"row 2, column 'B': .* got inf"),
    "a word": ({"A": [1, 0], "B": ["1", "maybe"]}, {}, r"row 2, column 'B': .* got 'maybe'"),
    "three values": ({"A": [1, 0], "B": [1, -1]}, {}, r"row 2, column 'B': .* may mean uncertain, got -1; .*--values"),
    "ids that do not come first": (
        {"A": [1, 0, 1], "B": [1, 1, 0], "key": [7, 8, 9]},
        {},
        r"row 1, column 'key': .* got '7'; if the column names the rows, say so with --id key; .*--drop key",
    ),
    "numbers that repeat": (
        {"A": [7, 0, 7], "B": [1, 1, 0]},
        {},
        r"row 1, column 'A': .* got '7'; correct it.*--drop A",
    ),
    "a structure and one label": ({"A": [1], "C": [{"x": 1}]}, {}, r"column 'C': .*struct.*--drop C"),
    "a structure asked for": ({"A": [1], "C": [{"x": 1}]}, {"labels": ("A", "C")}, r"column 'C': .*struct"),
    "vectors": ({"tags": [[0, 1, 1], [1, 0, 0]]}, {}, r"column 'tags': .*vectors.*column of its own"),
    "no rows": ({"A": pa.array([], pa.int8()), "B": pa.array([], pa.int8())}, {}, r"no rows"),
    "one label": ({"A": [1, 0]}, {}, r"at least two labels"),
    "no such column": (
        {"A": [1], "B": [1]},
        {"drop": ("Bb",)},
        r"column 'Bb': there is no such column; did you mean 'B'",
    ),
    "no such list": ({"A": [1], "B": [1]}, {"list_column": "C"}, r"column 'C': there is no such column"),
    "no such label": ({"A": [["x", "y"]]}, {"labels": ("x", "z")}, r"no row has this label, got 'z'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_say_where_and_what_to_do(tmp_path: Path, case: str) -> None:
    columns, options, message = BAD[case]
    path = write(tmp_path / "bad.parquet", columns)
    with pytest.raises(TableError, match=message) as error:
        codes(path, **options)
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


def test_damaged_files_say_so(tmp_path: Path) -> None:
    import gzip

    path = Path(write(tmp_path / "a.parquet", {"A": [1, 0] * 50, "B": [0, 1] * 50}))
    content = path.read_bytes()
    for damaged in (content[:-30], content[:10], content[:8] + bytes(60) + content[68:]):
        path.write_bytes(damaged)
        with pytest.raises(TableError, match="cut off or damaged"):
            codes(str(path))
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress(content))
    with pytest.raises(TableError, match="packed by gzip"):
        codes(str(packed))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    column = np.random.default_rng(0).random(400_000) < 0.5
    columns = dict.fromkeys("ABCD", column.astype(float))  # as large in the file as in memory
    path = write(tmp_path / "a.parquet", columns, row_group_size=20_000, use_dictionary=False, compression="none")
    tracemalloc.start()
    held = [tracemalloc.get_traced_memory()[0] for _ in open_tables([path]).blocks(20_000)]
    tracemalloc.stop()
    assert max(held) < Path(path).stat().st_size / 4


def test_a_column_of_labels_with_a_typing_error_is_no_column_of_ids(tmp_path: Path) -> None:
    columns = {"A": ["0", "1", "maybe", "0", "1"], "B": [0, 1, 0, 1, 1], "C": [1, 1, 0, 0, 1]}
    with pytest.raises(TableError, match=r"row 3, column 'A'.*maybe"):
        open_tables([write(tmp_path / "t.parquet", columns)])


def test_a_first_column_of_distinct_integers_names_the_rows(tmp_path: Path) -> None:
    columns = {"key": [5, 6, 7], "A": [1, 0, 1], "B": [0, 0, 1], "picture": [b"x", b"y", b"z"]}
    with pytest.warns(MiningWarning, match=r"passed over: picture \(a column of binary\); --drop"):
        table = open_tables([write(tmp_path / "t.parquet", columns)])
    assert table.id_column == "key" and table.label_names == ("A", "B")
    assert next(iter(table.blocks())).columns["key"].tolist() == ["5", "6", "7"]


def test_few_rows_of_a_wide_table_are_decoded_at_a_time(tmp_path: Path) -> None:
    flags = pa.array(np.arange(20_000) % 3 == 0, pa.bool_()).cast(pa.int8())
    path = tmp_path / "wide.parquet"
    parquet.write_table(pa.table({f"label {number}": flags for number in range(800)}), path)
    usual, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(pool)
    try:
        blocks = list(open_tables([str(path)]).blocks())
    finally:
        pa.set_memory_pool(usual)
    assert [block.rows for block in blocks] == [20_000]
    assert [block.first_row for block in blocks] == [1]
    labels = as_dense(blocks[0].labels)
    assert labels.complete and np.array_equal(labels.codes, np.tile(np.arange(20_000) % 3 == 0, (800, 1)))
    assert pool.max_memory() < 100e6  # all 16 million entries at once would take 173 MB
