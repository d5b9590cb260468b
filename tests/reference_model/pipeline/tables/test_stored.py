"""Differences of a table are computed once, and its record has what is computed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch

from reference_model.metrics import LabelCounts, nanmean
from reference_model.pipeline.cells import Cell, CellResult
from reference_model.pipeline.tables import figure2, figures_of_runs, table2
from reference_model.pipeline.tables.figures_of_runs import difference, gains
from reference_model.pipeline.tables.finished import finished_content
from reference_model.pipeline.tables.record import Record, read_record, write_record
from reference_model.pipeline.tables.statistics import Difference, Interval, paired_difference
from reference_model.pipeline.tables.stored import DifferenceStore, Pair
from reference_model.pipeline.tables.table import TableOptions
from reference_model.reports.right import Right, judge
from tests.reference_model.pipeline.tables.test_content import BASES, result

OPTIONS = TableOptions({"celeba": BASES["celeba"]}, seeds=(0, 1), fusions=(("net_0",), ("net_1",)))


def results() -> list[CellResult]:
    """The results of Table II, each with a key of its own and with what a table says of a cell's device."""
    cells = [result(cell) for cell in table2.TABLE.cells(OPTIONS)]
    device = {"environment": {"device": "cpu"}}
    return [replace(one, key=f"{place:020x}", content={**one.content, **device}) for place, one in enumerate(cells)]


def ways(store: DifferenceStore | None = None) -> tuple[list[CellResult], list[CellResult]]:
    """The results of net_1 and of net_0 with the joint loss."""
    first, second = (
        [
            replace(one, differences=store)
            for one in results()
            if (one.cell.columns["fusion"], one.cell.columns["loss"]) == (net, "obrl")
        ]
        for net in ("net_1", "net_0")
    )
    return first, second


def written(differences: dict[Pair, Difference], folder: Path) -> DifferenceStore:
    """Differences that were written to a record and read."""
    record = Record("table2", ("celeba",), {}, (), differences=differences)
    read = read_record(write_record(folder, record))
    return DifferenceStore(read.differences)


@pytest.mark.parametrize("by_attribute", [True, False])
def test_a_stored_difference_equals_the_computed_one(by_attribute: bool, tmp_path: Path) -> None:
    computed = difference(*ways(), by_attribute=by_attribute)
    assert bool(computed.attributes) == by_attribute and computed.seeds == 2
    store = DifferenceStore()
    assert difference(*ways(store), by_attribute=by_attribute) == computed
    stored = written(store.used(), tmp_path)
    bare = [[replace(one, content={"report": one.report}) for one in way] for way in ways(stored)]
    assert difference(*bare, by_attribute=by_attribute) == computed
    with pytest.raises(ValueError, match="does not say which predictions were right"):
        difference(*reversed(bare))  # another pair: what is stored is by how much the first way is better


def test_intervals_of_one_attribute_and_none_are_written(tmp_path: Path) -> None:
    nothing = Interval(math.nan, math.nan, math.nan, 1)
    change = Difference(nothing, {"Male": Interval(0.1 + 0.2, -1 / 3, 1e-17, 1)}, "pictures", 9, 1)
    store = written({(("a",), ("b",)): change}, tmp_path)
    read = store.look_up((("a",), ("b",)), lambda: pytest.fail("it is stored"), by_attribute=True)
    assert math.isnan(read.accuracy.mean) and read.attributes == change.attributes
    assert (read.unit, read.units, read.seeds) == ("pictures", 9, 1)
    text = (tmp_path / "table2.record.json").read_text()
    assert sum("Male" in line for line in text.splitlines()) == 1


def test_figure_2_stores_no_difference_of_alpha_0_to_itself() -> None:
    options = replace(OPTIONS, fusions=figure2.TABLE.fusions)
    cells = [replace(result(cell), key=f"{place:020x}") for place, cell in enumerate(figure2.TABLE.cells(options))]
    store = DifferenceStore()
    figure2.TABLE.rows(options, [replace(one, differences=store) for one in cells])
    assert len(store.used()) == len(figure2.PAPER_ALPHAS) - 1 + len(figure2.WIDE_ALPHAS)
    assert not [pair for pair in store.used() if pair[0] == pair[1]]


def test_the_difference_of_predictions_is_that_of_reports_where_labels_are_missing() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((50, 4)) < 0.4).astype(float)
    targets[rng.random((50, 4)) < 0.3] = np.nan
    targets[:, 3] = np.nan  # an attribute without a test label
    ways: list[list[CellResult]] = []
    rights: list[list[Right]] = []
    names = ("a", "b", "c", "d")
    for _ in range(2):
        ways.append([])
        rights.append([])
        for _ in range(3):
            logits = rng.normal(size=(50, 4))
            right = judge(logits, targets, names=names, pictures=[str(place) for place in range(50)], people=None)
            counts = LabelCounts(4)
            counts.update(torch.from_numpy(logits), torch.from_numpy(targets))
            report = {"mean_accuracy": nanmean(counts.accuracy())}
            ways[-1].append(CellResult(Cell({}, BASES["celeba"]), "", {"report": report}))
            rights[-1].append(right)
    stored = paired_difference(*rights).accuracy.mean
    assert abs(stored - fmean(gains(*ways))) < figures_of_runs.TOLERANCE


def test_a_table_computes_each_difference_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Difference] = []

    def count(*rights: object) -> Difference:
        calls.append(compute(*rights))  # type: ignore[arg-type]
        return calls[-1]

    compute = figures_of_runs.paired_difference
    monkeypatch.setattr(figures_of_runs, "paired_difference", count)
    store = DifferenceStore()
    first = finished_content(table2.TABLE, OPTIONS, results(), [], store)
    used = store.used()
    assert len(calls) == len(used) == 4, "two of losses, and two of nets, which are also told by attribute"
    assert [len(change.attributes) for change in used.values()] == [0, 0, 40, 40]
    again = finished_content(table2.TABLE, OPTIONS, results(), [], DifferenceStore(used))
    assert again == first and len(calls) == 4
