"""What tables say of several data sets and seeds, from results that are written by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import RunConfig
from reference_model.pipeline.cells import Cell, CellResult
from reference_model.pipeline.tables import figure2, groups, partial, relations, table2, table3
from reference_model.pipeline.tables.figures_of_runs import difference
from reference_model.pipeline.tables.statistics import Difference, Interval, describe_method
from reference_model.pipeline.tables.table import ALL_NETS, Part, Table, TableContent, TableOptions
from reference_model.reports.right import judge, pack_right
from reference_model.runs import RunError

BASES = {data: RunConfig(data=data, root=Path("x"), preset="small") for data in ("celeba", "lfwa")}
GAIN = {"ce": 0.0, "obrl": 0.1}
HELPED = CELEBA_ATTRIBUTES.index("Male")


def result(cell: Cell, *, people: int = 20) -> CellResult:
    """Return a finished cell: the joint loss is right more often and ranks better, and net_1 is right about Male."""
    config = cell.config
    rng = np.random.default_rng([config.seed, config.data == "lfwa"])
    wrong = rng.random((60, 40)) < 0.3 - GAIN[config.loss] * (config.relation.alpha > 0)
    if config.net.nets == ("net_1",):
        wrong[:, HELPED] = False
    elif config.net.nets == ("net_0",):
        wrong[:, HELPED] |= rng.random(60) < 0.8
    persons = np.arange(60) * people // 60
    pictures = [f"{config.data} {number}" for number in range(60)]
    right = judge(np.where(wrong, -1, 1), np.ones((60, 40)), names=CELEBA_ATTRIBUTES, pictures=pictures, people=persons)
    share = config.relation.alpha / (1000 + config.relation.alpha)
    relation: dict[str, Any] = {"used": False}
    if config.loss == "obrl":
        relation = {"used": True, "active_pairs": [{}] * 4, "share_in_gradient": {"run": share}}
    report = {
        "mean_accuracy": float(right.right.mean()),
        "mean_average_precision": 0.5 + 0.02 * config.seed + GAIN[config.loss] * (1 + 0.05 * config.seed),
        "mean_majority_accuracy": 0.5,
        "relation": relation,
        "implausible": {"rate_predicted": 0.25, "rate_labels": 0.05},
    }
    content = {
        "report": report,
        "right": pack_right(right),
        "origins": dict.fromkeys(config.net.nets, "stage identity on casia"),
        "data": {"pictures": {"train": 100, "valid": 10, "test": 60}},
        "parameters": 7,
        "ms_per_step": 1.5,
    }
    return CellResult(cell, "key", content)


def content_of(table: Table, seeds: int, **options: Any) -> TableContent:
    """Return what a table says of both data sets."""
    chosen = TableOptions(BASES, seeds=tuple(range(seeds)), **({"fusions": table.fusions} | options))
    return table.rows(chosen, [result(cell) for cell in table.cells(chosen)])


def rows_of(part: Part) -> list[dict[str, Any]]:
    """Return the rows of a part by their columns' names."""
    return [dict(zip([column.name for column in part.columns], row, strict=True)) for row in part.rows]


