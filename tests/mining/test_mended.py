"""Faults that were once there, each by the input that showed it."""

from __future__ import annotations

from pathlib import Path

import pytest

from obrl.mining import MiningError, RelationMiner, TableError
from obrl.mining.cli import main
from obrl.mining.tables import open_tables

ROWS = "".join(f"p{k}.jpg,{k % 2},{(k // 2) % 2},{k % 3 % 2}\n" for k in range(60))


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "t.csv"
    path.write_text(f"photo,A,B,C\n{ROWS}")
    return str(path)


def test_suspects_written_into_the_mined_folder_leave_the_relation_there(table: str, tmp_path: Path) -> None:
    out = str(tmp_path / "mined")
    assert main(["mine", table, "--out", out, "--quiet"]) == 0
    before = {path.name: path.read_bytes() for path in Path(out).iterdir()}
    assert main(["suspects", table, "--relation", out, "--out", out, "--force"]) == 0
    after = {path.name: path.read_bytes() for path in Path(out).iterdir()}
    assert {name: after[name] for name in before} == before
    assert {"suspects.csv", "suspects.json"} <= set(after)


def test_an_error_in_a_later_block_leaves_nothing_mined(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("A,B\n" + "0,1\n1,0\n" * 70_000 + "7,0\n")
    miner = RelationMiner()
    with pytest.raises(TableError, match="row 140001"):
        miner.fit_table(open_tables([str(path)]))
    with pytest.raises(MiningError, match="call fit first"):
        _ = miner.table_counts_


def test_thresholds_in_another_measure_print_no_line_that_cannot_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "related.csv"
    path.write_text("A,B,C\n" + "1,1,0\n0,0,1\n" * 100 + "1,1,1\n" * 5)
    assert main(["mine", str(path), "--out", str(tmp_path / "m"), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["thresholds", str(tmp_path / "m"), "--measure", "pearson"]) == 0
    printed = capsys.readouterr().out
    assert "suggestion" in printed
    assert "OBRLoss(" not in printed
    assert "mine the relation with --measure pearson" in printed


def test_svmlight_has_no_column_to_compare_by(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.svm"
    path.write_text("1,2 3:1\n2,3 3:1\n1,2,3 1:1\n")
    assert main(["suspects", str(path), "--by", "x"]) == 2
    assert "--by cannot be used" in capsys.readouterr().err


def test_a_column_of_labels_with_a_typing_error_is_no_column_of_ids_in_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    columns = {"A": ["0", "1", "maybe", "0", "1"], "B": [0, 1, 0, 1, 1], "C": [1, 1, 0, 0, 1]}
    parquet.write_table(pa.table(columns), path)
    with pytest.raises(TableError, match=r"row 3, column 'A'.*maybe"):
        open_tables([str(path)])
