"""`obrl compare`: tables and relations in any mixture, the CSV, `--fail-on`, and errors in one line."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from obrl import OnlineBatchRelation
from obrl.mining import RelationMiner, compare
from obrl.mining.changes.comparison_words import columns
from obrl.mining.cli import main
from tests.mining.test_compare import NAMES, drawn
from tests.support.html_report import column, header, run_code, texts

CONDITION = "q<=.05 and abs(delta)>=.1"


def write_table(path: Path, table: np.ndarray, names: tuple[str, ...] = NAMES, first: int = 0) -> str:
    frame = pd.DataFrame(table.astype(int), columns=list(names))
    frame.insert(0, "id", [f"{first + row}.jpg" for row in range(len(frame))])
    frame.insert(1, "person", [f"p{(first + row) // 3}" for row in range(len(frame))])
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[str, str]:
    """Two tables of the same labels in another order, of which cap is no longer related."""
    b = drawn(900, 1)
    b[:, 1] = np.random.default_rng(2).random(900) < 0.5
    order = [4, 2, 0, 1, 3]
    return (
        write_table(tmp_path / "a.csv", drawn(600, 0)),
        write_table(tmp_path / "b.csv", b[:, order], tuple(NAMES[k] for k in order), first=600),
    )


def run(*arguments: str) -> int:
    return main(["compare", *arguments, *(() if "--drop" in arguments else ("--drop", "person"))])


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_two_tables(tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*tables, "--csv", str(tmp_path / "changes.csv"), "--top", "2") == 0
    out = capsys.readouterr().out
    assert "A: 600 rows; B: 900 rows; 5 labels" in out
    assert "4 of 10 pairs changed (q <= 0.05): 4 are weaker in B\n" in out
    assert "... and 2 more: --top 0 shows all" in out
    rows = read_csv(tmp_path / "changes.csv")
    expected = compare(*(RelationMiner().fit(pd.read_csv(path)[list(NAMES)]) for path in tables))
    by_pair = {(row["label_1"], row["label_2"]): row for row in rows}
    assert len(by_pair) == len(rows) == 10
    for at, (i, j) in enumerate(zip(expected.i.tolist(), expected.j.tolist(), strict=True)):
        row = by_pair[NAMES[i], NAMES[j]]
        for name, values in columns(expected).items():
            if values.dtype == np.bool_:
                assert row[name] == ("yes" if values[at] else "no")
            else:
                assert float(row[name]) == pytest.approx(values[at], rel=1e-5)
    assert [row["changed"] for row in rows] == ["yes"] * 4 + ["no"] * 6


def test_mined_relations_stand_for_tables(
    tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mined = str(tmp_path / "mined")
    assert main(["mine", tables[0], "--drop", "person", "--out", mined]) == 0
    capsys.readouterr()
    texts = []
    for first in (tables[0], mined, f"{mined}/relation.npz"):
        assert run(first, tables[1]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize("groups", ["person", "people.txt"])
def test_groups_apply_to_both_tables(
    groups: str, tables: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = [pd.read_csv(path) for path in tables]
    lines = [f"{row.id} {row.person}\n" for frame in frames for row in frame.itertuples()]
    Path("people.txt").write_text("".join(lines))
    drop = [] if groups == "person" else ["--drop", "person"]
    assert main(["compare", *tables, "--groups", groups, *drop]) == 0
    out = capsys.readouterr().out
    assert "(q <= 0.05, by groups)" in out
    expected = compare(*(RelationMiner().fit(frame[list(NAMES)], frame.person) for frame in frames))
    assert str(expected).splitlines()[1] in out


def test_neighbours_that_resemble_each_other_are_warned_of(
    tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alike = write_table(tmp_path / "alike.csv", np.repeat(drawn(100, 5), 20, axis=0))
    assert run(tables[0], alike) == 0
    error = capsys.readouterr().err
    assert f"{alike}: neighbouring rows resemble each other" in error
    assert error.count("\n") == 1
    assert main(["compare", tables[0], alike, "--groups", "person"]) == 0
    assert capsys.readouterr().err == ""


def test_fail_on_exits_with_one(tables: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*tables, "--fail-on", CONDITION) == 1
    assert f"4 pairs fulfil {CONDITION}" in capsys.readouterr().out
    assert run(tables[0], tables[0], "--fail-on", CONDITION) == 0
    assert f"0 pairs fulfil {CONDITION}" in capsys.readouterr().out


def test_pairs_that_fulfil_a_condition_are_named_with_what_it_asks_for(
    tables: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    condition = "rate_1_b<.4 and not changed"
    assert run(tables[0], tables[0], "--fail-on", condition, "--top", "2") == 1
    *_, lines = capsys.readouterr().out.split(f" pairs fulfil {condition}:\n")
    comparison = compare(*[RelationMiner().fit(pd.read_csv(tables[0])[list(NAMES)])] * 2)
    rates = comparison.rates_b[comparison.i]
    order = [k for k in comparison.order().tolist() if rates[k] < 0.4]
    head, *rows, more = lines.splitlines()
    assert head.split() == ["label", "label", "changed", "rate_1_b"]
    expected = [[NAMES[comparison.i[k]], NAMES[comparison.j[k]], "no", f"{rates[k]:.6g}"] for k in order]
    assert [row.split() for row in rows] == expected[:2]
    assert more == f"... and {len(order) - 2} more: --top 0 shows all"
    assert run(tables[0], tables[0], "--fail-on", condition, "--top", "0") == 1
    *_, lines = capsys.readouterr().out.split(f" pairs fulfil {condition}:\n")
    assert [row.split() for row in lines.splitlines()[1:]] == expected


def test_a_relation_without_names_takes_those_of_the_table(
    tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    relation = OnlineBatchRelation(5).update(drawn(300, 3))
    relation.save(tmp_path / "learnt.npz")
    learnt, page = str(tmp_path / "learnt.npz"), tmp_path / "r.html"
    for sides, without, names in (((learnt, tables[1]), "A", "B"), ((tables[0], learnt), "B", "A")):
        assert run(*sides, "--report", str(page)) == 0
        out, error = capsys.readouterr()
        assert f"{without} has no label names, so its labels are taken to be those of {names}" in error
        assert error.count("\n") == 1
        assert "\nhat  " in out or "  hat  " in out
        assert set(header(page)["labels"]) == set(NAMES)
    OnlineBatchRelation(4).update(drawn(300, 3)[:, :4]).save(tmp_path / "other.npz")
    assert run(str(tmp_path / "other.npz"), tables[1]) == 2
    assert "only B has label names, and A has 4 labels but B 5" in capsys.readouterr().err


def test_a_label_that_vanished_is_named_and_a_condition_sees_it(
    tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = drawn(900, 6)
    without[:, 1] = 0
    b = write_table(tmp_path / "without.csv", without)
    page, csv_file = tmp_path / "report.html", tmp_path / "c.csv"
    assert run(tables[0], b, "--fail-on", CONDITION, "--report", str(page), "--csv", str(csv_file)) == 0
    out = capsys.readouterr().out
    assert "; 4 have a label that is constant in A or B\n" in out
    assert "label “cap” is constant in B and varies in A, so that its pairs cannot be compared" in out
    named = [finding for finding in header(page)["findings"] if "cap" in finding["text"] and finding["warning"]]
    assert named[0]["text"] == "Label “cap” is constant in B and varies in A, so that its pairs cannot be compared."
    assert [row["constant"] for row in read_csv(csv_file)].count("yes") == 4
    assert run(tables[0], b, "--fail-on", f"{CONDITION} or constant") == 1
    assert "4 pairs fulfil" in capsys.readouterr().out
    assert run(b, tables[0], "--fail-on", "constant") == 1
    assert "label “cap” is constant in A and varies in B" in capsys.readouterr().out


def test_a_report_shows_a_and_what_changed(
    tables: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    b = pd.read_csv(tables[1])
    b["hat"] = 1 - b["hat"]
    b.to_csv(tmp_path / "turned.csv", index=False)
    page = tmp_path / "report.html"
    assert run(tables[0], str(tmp_path / "turned.csv"), "--report", str(page)) == 0
    assert f"wrote {page}" in capsys.readouterr().out
    assert header(page)["title"] == "How the labels of a.csv relate, and what changed in turned.csv"
    first_line, *_ = header(page)["code"].splitlines()
    assert first_line == f"# Mine A first, here {tables[0]!r}, with: obrl mine A --out mined"
    assert main(["mine", tables[0], "--drop", "person", "--out", "mined", "--quiet"]) == 0
    assert run_code(page).label_names == NAMES
    first, second, *_ = header(page)["findings"]
    assert first["text"].startswith("B against A: 7 of 10 pairs changed")
    assert second["text"].startswith(
        "In B, label “hat”: all its 3 clear pairs with labels that kept their meaning changed sign"
    )
    assert second["warning"]
    (drift,) = column(page, "drift")
    assert len(drift["rows"]) == 7
    all_texts = [finding["text"] for finding in header(page)["findings"]]
    assert all_texts[2].startswith("Prevalence changed for 2 of 5 labels (q <= 0.05): cap from ")
    mark = all_texts.index("All that follows is about A alone, “a.csv”.")
    assert all_texts[mark + 1 :] == texts(tmp_path / "mined" / "report.html")
    OnlineBatchRelation(5, label_names=NAMES).update(drawn(300, 3)).save(tmp_path / "loss.npz")
    assert run(str(tmp_path / "loss.npz"), tables[1], "--report", str(page)) == 0
    assert column(page, "drift")[0]["columns"] == ["label", "label", "phi A", "phi B", "delta"]


def test_a_report_tells_tables_of_one_name_apart(
    tables: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, table in zip(("before", "after"), tables, strict=True):
        Path(folder).mkdir()
        Path(folder, "labels.csv").write_bytes(Path(table).read_bytes())
    assert run("before/labels.csv", "after/labels.csv", "--report", "report.html") == 0
    title = header(Path("report.html"))["title"]
    assert title == "How the labels of before/labels.csv relate, and what changed in after/labels.csv"


def test_labels_restrict(tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_table(tmp_path / "c.csv", drawn(50, 3)[:, :3], ("hat", "cap", "scarf"))
    assert run(tables[0], other) == 2
    assert "only B has “scarf”; name the labels that both have with --labels" in capsys.readouterr().err
    assert run(tables[0], other, "--labels", "hat,cap") == 0
    assert "2 labels" in capsys.readouterr().out


def test_a_relation_of_a_loss(tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    OnlineBatchRelation(5, label_names=NAMES).update(drawn(300, 3)).save(tmp_path / "loss.npz")
    loss = str(tmp_path / "loss.npz")
    assert run(loss, tables[1]) == 0
    out = capsys.readouterr().out
    assert "A: no counts; B: 900 rows" in out
    assert "no test" in out
    assert run(loss, tables[1], "--fail-on", CONDITION) == 2
    assert "--fail-on asks for q, but a relation without counts has no test" in capsys.readouterr().err
    assert run(loss, tables[1], "--fail-on", "abs(delta)>=.1") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail-on", "r<=.05"], "at character 1: there is no column 'r'; columns are phi_a, phi_b, delta"),
        (["--fail-on", "q<=.05 and"], "expected a column or a number, got the end"),
        (["--fail-on", "__import__('os')"], "is no part of a condition"),
        (["--fail-on", "__class__ > 1"], "there is no column '__class__'"),
        (["--fail-on", "delta"], "a number is no condition"),
        (["--q", "0"], "--q must be in (0, 1], got 0.0"),
        (["--top", "-1"], "--top must be at least 0, got -1"),
        (["--csv", "."], "expected a file for the results"),
        (["--report", "."], "expected a file for the results"),
    ],
)
def test_options_that_cannot_be_met_are_told_before_a_table_is_read(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("none.csv", "none.csv", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_groups_of_two_relations_and_files_that_are_missing(
    tables: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mined = str(tmp_path / "mined")
    assert main(["mine", tables[0], "--drop", "person", "--out", mined]) == 0
    assert run(mined, mined, "--groups", "person") == 2
    assert "--groups is for tables, got two relations" in capsys.readouterr().err
    assert run(mined, str(tmp_path / "none.csv")) == 2
    assert "none.csv" in capsys.readouterr().err
