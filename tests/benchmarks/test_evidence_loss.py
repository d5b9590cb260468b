"""The measurements of the loss and of the recipes: their data, their intervals, and short runs of both."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evidence import loss, loss_nets, loss_tables, recipes, recipes_report
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.loss_report import details, markdown, summary_rows
from benchmarks.evidence.paired import in_words, paired_interval, scored
from obrl import OBRLoss, count_pairs
from obrl.evidence import phi_coefficients

ROOT = Path(__file__).parents[2]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows, steps and situations."""
    monkeypatch.setattr(loss_tables, "TRAIN_ROWS", 200)
    monkeypatch.setattr(loss_tables, "TEST_ROWS", 100)
    monkeypatch.setattr(loss_nets, "STEPS", 50)
    few = {name: loss_tables.SITUATIONS[name] for name in ("all labels known", "20 % of the labels known")}
    monkeypatch.setattr(loss, "SITUATIONS", few)


def test_redundant_labels_are_related_and_unrelated_ones_are_not() -> None:
    phi = [np.corrcoef(loss_tables.drawn(name, 0).train.targets.T) - np.eye(32) for name in loss_tables.DRAWN]
    assert (phi[0] >= 0.4).any(axis=0).all()
    assert abs(phi[1]).max() < 0.1


def test_situations_leave_what_they_say() -> None:
    train = loss_tables.drawn("redundant", 0).train
    for name, (rows, known, flipped) in loss_tables.SITUATIONS.items():
        part = loss_tables.degraded(train, name, seed=3)
        assert len(part.targets) == rows * len(train.targets)
        assert part.known.mean() == pytest.approx(known, abs=0.01)
        if rows == 1:
            assert set(np.unique(part.targets)) == {0, 1}
            first = {tuple(row): number for number, row in enumerate(train.features)}
            truth = train.targets[[first[tuple(row)] for row in part.features]]
            assert (part.targets != truth).mean() == pytest.approx(flipped, abs=0.01)


def test_the_baseline_is_the_loss_without_a_relation() -> None:
    rng = np.random.default_rng(0)
    logits, targets, known = rng.normal(size=(9, 4)), rng.integers(0, 2, (9, 4)), rng.random((9, 4)) < 0.5
    ours = loss_nets.cross_entropy(
        torch.tensor(logits), torch.tensor(targets, dtype=torch.float64), torch.tensor(known)
    )
    assert float(ours) == pytest.approx(OBRLoss(4, alpha=0.0)(logits, targets, observed=known))


def test_an_interval_is_about_seeds_and_rows() -> None:
    rng = np.random.default_rng(0)
    seeds = 1.0 + rng.normal(size=(5, 1)) * 0.1
    rows = seeds + rng.normal(size=(5, 101)) * 0.01
    sure, unsure = paired_interval(rows), paired_interval(np.vstack([rows[:4], rows[4:] - 4]))
    assert (sure.verdict, unsure.verdict) == ("higher", "no difference")
    assert sure.low < sure.mean < sure.high
    assert in_words({"mean": 1.0, "low": 0.51, "high": 1.49}) == "**+1.00** (0.51 to 1.49)"
    assert in_words({"mean": 1.0, "low": -0.51, "high": 1.49}) == "no difference (-0.51 to 1.49)"


def test_scores_of_perfect_and_of_turned_predictions() -> None:
    test = loss_tables.drawn("redundant", 0).test
    assert {metric: float(values[0]) for metric, values in scored(test.targets, test).items()} == {
        "mAP": 100.0,
        "accuracy": 100.0,
    }
    assert scored(1 - test.targets, test)["accuracy"].max() == 0.0