@pytest.mark.parametrize("seeds", [1, 3])
def test_table_2(seeds: int) -> None:
    content = content_of(table2.TABLE, seeds, fusions=(("net_0",), ("net_1",), ALL_NETS), nets_frozen=True)
    accuracies, differences, *attributes, paper = content.parts
    rows = rows_of(accuracies)
    assert len(rows) == 2 * 3 * 2 and {row["nets"] for row in rows} == {"frozen"}
    assert {row["nets from"] for row in rows} == {"stage identity on casia"}
    assert rows[0]["paper's accuracy"] == 89.21 and rows[6]["paper's accuracy"] == 84.17
    assert (rows[0]["implausible, predicted"], rows[0]["implausible, labels"]) == (25, 5)
    assert rows[0]["average precision"] == pytest.approx(50 if seeds == 1 else 52)
    assert np.isnan(rows[0]["±"]) == (seeds == 1)
    gains = rows_of(differences)
    assert len(gains) == 2 * (3 + 2 * 2)
    assert gains[0]["accuracy in words"] == ("higher with this seed" if seeds == 1 else "higher")
    assert gains[0]["mAP in words"] == ("one seed" if seeds == 1 else "higher")
    assert gains[0]["paper's accuracy difference"] == pytest.approx(1.30)
    assert [part.title.split("(")[1] for part in attributes] == ["celeba)", "lfwa)"]
    by_attribute = rows_of(attributes[0])
    assert len(by_attribute) == 2 * 40
    assert sum(row["named"] == "yes" for row in by_attribute) == 2 * 3
    assert ("more by what one seed" in attributes[0].notes[1]) == (seeds == 1)
    male = next(row for row in by_attribute if row["attribute"] == "Male")
    assert male["in words"].startswith("higher") and male["from"] > 50
    assert len(paper.rows) == 3
    assert [panel.title for panel in content.figures[0].panels] == ["celeba", "lfwa"]
    assert len(content.figures[0].panels[0].lines) == 4


def test_figure_2_has_a_panel_a_data_set_and_says_how_active_the_loss_is() -> None:
    content = content_of(figure2.TABLE, 3)
    usual, wide = content.figures
    assert [len(figure.panels) for figure in content.figures] == [2, 2]
    assert list(usual.panels[0].lines[0].x) == [0, 0.25, 0.5, 0.75, 1]
    assert wide.panels[0].log_x and wide.panels[0].band == (0, 1)
    assert "on celeba 0.025 % at 0.25, 0.05 % at 0.5" in usual.caption and "on lfwa" in usual.caption
    assert "On celeba it reaches one half at alpha 1000." in wide.caption
    rows = rows_of(content.parts[0])
    assert [row["alpha"] for row in rows] == ["0", "0.25", "0.5", "0.75", "1"] * 2
    assert rows[0]["accuracy in words"] == "" and rows[1]["accuracy in words"] == "higher"
    assert rows[0]["mAP in words"] == "" and rows[1]["mAP in words"] == "higher"
    assert rows[0]["active pairs"] == 0 and rows[1]["active pairs"] == 4


def test_figure_2_leaves_out_alphas_of_which_a_run_diverged() -> None:
    options = TableOptions(BASES, seeds=(0, 1), fusions=figure2.TABLE.fusions)
    cells = figure2.TABLE.cells(options)
    lost = next(cell for cell in cells if cell.config.relation.alpha == 1e5)
    assert not figure2.TABLE.needs(lost) and figure2.TABLE.needs(cells[0])
    content = figure2.TABLE.rows(options, [result(cell) for cell in cells if cell is not lost])
    wide = rows_of(content.parts[1])
    assert [row["data"] for row in wide if row["alpha"] == "100000"] == ["lfwa"]
    assert [len(panel.lines[0].x) for panel in content.figures[1].panels] == [6, 7]
    assert content.figures[1].caption.count(" at 100000") == 1


@pytest.mark.parametrize("table", [table2.TABLE, figure2.TABLE, groups.TABLE, partial.TABLE, relations.TABLE])
def test_notes_name_the_test_people_of_every_data_set(table: Table) -> None:
    options = TableOptions(BASES, seeds=(0, 1), fusions=table.fusions[:2])
    results = [result(cell, people=15 if cell.config.data == "celeba" else 20) for cell in table.cells(options)]
    notes = " ".join(note for part in table.rows(options, results).parts for note in part.notes)
    assert "2000 bootstrap samples of the test people (15 of celeba, 20 of lfwa) and 2 seeds, whose" in notes


def test_a_note_tells_people_from_pictures() -> None:
    interval = Interval(0.0, -1.0, 1.0)
    people, pictures = Difference(interval, {}, "people", 1430, 1), Difference(interval, {}, "pictures", 60, 1)
    both = describe_method([("lfwa", people), ("table", pictures), ("lfwa", people)])
    assert "samples of the test people or pictures (1,430 people of lfwa, 60 pictures of table). With one seed" in both
    assert "samples of the 1430 test people. With" in describe_method([("lfwa", people)] * 2)


