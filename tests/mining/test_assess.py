"""What `assess` foretells, against scikit-learn's figures, and what `obrl assess` reads and refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from obrl import OnlineBatchRelation
from obrl.conditional import condition, query_scores
from obrl.mining import MiningError, RelationMiner, assess
from obrl.mining.cli import main
from obrl.mining.metrics import area_under_roc, average_precision, mean_average_precision
from obrl.mining.predictions import read_predictions

NAMES = ("a", "b", "c", "d")
Case = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def drawn(related: bool, seed: int = 0, rows: int = 900) -> Case:
    """Predictions that see the truth dimly, and labels of which b follows a where `related`."""
    rng = np.random.default_rng(seed)
    y = (rng.random((rows, 4)) < [0.4, 0.4, 0.3, 0.2]).astype(np.int64)
    if related:
        y[:, 1] = np.where(rng.random(rows) < 0.9, y[:, 0], y[:, 1])
    return 1 / (1 + np.exp(-(y - 0.5 + rng.normal(size=y.shape)))), y


@pytest.mark.parametrize("decimals", [1, 9])
def test_metrics_are_those_of_scikit_learn(decimals: int) -> None:
    p, y = drawn(related=True)
    p = p.round(decimals)  # with one decimal there are many ties
    weights = np.random.default_rng(1).integers(0, 3, (3, len(y))).astype(np.float64)
    for label in range(4):
        for scores, metric in ((average_precision, average_precision_score), (area_under_roc, roc_auc_score)):
            values = scores(p[:, label], y[:, label] == 1, weights)
            expected = [metric(y[:, label], p[:, label], sample_weight=weight) for weight in weights]
            np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
    chosen = np.random.default_rng(2).random(y.shape) < 0.5
    means = mean_average_precision(p, y == 1, chosen, np.ones((1, len(y))))
    by_label = [average_precision_score(y[chosen[:, j], j], p[chosen[:, j], j]) for j in range(4)]
    assert means[0] == pytest.approx(np.mean(by_label), abs=1e-12)


def test_related_labels_gain_and_unrelated_ones_do_not() -> None:
    gains, nothing = assess(*drawn(related=True)), assess(*drawn(related=False))
    assert [comparison.helps for comparison in gains.condition] == [True, True, True]
    assert gains.suspicion.helps
    assert gains.condition[0].difference < gains.condition[1].difference < gains.condition[2].difference
    assert not any(comparison.helps for comparison in nothing.comparisons)
    assert abs(nothing.condition[1].difference) < 0.02
    assert "yes  conditioning on 25% known labels" in str(gains)


def test_the_figures_are_those_of_all_rows() -> None:
    p, y = drawn(related=True)
    result = assess(p, y, RelationMiner().fit(y), seed=3)
    random = np.random.default_rng(3)
    random.permutation(len(p))  # the folds
    shown = random.random(p.shape) < 0.10
    alone = [average_precision_score(y[~shown[:, j], j], p[~shown[:, j], j]) for j in range(4)]
    assert result.condition[0].without == pytest.approx(np.mean(alone), abs=1e-12)
    conditioned = RelationMiner().fit(y).condition(p, y, observed=shown)
    after = [average_precision_score(y[~shown[:, j], j], conditioned[~shown[:, j], j]) for j in range(4)]
    assert result.condition[0].with_relation == pytest.approx(np.mean(after), abs=1e-12)


def test_groups_widen_the_interval_where_rows_repeat() -> None:
    p, y = drawn(related=True, rows=120)
    repeated = np.repeat(np.arange(120), 10)
    rows = assess(p[repeated], y[repeated])
    grouped = assess(p[repeated], y[repeated], groups=repeated)
    widths = [result.condition[1].high - result.condition[1].low for result in (rows, grouped)]
    assert widths[1] > 1.3 * widths[0]


@pytest.mark.parametrize("copies", [1, 5])
def test_questions_are_judged_by_the_relation_of_other_rows_and_groups(copies: int) -> None:
    p, y = (np.repeat(array, copies, axis=0) for array in drawn(related=True, rows=300 // copies))
    groups = np.repeat(np.arange(300 // copies), copies)
    fold = (np.random.default_rng(7).permutation(300 // copies) % 5)[groups]
    asked = np.zeros(y.shape, bool)
    after = np.empty(y.shape)
    for number in range(5):
        rows = fold == number
        phi = np.corrcoef(y[~rows].T)
        asked[np.flatnonzero(rows), query_scores(phi, p[rows], y[rows], observed=asked[rows]).argmax(axis=1)] = True
        after[rows] = condition(phi, p[rows], y[rows], observed=asked[rows])
    names = [f"{group:03}" for group in groups] if copies > 1 else None
    result = assess(p, y, groups=names, seed=7)
    assert result.query.with_relation == pytest.approx(((after >= 0.5) == (y == 1)).mean(), abs=1e-12)


def test_predictions_that_contradict_related_labels_leave_something_for_the_loss() -> None:
    p, y = drawn(related=True)
    p[:, 1] = np.random.default_rng(4).permutation(p[:, 1])
    assert assess(p, y).loss.helps
    assert not assess(y.astype(np.float64), y).loss.helps


def test_a_relation_that_a_loss_has_learnt_serves_too() -> None:
    p, y = drawn(related=True)
    assert assess(p, y, OnlineBatchRelation(4, decay=1).update(y)).condition[1].helps


@pytest.mark.parametrize(
    ("rows", "change", "message"),
    [
        (900, lambda p, y: (p[:, :3], y), "shape of targets"),
        (10, lambda p, y: (p, y), "at least 20 rows"),
        (900, lambda p, y: (p, np.zeros_like(y)), "at least two labels"),
        (900, lambda p, y: (p * 3, y), "apply the sigmoid"),
    ],
)
def test_what_cannot_be_assessed_is_refused(rows: int, change: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        assess(*change(*drawn(related=True, rows=rows)))  # type: ignore[operator]
    with pytest.raises(MiningError, match="at least 20 groups"):
        assess(*drawn(related=True), groups=np.zeros(900))


def write_table(folder: Path, y: npt.NDArray[np.int64]) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([",".join(NAMES), *(",".join(map(str, row)) for row in y.tolist())]) + "\n")
    return path


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
def test_the_command_reads_predictions_by_name(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    p, y = drawn(related=True)
    table, order = write_table(tmp_path, y), [2, 0, 3, 1]
    path = tmp_path / f"predictions.{kind}"
    names = [NAMES[label] for label in order]
    if kind == "npz":
        np.savez(path, probabilities=p[:, order], label_names=names)
    else:
        columns = pa.table(
            {"photo": [f"{k}.jpg" for k in range(len(p))], **dict(zip(names, p[:, order].T, strict=True))}
        )
        (arrow_csv.write_csv if kind == "csv" else parquet.write_table)(columns, path)
    assert main(["assess", str(path), str(table), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(assess(p, y))


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_the_answers_are_written(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    p, y = drawn(related=True, rows=200)
    p[:, :] = 0.5  # never above .5: no pair is contradicted
    y[:, 1:] = np.random.default_rng(3).integers(0, 2, (200, 3))  # and none is related
    np.savez(tmp_path / "p.npz", probabilities=p)
    out = tmp_path / f"answers.{kind}"
    command = ["assess", str(tmp_path / "p.npz"), str(write_table(tmp_path, y)), "--quiet", "--out"]
    assert main([*command, str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"wrote {out}\n")
    expected = assess(p, y).comparisons
    assert np.isnan(expected[-1].without)
    if kind == "json":
        answers = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(name))["answers"]
        assert [answer["low"] for answer in answers[:-1]] == [comparison.low for comparison in expected[:-1]]
        assert answers[-1]["low"] is None and answers[0]["helps"] is expected[0].helps
    else:
        with out.open(newline="") as file:
            answers = list(csv.DictReader(file))
        assert [answer["question"] for answer in answers] == [comparison.question for comparison in expected]
        assert [float(answer["high"]) for answer in answers[:-1]] == [comparison.high for comparison in expected[:-1]]
        assert answers[-1]["high"] == ""
    assert main([*command, str(tmp_path / "answers.txt")]) == 2
    assert "ends with .csv or .json" in capsys.readouterr().err


def test_a_relation_is_used_in_the_order_of_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    p, y = drawn(related=True)
    order = [3, 0, 2, 1]
    names = tuple(NAMES[label] for label in order)
    RelationMiner(label_names=(*names, "e")).fit(np.column_stack([y[:, order], y[:, 0]])).save(tmp_path / "r.npz")
    np.savez(tmp_path / "p.npz", probabilities=p)
    command = ["assess", str(tmp_path / "p.npz"), str(write_table(tmp_path, y)), "--quiet", "--relation"]
    assert main([*command, str(tmp_path / "r.npz")]) == 0
    assert capsys.readouterr().out.strip() == str(assess(p, y, RelationMiner().fit(y)))
    RelationMiner(label_names=names[:2]).fit(y[:, order[:2]]).save(tmp_path / "few.npz")
    assert main([*command, str(tmp_path / "few.npz")]) == 2
    assert "lacks the label" in capsys.readouterr().err
    with pytest.raises(ValueError, match="must have the 4 labels of targets, got 5"):
        assess(p, y, RelationMiner().fit(np.column_stack([y, y[:, 0]])))


@pytest.mark.parametrize("kind", ["npz", "csv", "parquet"])
@pytest.mark.parametrize("command", [["assess"], ["suspects", "--predictions"], ["fill", "--predictions"]])
def test_ids_of_predictions_are_those_of_the_table(
    kind: str, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    p, y = drawn(related=True, rows=60)
    ids = [f"00{k}" for k in range(60)]
    table = tmp_path / "labels.csv"
    table.write_text(
        "\n".join(
            [
                ",".join(["photo", *NAMES]),
                *(f"{k},{a},{b},{c},{d}" for k, (a, b, c, d) in zip(ids, y.tolist(), strict=True)),
            ]
        )
    )
    predictions = tmp_path / f"p.{kind}"
    out = ["--out", str(tmp_path / "p.csv")] if command[0] == "fill" else []
    for order in (ids, [*ids[:5], "6", *ids[6:]]):
        if kind == "npz":
            np.savez(predictions, probabilities=p, label_names=NAMES, ids=order)
        else:
            columns = pa.table({"photo": order, **dict(zip(NAMES, p.T, strict=True))})
            (arrow_csv.write_csv if kind == "csv" else parquet.write_table)(columns, predictions)
        arguments = [*command, str(predictions), str(table), *out, "--id", "photo", "--quiet"]
        assert main(arguments) == (0 if order is ids else 2)
        error = capsys.readouterr().err
        assert order is ids or (
            error.count("\n") == 1 and "row 6: expected the prediction of the table's '005', got '6'" in error
        )


def test_columns_of_any_number_hold_probabilities(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"a": pa.array([1, 0], pa.uint16()), "b": pa.array(["0.25", "0.5"]).cast(pa.decimal128(3, 2))}
    parquet.write_table(pa.table({"": [7, 8], **columns}), tmp_path / "p.parquet")
    np.testing.assert_array_equal(read_predictions(str(tmp_path / "p.parquet"), ["b", "a"], 2), [[0.25, 1], [0.5, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"probabilities": p[:5]}, "expected a row for each of the table's 900 rows, got 5"),
        (lambda p: {"probabilities": p * 2}, "row 1"),
        (lambda p: {"probabilities": p, "label_names": ["a", "b", "c", "x"]}, "no predictions for 1 of 4 labels"),
        (lambda p: {"probabilities": p, "label_names": ["a", "b", "c", "c"]}, "two columns have the same name"),
        (lambda p: {"one": p, "two": p}, "no array named probabilities"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(
    change: object, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    p, y = drawn(related=True)
    p[0, 0] = 0.9
    np.savez(tmp_path / "p.npz", **change(p))  # type: ignore[operator]
    assert main(["assess", str(tmp_path / "p.npz"), str(write_table(tmp_path, y)), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