def test_a_short_run_goes_on_where_it_was_stopped(
    short: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["loss", "--tables", "redundant", "--seeds", "2", "--out", str(tmp_path / "loss")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert printed.count(" s\n") == 4, "two nets and two situations"
    document = json.loads((tmp_path / "loss.json").read_text())
    cell = document["cells"]["redundant | linear | 20 % of the labels known"]
    assert len(cell["strong, counts"]["mAP"]) == len(cell["cross-entropy"]["accuracy"]) == 2
    assert "strong, counts" not in document["cells"]["redundant | linear | all labels known"]
    assert cell["default"]["active_pairs"] > 0
    assert main(command) == 0
    assert capsys.readouterr().out.count(" s\n") == 0, "what is on file is not measured again"
    assert json.loads((tmp_path / "loss.json").read_text()) == document
    with pytest.raises(SystemExit, match="results with seeds 2, here 3"):
        main([*command[:4], "3", *command[5:]])


def test_the_summary_counts_what_is_higher_and_lower() -> None:
    up, none, down = ({"mean": m, "low": m - 1, "high": m + 1} for m in (3, 0, -3))
    cells = {
        f"{name} | linear | all labels known": {"default": {"mAP difference": first, "accuracy difference": second}}
        for name, first, second in (("a", up, none), ("b", up, down), ("c", down, none))
    }
    assert summary_rows({"cells": cells}) == [("all labels known", "default", "2", "0", "1", "0", "2", "1")]


def test_the_recipes_do_what_their_formulas_say() -> None:
    targets = loss_tables.drawn("redundant", 0).train.targets[:, :8]
    phi = phi_coefficients(count_pairs(targets))
    precision = recipes.prior_precision(targets)
    torch.testing.assert_close(precision, torch.tensor(np.linalg.inv(0.8 * phi + 0.2 * np.eye(8)), dtype=torch.float32))
    weight = torch.randn(8, 3)
    expected = 0.3 / 2 * torch.trace(weight.T @ precision @ weight)
    torch.testing.assert_close(recipes.prior_penalty(weight, precision, 0.3), expected)
    rates = targets.mean(axis=0)
    sigma = np.sqrt(rates * (1 - rates))
    q = np.linalg.inv(0.9 * phi + 0.1 * np.eye(8))
    e = sigma * ((targets - rates) / sigma @ q) / q.diagonal()
    np.testing.assert_allclose(recipes.smoothed_targets(targets), np.clip(targets - e / 2, 0, 1))


def test_smoothed_targets_pull_wrong_labels_towards_the_truth() -> None:
    truth = loss_tables.drawn("redundant", 0).train.targets
    wrong = np.random.default_rng(0).random(truth.shape) < 0.1
    noisy = np.where(wrong, 1 - truth, truth)
    assert (np.abs(recipes.smoothed_targets(noisy) - truth) ** 2).mean() < 0.8 * wrong.mean()
    missing = np.where(wrong, np.nan, truth)
    assert (np.isnan(recipes.smoothed_targets(missing)) == wrong).all()


def test_a_short_run_of_the_recipes(short: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "ROWS", (60,))
    monkeypatch.setattr(recipes, "FLIPPED", (0.1,))
    out = tmp_path / "recipes"
    assert main(["recipes", "--tables", "redundant", "--seeds", "2", "--out", str(out)]) == 0
    document = json.loads(out.with_suffix(".json").read_text())
    assert list(document["prior"]) == ["redundant, 60 rows"]
    assert list(document["targets"]) == [f"redundant, {net}, 10 % flipped" for net in loss_nets.NETS]
    assert document["prior"]["redundant, 60 rows"]["mAP"]["difference"]["seeds"] == 2
    assert "redundant, hidden, 10 % flipped" in out.with_suffix(".md").read_text()


def test_tables_of_files_need_the_folder() -> None:
    with pytest.raises(ValueError, match="--labels names the folder"):
        loss_tables.load("yeast", None)


def functions_of(source: str) -> dict[str, str]:
    """The functions of a source by name, without docstrings and annotations."""
    functions = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:]
            functions[node.name] = ast.unparse(node)
    return functions


def test_the_page_shows_the_recipes_that_were_measured() -> None:
    page = (ROOT / "docs" / "howto" / "recipes.md").read_text()
    shown: dict[str, str] = {}
    for block in page.split("```python\n")[1:]:
        shown |= functions_of(block.split("```\n")[0])
    measured = functions_of((ROOT / "benchmarks" / "evidence" / "recipes.py").read_text())
    assert set(shown) == {"prior_precision", "prior_penalty", "smoothed_targets"}
    assert shown == {name: measured[name] for name in shown}
    assert all(len(source.splitlines()) <= 10 for source in shown.values())


def test_the_results_on_file_are_whole_and_their_tables_follow_from_them() -> None:
    folder = ROOT / "benchmarks" / "results"
    document = json.loads((folder / "evidence_loss.json").read_text())
    assert (folder / "evidence_loss.md").read_text() == markdown(document)
    assert (folder / "evidence_loss_tables.md").read_text() == details(document)
    assert (document["seeds"], set(document["tables"])) == (5, {*loss_tables.REAL, *loss_tables.DRAWN})
    assert len(document["cells"]) == 6 * 2 * len(loss_tables.SITUATIONS)
    document = json.loads((folder / "evidence_recipes.json").read_text())
    assert (folder / "evidence_recipes.md").read_text() == recipes_report.markdown(document)
    assert (document["seeds"], len(document["prior"]), len(document["targets"])) == (5, 6 * 2, 6 * 2 * 2)
