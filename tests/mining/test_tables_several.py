"""Several files, folders, patterns and URLs as one table, and what wide tables would take."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from obrl.mining.counting import as_dense
from obrl.mining.errors import TableError
from obrl.mining.tables import TableOptions, forecast, open_tables
from obrl.mining.tables.paths import expand

Y = np.random.default_rng(0).integers(0, 2, (9, 3))


def write_csv(path: Path, rows: np.ndarray, names: str = "ABC") -> str:
    """Write rows as CSV and return the file's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows.tolist())]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def codes(paths: list[str], **options: object) -> np.ndarray:
    """The codes of all rows, (rows, labels)."""
    blocks = list(open_tables(paths, TableOptions(**options)).blocks(4))
    return np.concatenate([as_dense(block.labels).codes.T for block in blocks])


def test_a_folder_is_read_in_natural_order_without_other_programs_notes(tmp_path: Path) -> None:
    write_csv(tmp_path / "part-10.csv", Y[6:])
    write_csv(tmp_path / "part-2.csv", Y[3:6])
    write_csv(tmp_path / "part-1.csv", Y[:3])
    write_csv(tmp_path / "_notes.csv", Y)
    (tmp_path / ".hidden").mkdir()
    write_csv(tmp_path / ".hidden" / "x.csv", Y)
    (tmp_path / "readme.txt").write_text("nothing")
    assert np.array_equal(codes([str(tmp_path)]), Y)
    assert np.array_equal(codes([str(tmp_path / "part-*.csv")]), Y)
    nested = tmp_path / "year=1" / "a.csv"
    write_csv(nested, Y[:1])
    assert len(expand([str(tmp_path)])) == 4 and expand([str(nested)]) == [str(nested)]


def test_rows_are_counted_anew_in_each_file_and_the_share_read_grows(tmp_path: Path) -> None:
    paths = [write_csv(tmp_path / "a.csv", Y[:5]), write_csv(tmp_path / "b.csv", Y[5:])]
    blocks = list(open_tables(paths).blocks(100))
    assert [(block.file, block.first_row, block.rows) for block in blocks] == [(paths[0], 1, 5), (paths[1], 1, 4)]
    shares = [block.read for block in blocks]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_columns_in_another_order_are_put_in_order(tmp_path: Path) -> None:
    paths = [write_csv(tmp_path / "a.csv", Y[:5]), write_csv(tmp_path / "b.csv", Y[5:, [2, 0, 1]], "CAB")]
    assert np.array_equal(codes(paths), Y)


def test_lists_of_several_files_share_their_labels(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tags": ["x", "y"]}\n{"tags": ["y"]}\n')
    (tmp_path / "b.jsonl").write_text('{"tags": ["late", "y"]}\n')
    paths = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]
    assert open_tables(paths).label_names == ("x", "y", "late")
    assert np.array_equal(codes(paths), [[1, 1, 0], [0, 1, 0], [0, 1, 1]])
    assert np.array_equal(codes(paths, labels=("late", "x")), [[0, 1], [0, 0], [1, 0]])
    with pytest.raises(TableError, match="no row has this label, got 'never'"):
        open_tables(paths, TableOptions(labels=("x", "never")))


def test_the_file_that_differs_is_named(tmp_path: Path) -> None:
    first, other = write_csv(tmp_path / "a.csv", Y), write_csv(tmp_path / "b.csv", Y, "ABD")
    with pytest.raises(TableError, match=r"b\.csv, column 'C': the label is missing, which .*a\.csv has"):
        open_tables([first, other])
    wide = write_csv(tmp_path / "c.csv", np.hstack([Y, Y[:, :1]]), "ABCX")
    with pytest.raises(TableError, match=r"c\.csv, column 'X': the label is not in .*a\.csv"):
        open_tables([first, wide])
    (tmp_path / "d.csv").write_text("photo,A,B,C\nx.jpg,1,0,1\n")
    with pytest.raises(TableError, match=r"d\.csv: the rows' column of --id is 'photo', and None in .*a\.csv"):
        open_tables([first, str(tmp_path / "d.csv")])


