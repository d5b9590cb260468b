"""`obrl mine` and `obrl pairs`: what they write and print, against pandas, NumPy and SciPy."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from obrl import OnlineBatchRelation
from obrl.mining import RelationMiner
from obrl.mining.cli import main
from tests.mining.shared_data import shared_labels
from tests.project.helpers import run_python

NAMES = ["Hat", "Necklace, gold", "<script>", "Bald", "Always"]


@pytest.fixture
def labels():
    rng = np.random.default_rng(7)
    base = rng.random(800) < 0.4
    columns = [
        base,
        base ^ (rng.random(800) < 0.1),
        rng.random(800) < 0.3,
        ~base & (rng.random(800) < 0.5),
        base | ~base,
    ]
    return pd.DataFrame(np.stack(columns, axis=1).astype(float), columns=NAMES)


@pytest.fixture
def table(tmp_path, labels):
    labels = labels.copy()
    labels.iloc[3, 0] = np.nan
    path = tmp_path / "table.csv"
    labels.assign(picture=[f"{row}.jpg" for row in range(len(labels))])[["picture", *NAMES]].to_csv(path, index=False)
    return str(path)


@pytest.fixture
def mined(tmp_path, table, capsys):
    assert main(["mine", table, "--out", str(tmp_path / "mined")]) == 0
    assert capsys.readouterr().err == ""
    return tmp_path / "mined"


def read_csv(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_the_folder_holds_the_five_files(mined):
    assert names_in(mined) == ["labels.csv", "pairs.csv", "relation.npz", "report.html", "run.json"]
    assert names_in(mined.parent) == ["mined", "table.csv"]


def test_relation_npz_is_the_tables(mined, labels, table):
    expected = pd.read_csv(table)[NAMES].corr().to_numpy()
    miner = RelationMiner.load(mined / "relation.npz")
    np.testing.assert_allclose(miner.phi_, expected, atol=1e-12)
    assert miner.label_names_in_ == tuple(NAMES)
    relation = OnlineBatchRelation.load(mined / "relation.npz")
    np.testing.assert_allclose(relation.relation[:4, :4], (1 + expected[:4, :4]) / 2, atol=1e-12)


def test_pairs_csv_holds_every_pair_surest_first(mined, labels, table):
    rows = read_csv(mined / "pairs.csv")
    frame = pd.read_csv(table)
    assert len(rows) == 10
    assert {(row["label_1"], row["label_2"]) for row in rows[:1]} == {("Hat", "Necklace, gold")}
    bounds = [float(row["at_least"]) for row in rows if row["at_least"]]
    assert bounds == sorted(bounds, reverse=True)
    assert [row["phi"] for row in rows if "Always" in (row["label_1"], row["label_2"])] == [""] * 4
    for row in rows:
        both = frame[[row["label_1"], row["label_2"]]].dropna()
        assert int(row["samples"]) == len(both)
        assert int(row["both"]) == int((both == 1).all(axis=1).sum())
        if row["phi"]:
            assert float(row["phi"]) == pytest.approx(both.corr().iloc[0, 1], rel=1e-5)
    p = [float(row["p"]) for row in rows if row["p"]]
    q = [float(row["q"]) for row in rows if row["q"]]
    np.testing.assert_allclose(q, false_discovery_control(p), rtol=1e-4)
    assert {row["related"] for row in rows if float(row["q"] or 1) > 0.05} == {"no"}


def test_labels_csv_counts_each_label(mined, table):
    rows = {row["label"]: row for row in read_csv(mined / "labels.csv")}
    frame = pd.read_csv(table)
    assert list(rows) == NAMES
    for name in NAMES:
        row = rows[name]
        assert (int(row["known"]), int(row["present"])) == (int(frame[name].count()), int(frame[name].sum()))
        assert int(row["missing"]) == int(frame[name].isna().sum())
        assert float(row["rate"]) == pytest.approx(frame[name].mean(), rel=1e-5)
    assert rows["Hat"]["strongest"] == "Necklace, gold"
    assert (rows["Always"]["strongest"], rows["Always"]["related"], rows["Always"]["phi"]) == ("", "0", "")
    pairs = [row for row in read_csv(mined / "pairs.csv") if row["related"] == "yes"]
    for name, row in rows.items():
        assert int(row["related"]) == sum(name in (pair["label_1"], pair["label_2"]) for pair in pairs)


def test_run_json_says_how(mined, table):
    facts = json.loads((mined / "run.json").read_text(encoding="utf-8"))
    assert (facts["files"], facts["rows"], facts["labels"]) == ([table], 800, 5)
    assert facts["settings"] == {"decay": 1.0, "measure": "unit_pearson", "estimator": "counts", "batch_size": 128}
    assert facts["table"]["coding"]["empty_cells"] is True
    assert set(facts["versions"]) == {"obrl", "numpy", "python"}


def test_settings_reach_the_relation(tmp_path, labels, table):
    out = tmp_path / "decayed"
    options = ["--decay", ".9", "--estimator", "batch", "--batch-size", "64", "--measure", "pearson"]
    assert main(["mine", table, "--out", str(out), "--labels", "Hat,<script>,Bald", *options]) == 0
    frame = pd.read_csv(table)[["Hat", "<script>", "Bald"]]
    matrices = np.stack([frame[start : start + 64].corr().to_numpy().ravel() for start in range(0, 800, 64)])
    expected = pd.DataFrame(matrices).ewm(alpha=0.1, adjust=True, ignore_na=True).mean().iloc[-1].to_numpy()
    relation = RelationMiner.load(out / "relation.npz").relation_
    np.testing.assert_allclose(relation.ravel(), expected, atol=1e-10)


def test_one_pair_is_named_as_one(tmp_path, capsys):
    first = np.random.default_rng(0).random(600) < 0.5
    rows = np.column_stack([first, first, np.random.default_rng(1).random(600) < 0.5])
    pd.DataFrame(rows.astype(int), columns=["a", "b", "c"]).to_csv(tmp_path / "t.csv", index=False)
    assert main(["mine", str(tmp_path / "t.csv")]) == 0
    assert "\n1 of 3 pairs is related (q <= .05): 1 occurs together, 0 apart\n" in capsys.readouterr().out


def test_nothing_is_written_without_out(tmp_path, table, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mine", table]) == 0
    assert "800 rows x 5 labels" in capsys.readouterr().out
    assert names_in(tmp_path) == ["table.csv"]


def test_an_error_in_the_last_row_leaves_no_output(tmp_path, table, capsys):
    with Path(table).open("a", encoding="utf-8") as file:
        file.write("last.jpg,1,0,yes,0,1\n")
    assert main(["mine", table, "--out", str(tmp_path / "mined")]) == 2
    error = capsys.readouterr().err
    assert "row 801" in error
    assert "'<script>'" in error
    assert error.count("\n") == 1
    assert names_in(tmp_path) == ["table.csv"]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--decay", "0"], "--decay must be in (0, 1], got 0.0"),
        (["--decay", "nan"], "--decay must be in (0, 1], got nan"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--labels", "Hut,Bald"], "did you mean 'Hat'?"),
        (["--measure", "cosine-ish"], "invalid choice"),
    ],
)
def test_wrong_options_are_said_before_any_work(table, capsys, extra, message):
    assert main(["mine", table, *extra]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("rows", ["1,0\n", "1,0\n" * 50, "1,0\n1,1\n" * 20])
def test_a_table_in_which_nothing_varies_together_is_refused(tmp_path, capsys, rows):
    (tmp_path / "t.csv").write_text("a,b\n" + rows)
    assert main(["mine", str(tmp_path / "t.csv"), "--out", str(tmp_path / "mined")]) == 2
    assert "expected at least two labels that vary" in capsys.readouterr().err
    assert names_in(tmp_path) == ["t.csv"]


def test_sorted_rows_are_warned_of_and_groups_widen_intervals(tmp_path, capsys):
    rng = np.random.default_rng(0)
    people = np.repeat(rng.integers(0, 2, (80, 3)), 25, axis=0)
    frame = pd.DataFrame(people, columns=["a", "b", "c"]).assign(person=np.repeat([f"p{k}" for k in range(80)], 25))
    path = str(tmp_path / "t.csv")
    frame.to_csv(path, index=False)
    assert main(["mine", path, "--drop", "person", "--out", str(tmp_path / "alone")]) == 0
    assert "obrl: warning: rows are ordered" in capsys.readouterr().err
    assert main(["mine", path, "--groups", "person", "--out", str(tmp_path / "grouped")]) == 0
    assert capsys.readouterr().err == ""
    widths = [
        [float(row["phi_high"]) - float(row["phi_low"]) for row in read_csv(tmp_path / name / "pairs.csv")]
        for name in ("alone", "grouped")
    ]
    assert min(widths[1]) > 2 * max(widths[0])
    assert main(["pairs", str(tmp_path / "grouped"), "--all"]) == 0
    assert "by groups" in capsys.readouterr().out


def test_pairs_prints_what_is_asked_for(mined, capsys):
    def printed(*arguments):
        assert main(["pairs", str(mined), *arguments]) == 0
        return capsys.readouterr().out

    lines = printed().splitlines()
    assert lines[0].startswith("3 related pairs (q <= 0.05) of 10; 800 rows")
    assert len(printed("--top", "1").splitlines()) == 4
    assert "2 more" in printed("--top", "1")
    rows = list(csv.DictReader(printed("--all", "--csv", "--sort", "phi").splitlines()))
    sizes = [abs(float(row["phi"])) for row in rows if row["phi"]]
    assert len(rows) == 10
    assert sizes == sorted(sizes, reverse=True)
    only = list(csv.DictReader(printed("--all", "--csv", "--label", "Hat").splitlines()))
    assert len(only) == 4
    assert all("Hat" in (row["label_1"], row["label_2"]) for row in only)
    assert printed("--out", str(mined.parent / "p.csv")).startswith("wrote 3 pairs")
    assert len(read_csv(mined.parent / "p.csv")) == 3


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--q", "0"], "--q must be in (0, 1]"),
        (["--top", "-1"], "--top must be at least 0"),
        (["--label", "Nose"], "the relation has no label 'Nose'"),
    ],
)
def test_wrong_options_of_pairs(mined, capsys, extra, message):
    assert main(["pairs", str(mined), *extra]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "there is no such file or folder"),
        ("damaged.npz", b"PK\x03\x04 and no more", "damaged.npz"),
        ("text.npz", b"hello", "text.npz"),
    ],
)
def test_what_is_no_relation_is_named(tmp_path, capsys, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert main(["pairs", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


IMPORTS = """
import sys
from obrl.mining.cli import main
status = main(["mine", {table!r}, "--out", {out!r}, "--quiet"] + {extra!r})
names = {{name.partition(".")[0] for name in sys.modules}}
heavy = {{"scipy", "matplotlib", "pandas", "polars", "torch", "jax", "tensorflow", "keras", "sklearn", "networkx"}}
print("imported", status, *sorted(names & heavy))
"""


@pytest.mark.parametrize("extra", [[], ["--png", "map.png"]])
def test_mining_imports_nothing_heavy(tmp_path, extra):
    rows = "\n".join(",".join(map(str, row)) for row in np.random.default_rng(0).integers(0, 2, (50, 4)))
    (tmp_path / "t.csv").write_text(f"a,b,c,d\n{rows}\n")
    extra = extra and ["--png", str(tmp_path / "map.png")]
    printed = run_python(IMPORTS.format(table=str(tmp_path / "t.csv"), out=str(tmp_path / "mined"), extra=extra))
    assert printed.splitlines()[-1].split() == ["imported", "0", *(["matplotlib"] if extra else [])]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "labels", "rows"), [("yeast", 14, 2417), ("emotions", 6, 593), ("bibtex", 159, 7395)])
def test_real_tables_run_with_their_names(tmp_path, capsys, name, labels, rows):
    assert main(["mine", shared_labels(f"{name}.npz"), "--out", str(tmp_path / "mined")]) == 0
    assert capsys.readouterr().out.startswith(f"{rows:,} rows x {labels} labels")
    listed = [row["label"] for row in read_csv(tmp_path / "mined" / "labels.csv")]
    with np.load(shared_labels(f"{name}.npz"), allow_pickle=False) as arrays:
        assert listed == [str(label) for label in arrays["label_names"]]


@pytest.mark.shared
def test_delicious_runs_without_a_storm_and_calls_no_pair_of_few_rows_related(tmp_path, capsys):
    out = tmp_path / "mined"
    assert (
        main(["mine", shared_labels("delicious.npz"), "--out", str(out), "--decay", ".99", "--estimator", "batch"]) == 0
    )
    assert capsys.readouterr().err.count("\n") <= 1
    rows = [row for row in read_csv(out / "pairs.csv") if row["related"] == "yes"]
    assert len(rows) > 10_000
    assert all(float(row["both"] if float(row["phi"]) > 0 else row["expected"]) >= 5 for row in rows)


@pytest.mark.shared
def test_celeba_equals_corrcoef(tmp_path):
    path = shared_labels("celeba/list_attr_celeba.txt")
    assert main(["mine", path, "--out", str(tmp_path / "mined")]) == 0
    frame = pd.read_csv(path, sep=r"\s+", skiprows=1)
    expected = np.corrcoef(frame.to_numpy(np.float64).T)
    miner = RelationMiner.load(tmp_path / "mined" / "relation.npz")
    np.testing.assert_allclose(miner.phi_, expected, atol=1e-12)
    assert miner.label_names_in_ == tuple(frame.columns)
