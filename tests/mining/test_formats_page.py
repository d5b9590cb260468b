"""Every command of the page on formats runs, on tables such as it describes."""

from __future__ import annotations

import gzip
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from obrl.mining.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mining" / "mining_formats.md"
COMMANDS = re.findall(r"^\$ obrl (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
Y = np.random.default_rng(0).integers(0, 2, (60, 3))
IDS = [f"{number:06d}.jpg" for number in range(60)]


def table(header: str, rows: list[list[object]], delimiter: str = ",") -> str:
    """Rows as text under a header."""
    return "\n".join([header, *(delimiter.join(map(str, row)) for row in rows)]) + "\n"


def write_tables(folder: Path) -> None:
    """The tables that the page's commands name."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    named = [[name, *row] for name, row in zip(IDS, Y.tolist(), strict=True)]
    (folder / "labels.csv").write_text(table("photo,Hat,Bald,Beard", named))
    (folder / "more.csv.gz").write_bytes(gzip.compress((folder / "labels.csv").read_bytes()))
    (folder / "parts").mkdir()
    for number in (2, 10):
        columns = {name: Y[:, i] for i, name in enumerate(("Hat", "Bald", "Beard"))}
        parquet.write_table(pa.table(columns), folder / "parts" / f"part-{number}.parquet")
    words = np.array(["Edema", "Fracture", "Effusion"])
    lists = [[name, "|".join(words[row == 1]) or "No Finding"] for name, row in zip(IDS, Y, strict=True)]
    (folder / "pictures.csv").write_text(table("photo,tags", lists))
    celeba = table("Hat Bald Beard", [[name, *(2 * row - 1)] for name, row in zip(IDS, Y, strict=True)], " ")
    (folder / "list_attr_celeba.txt").write_text(f"{len(Y)}\n{celeba}")
    people = "".join(f"{name} {number // 3}\n" for number, name in enumerate(IDS))
    (folder / "identity_CelebA.txt").write_text(people)
    attributes = "".join(f"@attribute {name} {{0,1}}\n" for name in ("Comedy", "Drama", "War"))
    rows = "".join(",".join(map(str, row)) + "\n" for row in Y.tolist())
    (folder / "films.arff").write_text(f"@relation films\n{attributes}@data\n{rows}")
    labels = "".join(f'<label name="{name}"/>' for name in ("Comedy", "Drama", "War"))
    (folder / "films.xml").write_text(f"<labels>{labels}</labels>")
    films = [[1990 + i % 9, f"film {i}", f"studio {i % 7}", *row] for i, row in enumerate(Y.tolist())]
    (folder / "films.csv").write_text(table("year,film,studio,Comedy,Drama,War", films))
    reports = [[name, *row] for name, row in zip(IDS, np.array(["", "1"])[Y].tolist(), strict=True)]
    reports[3][1:] = ["-1", "0", "1"]
    (folder / "reports.csv").write_text(table("path,Edema,Fracture,Effusion", reports))


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)) == 0
    with np.load(tmp_path / "mined" / "relation.npz", allow_pickle=False) as mined:
        rows = int(mined["counts_rows"])
        counts = mined["counts_s"]
    assert rows in (60, 120)
    if "reports" not in command:
        assert np.array_equal(counts, Y.T @ Y * (rows // 60))


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) == 9
