"""The figures behind the decisions: computed again from the counts, and what the pages say of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.evidence import decisions
from benchmarks.evidence.__main__ import main
from benchmarks.evidence.decisions import COUNTS, READINGS, RESULTS, Table, count, from_counts, read_counts, selected
from benchmarks.evidence.decisions_report import markdown
from obrl import spec
from tests.mining.shared_data import shared_labels
from tests.project.helpers import ROOT

DOCUMENT: dict[str, Any] = json.loads((RESULTS / "decisions.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Labels of which two agree, two oppose each other, and two are rare."""
    rng = np.random.default_rng(0)
    drawn = rng.random((400, 6)) < [0.5, 0.5, 0.5, 0.5, 0.02, 0.02]
    drawn[:, 1] = drawn[:, 0] ^ (rng.random(400) < 0.1)
    drawn[:, 3] = ~drawn[:, 2] ^ (rng.random(400) < 0.1)
    return drawn.astype(np.uint8)


def table_of(labels: np.ndarray) -> Table:
    return count(tuple("abcdef"), labels)


def test_the_results_follow_from_the_counts() -> None:
    table = read_counts(COUNTS)
    assert (table.both == table.both.T).all()
    assert (table.both <= table.rows).all()
    again = DOCUMENT | {"from_counts": from_counts(table)}
    assert markdown(again) == markdown(DOCUMENT) == (RESULTS / "decisions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("measure", READINGS)
def test_the_loss_of_true_labels_is_that_of_the_specification(measure: str, labels: np.ndarray) -> None:
    relation = spec.measure_pairs(measure, spec.pair_counts(labels))
    codes = spec.pair_codes(relation)
    certain = 800.0 * (2.0 * labels - 1)  # probabilities of exactly 0 and 1
    figures = selected(table_of(labels), measure, 0.8, 0.2)
    assert figures["loss_of_true_labels"] == pytest.approx(spec.relation_loss(certain, codes).mean())
    assert (2 * figures["positive"], 2 * figures["negative"]) == (codes.positive.sum(), codes.negative.sum())
    assert figures["positive"] + figures["negative"] > 0


def test_what_needs_the_rows(labels: np.ndarray) -> None:
    assert decisions.constant_batches(labels, 1) == 1.0
    assert decisions.constant_batches(labels, 400) == 0.0
    errors = [decisions.largest_error(labels, table_of(labels), estimator, 1.0, 2) for estimator in ("counts", "batch")]
    assert errors[0] < errors[1] / 2
    assert decisions.wrongly_active(labels, "counts", 1)["wrong"] == 0


def test_another_table_is_refused(tmp_path: Path, labels: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "celeba").mkdir()
    rows = [f"{k}.jpg " + " ".join(str(2 * int(value) - 1) for value in row) for k, row in enumerate(labels)]
    (tmp_path / decisions.CELEBA).write_text("\n".join([str(len(rows)), "a b c d e f", *rows]))
    (tmp_path / decisions.PARTITION).write_text("\n".join(f"{k}.jpg {k % 2}" for k in range(len(rows))))
    assert decisions.training_labels(tmp_path)[1].tolist() == labels[::2].tolist()
    assert main(["decisions", "--labels", str(tmp_path), "--out", str(tmp_path / "x")]) == 1
    assert "other counts" in capsys.readouterr().out


def test_counts_can_be_written_and_read(tmp_path: Path, labels: np.ndarray) -> None:
    decisions.write_counts(tmp_path / "counts.json", table_of(labels))
    again = read_counts(tmp_path / "counts.json")
    assert (again.rows, again.names) == (400, tuple("abcdef"))
    np.testing.assert_array_equal(again.both, table_of(labels).both)


@pytest.mark.shared
def test_the_counts_are_those_of_the_training_rows() -> None:
    folder = Path(shared_labels("celeba/list_attr_celeba.txt")).parents[1]
    table, stored = count(*decisions.training_labels(folder)), read_counts(COUNTS)
    assert (table.rows, table.names) == (stored.rows, stored.names)
    np.testing.assert_array_equal(table.both, stored.both)


def test_the_pages_say_what_was_computed() -> None:
    figures, of_tables = DOCUMENT["from_counts"], DOCUMENT["from_tables"]
    readings = figures["readings"]
    opposed = f"{readings['pearson']['negative']} of {figures['pairs']}"
    bound = f"{readings['unit_pearson']['largest_loss']:.4f}"
    constant = [f"{100 * share:.0f} %" for share in of_tables["constant_batches"].values()]
    wrong = of_tables["delicious"]["batch"]["wrong"] / of_tables["delicious"]["batch"]["active"]
    assert f"{readings['unit_pearson']['positive']} {readings['unit_pearson']['negative']}" == "2 2"
    assert round(10 * wrong) == 7
    assert of_tables["delicious"]["counts"]["wrong"] == 0
    expected = {
        "docs/explanation/why_unit_pearson.md": [
            opposed,
            bound,
            f"Of the {readings['matching']['positive']} pairs that the third reading pulls",
            f"{readings['matching']['both_rare']} are pairs of two labels",
            f"cross-entropy of {figures['cross_entropy_of_the_rates']:.0f} for a model",
            f"Of the {figures['negative_phi']} pairs of CelebA with a negative",
            f"{figures['negative_phi_that_could_reach_the_threshold']} could reach",
            f"{figures['rows']:,} training rows",
        ],
        "docs/explanation/definition.md": [opposed, bound, *constant, "two pairs of each sign"],
        "docs/explanation/relation.md": ["seven in ten", "against none"],
        "docs/explanation/when_it_helps.md": [bound],
        "README.md": [f"{readings['pearson']['negative']} of CelebA's {figures['pairs']}", "2 pairs of each sign"],
    }
    for page, words in expected.items():
        text = re.sub(r"\s+", " ", (ROOT / page).read_text(encoding="utf-8"))
        assert [word for word in words if word not in text] == [], page
    assert {name for pair in figures["active"] for name in pair["names"]} == {
        *("Heavy_Makeup", "Wearing_Lipstick", "Male"),
        *("High_Cheekbones", "Smiling"),
    }
