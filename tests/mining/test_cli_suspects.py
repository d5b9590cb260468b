"""`obrl suspects` and `obrl fill`, run as a user would."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from obrl.mining.cli import main
from obrl.mining.fill import fill_matrix
from obrl.mining.miner import RelationMiner
from obrl.mining.suspects import score_matrix
from tests.mining.test_suspects import related_table

NAMES = [f"label {k}" for k in range(6)]


def write_table(path: Path, table: np.ndarray, names: list[str] = NAMES, by: list[str] | None = None) -> str:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", *names, *(["annotator"] if by else [])])
        for k, row in enumerate(table):
            cells = ["" if np.isnan(value) else int(value) for value in row]
            writer.writerow([f"p{k}.jpg", *cells, *([by[k]] if by else [])])
    return str(path)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_suspects_lists_what_the_scores_say(tmp_path, capsys):
    table = related_table(400)
    table[3, 2] = np.nan
    first = write_table(tmp_path / "a.csv", table[:250])
    second = write_table(tmp_path / "b.csv", table[250:])
    out = tmp_path / "out"
    assert main(["suspects", first, second, "--top", "30", "--per-label", "4", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "cannot be seen" in text and "would be wrong" in text
    rows = read(out / "suspects.csv")
    scores = score_matrix(table)
    for row, entry in zip(rows, np.argsort(-scores.reshape(-1), kind="stable")[:30], strict=True):
        k, label = divmod(int(entry), 6)
        file, number = (first, k + 1) if k < 250 else (second, k - 249)
        name = f"p{k if k < 250 else k - 250}.jpg"
        assert (row["file"], row["row"], row["id"]) == (file, str(number), name)
        assert (row["label"], row["label_value"]) == (NAMES[label], str(int(table[k, label])))
        assert float(row["score"]) == pytest.approx(scores[k, label], abs=1e-4)
        assert (float(row["probability"]) < 0.5) == (table[k, label] == 1)
        partner, value = row["explained_by_1"].rsplit("=", 1)
        assert table[k, NAMES.index(partner)] == int(value)
    assert len(read(out / "suspects_per_label.csv")) == 24


def test_suspects_by_column_names_the_annotator_who_inverted_a_label(tmp_path, capsys):
    table = related_table(900)
    by = ["Ann", "Bob", "Cleo"] * 300
    table[1::3, 5] = 1 - table[1::3, 5]
    path = write_table(tmp_path / "a.csv", table, by=by)
    clean = related_table(2000, seed=9)
    RelationMiner(label_names=NAMES).fit(clean).save(tmp_path / "r.npz")
    arguments = ["suspects", path, "--relation", str(tmp_path / "r.npz"), "--by", "annotator"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    rows = read(tmp_path / "out" / "by.csv")
    assert rows[0]["annotator"] == "Bob" and rows[0]["worst_label"] == NAMES[5]
    assert rows[0]["rows"] == "300" and rows[0]["entries"] == "1800"
    assert float(rows[0]["z"]) > 5 > max(float(row["z"]) for row in rows[1:])
    head, *lines = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert len(set(head.split())) == len(head.split())  # no two columns of one name
    assert lines[0].startswith("Bob  ")


def test_suspects_by_column_names_values_that_are_empty(tmp_path, capsys):
    path = write_table(tmp_path / "a.csv", related_table(90), by=["Ann", "", "Bob"] * 30)
    assert main(["suspects", path, "--by", "annotator", "--out", str(tmp_path / "out")]) == 0
    assert sum(line.startswith("(empty)  ") for line in capsys.readouterr().out.splitlines()) == 1
    assert {row["annotator"] for row in read(tmp_path / "out" / "by.csv")} == {"Ann", "", "Bob"}


def test_fill_writes_what_python_computes(tmp_path, capsys):
    table = related_table(2000)
    table[np.random.default_rng(0).random(table.shape) < 0.1] = np.nan
    path = write_table(tmp_path / "a.csv", table)
    expected = fill_matrix(table)
    assert main(["fill", path, "--out", str(tmp_path / "p.csv")]) == 0
    rows = read(tmp_path / "p.csv")
    filled = np.array([[float(row[name]) for name in NAMES] for row in rows])
    np.testing.assert_allclose(filled, expected, rtol=1e-4)
    assert rows[7]["photo"] == "p7.jpg"
    printed = capsys.readouterr().out
    assert f"{int(np.isnan(table).sum()):,} entries were missing" in printed
    assert printed.startswith("naive Bayes (log-loss of rows held out: residual 0.4")
    assert main(["fill", path, "--only-missing", "--out", str(tmp_path / "p.npz")]) == 0
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        known = ~np.isnan(table)
        np.testing.assert_array_equal(arrays["observed"], known)
        np.testing.assert_array_equal(arrays["probabilities"][known], table[known])
        np.testing.assert_allclose(arrays["probabilities"][~known], expected[~known], rtol=1e-5)
        assert arrays["label_names"].tolist() == NAMES and arrays["ids"][7] == "p7.jpg"


def test_fill_does_not_depend_on_where_the_table_lies(tmp_path):
    (tmp_path / "folder").mkdir()
    filled = []
    for place in (tmp_path / "a.csv", tmp_path / "folder" / "b.csv"):
        path = write_table(place, related_table(200))
        assert main(["fill", path, "--out-of-fold", "3", "--out", str(tmp_path / "p.npz")]) == 0
        with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
            filled.append(arrays["probabilities"])
    np.testing.assert_array_equal(*filled)


def test_fill_chooses_between_methods_by_rows_that_were_not_counted(tmp_path, capsys):
    table = related_table(400)
    path = write_table(tmp_path / "a.csv", table)
    assert main(["mine", path, "--out", str(tmp_path / "mined")]) == 0
    printed = []
    for further in ([], ["--relation", str(tmp_path / "mined")]):
        capsys.readouterr()
        assert main(["fill", path, "--out", str(tmp_path / "p.npz"), *further]) == 0
        printed.append(capsys.readouterr().out.splitlines()[0])
    assert printed[0] == printed[1]  # the rows are taken out of the mined counts, too
    write_table(tmp_path / "b.csv", table[:1])
    assert (
        main(["fill", str(tmp_path / "b.csv"), "--relation", str(tmp_path / "mined"), "--out", str(tmp_path / "p.npz")])
        == 0
    )
    assert "nan" not in capsys.readouterr().out


def test_fill_out_of_fold_does_not_see_the_row_itself(tmp_path):
    table = related_table(150)
    changed = table.copy()
    changed[40, 1] = 1 - changed[40, 1]
    results = []
    for name, rows in (("a", table), ("b", changed)):
        path = write_table(tmp_path / "t.csv", rows)
        assert main(["fill", path, "--out-of-fold", "4", "--out", str(tmp_path / f"{name}.npz")]) == 0
        with np.load(tmp_path / f"{name}.npz", allow_pickle=False) as arrays:
            results.append(arrays["probabilities"])
    assert results[0][40, 1] == results[1][40, 1]
    assert not np.array_equal(results[0], results[1])


def test_a_models_predictions_are_conditioned_and_rank_suspects_as_in_python(tmp_path):
    table = related_table(300)
    path = write_table(tmp_path / "full.csv", table)
    model = np.clip(0.7 * table[:, ::-1] + 0.15 + 0.1 * np.random.default_rng(1).random(table.shape), 0, 1)
    np.savez(tmp_path / "p.npz", probabilities=model[:, ::-1], label_names=NAMES[::-1])
    miner = RelationMiner().fit(table)
    arguments = ["--predictions", str(tmp_path / "p.npz")]
    assert main(["suspects", path, *arguments, "--top", "25", "--out", str(tmp_path / "out")]) == 0
    scores = miner.suspicion(model, table)
    order = np.argsort(-scores.reshape(-1), kind="stable")[:25]
    listed = [(int(r["row"]) - 1) * 6 + NAMES.index(r["label"]) for r in read(tmp_path / "out" / "suspects.csv")]
    assert listed == order.tolist()

    missing = table.copy()
    missing[np.random.default_rng(2).random(table.shape) < 0.4] = np.nan
    path = write_table(tmp_path / "missing.csv", missing)
    RelationMiner(label_names=NAMES).fit(table).save(tmp_path / "r.npz")
    out = tmp_path / "filled.npz"
    assert main(["fill", path, *arguments, "--relation", str(tmp_path / "r.npz"), "--out", str(out)]) == 0
    with np.load(out, allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["probabilities"], miner.condition(model, missing), atol=1e-6)


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("suspects", ["--top", "0"], "--top must be at least 1"),
        ("suspects", ["--error-rate", "0.7"], "error rate must lie in"),
        ("suspects", ["--relation", "{folder}/other.npz"], "the relation lacks the label 'label 0'"),
        ("suspects", ["--relation", "{folder}/nothing"], "there is no such file or folder"),
        ("fill", ["--out", "{folder}/p.txt"], "ends with .csv or .npz"),
        ("fill", ["--out", "{folder}/p.csv", "--out-of-fold", "1"], "--out-of-fold must be at least 2"),
        ("fill", ["--out", "{folder}/p.csv", "--out-of-fold", "900"], "too few"),
        ("suspects", ["--predictions", "{folder}/short.npz"], "expected a row for each of the table's 60 rows, got 4"),
        ("fill", ["--out", "{folder}/p.csv", "--predictions", "{folder}/nothing.csv"], "nothing.csv"),
        (
            "fill",
            ["--out", "{folder}/p.csv", "--out-of-fold", "3", "--relation", "{folder}/other.npz"],
            "leave --relation out",
        ),
    ],
)
def test_errors_are_one_line_and_leave_nothing(tmp_path, capsys, command, arguments, message):
    table = related_table(60)
    path = write_table(tmp_path / "a.csv", table)
    RelationMiner(label_names=["x", "y"]).fit(table[:, :2]).save(tmp_path / "other.npz")
    np.savez(tmp_path / "short.npz", probabilities=table[:4])
    before = sorted(tmp_path.iterdir())
    assert main([command, path, *(argument.format(folder=tmp_path) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("obrl: error: ") and error.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_table_of_classes_is_refused_unless_forced(tmp_path, capsys):
    path = write_table(tmp_path / "a.csv", np.eye(6)[np.arange(60) % 6])
    assert main(["suspects", path]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["suspects", path, "--force"]) == 0


def test_suspects_written_into_the_mined_folder_leave_the_relation_there(tmp_path, capsys):
    table = write_table(tmp_path / "t.csv", related_table(400))
    out = tmp_path / "mined"
    assert main(["mine", table, "--out", str(out), "--quiet"]) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(["suspects", table, "--relation", str(out), "--out", str(out)]) == 0
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert {name: after[name] for name in before} == before
    assert {"suspects.csv", "suspects.json"} <= set(after)


def test_the_table_is_not_overwritten_by_what_fills_it(tmp_path, capsys):
    path = tmp_path / "a.csv"
    before = Path(write_table(path, related_table(60))).read_bytes()
    assert main(["fill", str(path), "--only-missing", "--out", str(path)]) == 2
    assert "this is the table itself" in capsys.readouterr().err
    assert path.read_bytes() == before