def test_minus_one_in_one_file_and_zero_in_another_is_refused(tmp_path: Path) -> None:
    paths = [write_csv(tmp_path / "a.csv", Y), write_csv(tmp_path / "b.csv", 2 * Y - 1)]
    with pytest.raises(TableError, match=r"0 in .*a\.csv, -1 in .*b\.csv.*--values u-ignore"):
        codes(paths)
    assert np.array_equal(codes(paths, values="u-zeros"), np.vstack([Y, Y]))


def test_a_part_without_rows_is_passed_over(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    whole = pa.table({"photo": [f"{i}.jpg" for i in range(9)], **{name: Y[:, i] for i, name in enumerate("ABC")}})
    for number, part in enumerate((whole.slice(0, 0), whole.slice(0, 5), whole.slice(9), whole.slice(5))):
        parquet.write_table(part, tmp_path / f"part-{number}.parquet")
    assert np.array_equal(codes([str(tmp_path)]), Y)
    with pytest.raises(TableError, match=r"part-0\.parquet: the table has no rows"):
        open_tables([str(tmp_path / "part-0.parquet"), str(tmp_path / "part-2.parquet")])


def test_bad_paths(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "absent.csv", "no such file"),
        (tmp_path / "absent-*.csv", "no file matches the pattern"),
        (tmp_path, "the folder holds no table"),
    ):
        with pytest.raises(TableError, match=message):
            open_tables([str(path)])
    with pytest.raises(TableError, match="--format must be one of csv, tsv"):
        open_tables([str(tmp_path)], TableOptions(format="excel"))


def test_the_first_bytes_decide_whatever_the_name(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    np.savez(path.with_suffix(".npz"), Y=Y)
    path.write_bytes(path.with_suffix(".npz").read_bytes())
    assert np.array_equal(codes([str(path)]), Y)
    packed = tmp_path / "labels.dat"
    packed.write_bytes(gzip.compress(Path(write_csv(tmp_path / "a.csv", Y)).read_bytes()))
    assert np.array_equal(codes([str(packed)]), Y)


def test_urls_of_fsspec(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for number, rows in ((2, Y[:5]), (10, Y[5:])):
        content = Path(write_csv(tmp_path / "a.csv", rows)).read_bytes()
        memory.pipe(f"/several/part-{number}.csv", content)
    memory.pipe("/several/packed.csv.gz", gzip.compress(content))
    try:
        assert np.array_equal(codes(["memory://several/part-*.csv"]), Y)
        assert np.array_equal(codes(["memory://several/packed.csv.gz"]), Y[5:])
        assert len(open_tables(["memory://several"]).files) == 3
        with pytest.raises(TableError, match="no such file"):
            open_tables(["memory://several/absent.csv"])
        with pytest.raises(TableError, match="no file matches"):
            open_tables(["memory://several/absent-*.csv"])
    finally:
        memory.rm("/several", recursive=True)
    with pytest.raises(TableError, match="the URL cannot be opened"):
        open_tables(["nowhere://a.csv"])


def test_tables_too_wide_for_memory_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, Y=np.zeros((2, 20_000), np.int8))
    monkeypatch.setattr(forecast, "free_bytes", lambda: 16 * 10**9)
    with pytest.raises(
        TableError, match=r"wide\.npz: 20,000 labels .* at least 112 GB of memory, and 16 GB are free; .*--labels"
    ):
        open_tables([str(path)])
    monkeypatch.setattr(forecast, "free_bytes", lambda: None)
    assert len(open_tables([str(path)]).label_names) == 20_000


def test_the_free_memory_is_known_here() -> None:
    assert 10**7 < (forecast.free_bytes() or 0) < 10**15