def test_results_that_cannot_be_compared_are_named() -> None:
    first, second = (result(cell) for cell in table2.TABLE.cells(TableOptions(BASES, fusions=(("net_0",),)))[::2])
    with pytest.raises(RunError, match=r"other pictures or attributes .* delete the files .*: key.json, key.json"):
        difference([first], [second])
    with pytest.raises(RunError, match="the same seeds twice"):
        difference([first], [])


def test_table_3_puts_both_data_sets_beside_the_published_numbers() -> None:
    content = content_of(table3.TABLE, 2)
    rows = rows_of(content.parts[0])
    assert [row["method"] for row in rows[-3:]] == [
        "this program, joint loss",
        "this program, cross-entropy",
        "majority class",
    ]
    assert rows[4] | {"± on celeba": 0, "± on lfwa": 0} == {
        "method": "Location+Weather",
        "numbers": "published",
        "CelebA": 88.65,
        "LFWA": 86.6,
        "± on celeba": 0,
        "± on lfwa": 0,
    }
    assert rows[-3]["CelebA"] > rows[-2]["CelebA"] > rows[-1]["CelebA"] == 50
    assert (
        "tuned, from stage identity on casia; the attributes were trained on 100 pictures" in content.parts[0].notes[0]
    )


def test_differences_in_mean_average_precision_are_paired_by_seed_with_students_t() -> None:
    content = content_of(table2.TABLE, 3, fusions=(("net_0",), ALL_NETS))
    row = rows_of(content.parts[1])[0]
    by_seed = [10.0, 10.5, 11.0]  # GAIN with the seeds' factors; the seeds themselves differ by 2 points
    oracle = ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert row["mAP difference"] == pytest.approx(10.5)
    assert (row["mAP from"], row["mAP to"]) == pytest.approx((oracle.low, oracle.high))
    accuracy, precision = content.parts[1].notes
    assert "paired by seed and test picture" in accuracy
    assert "no scores of single pictures" in precision and "the differences of the 3 seeds" in precision
    same = rows_of(content.parts[1])[2]
    assert same["of"].startswith("net_1+") and same["mAP in words"] == "no difference"


def test_partial_compares_every_joint_loss_with_cross_entropy_at_the_same_share() -> None:
    content = content_of(partial.TABLE, 3, words={"relations": "strong", "shares": "100,10"})
    accuracies, differences, costs = content.parts
    losses = ["cross-entropy", "joint loss", "joint loss, strong"]
    assert [(row["labels, %"], row["loss"]) for row in rows_of(accuracies)] == [
        (share, loss) for _ in BASES for share in (100, 10) for loss in losses
    ]
    gains = rows_of(differences)
    assert [(row["data"], row["labels, %"], row["loss"]) for row in gains] == [
        (data, share, loss) for data in BASES for share in (100, 10) for loss in losses[1:]
    ]
    assert {(row["accuracy in words"], row["mAP in words"]) for row in gains} == {("higher", "higher")}
    assert [row["loss"] for row in rows_of(costs)] == losses * 2
    assert [[line.label for line in panel.lines] for panel in content.figures[0].panels] == [losses] * 2
    assert "`strong`: thresholds .7 and .3" in content.notes[-1]


def test_partial_names_no_loss_where_there_is_one_joint_loss() -> None:
    content = content_of(partial.TABLE, 1, words={"shares": "100,10"})
    assert [column.name for column in content.parts[1].columns][:3] == ["data", "labels, %", "accuracy difference"]
    assert not any("Relations" in note for note in content.notes)


def test_groups_compares_with_the_papers() -> None:
    rows = rows_of(content_of(groups.TABLE, 2).parts[0])
    assert len(rows) == 8 and rows[0]["accuracy in words"] == "" and rows[1]["accuracy in words"] == "no difference"
    assert rows[0]["mAP in words"] == "" and rows[1]["mAP in words"] == "no difference"
    assert (rows[0]["parameters"], rows[0]["ms a step"]) == (7, 1.5)
