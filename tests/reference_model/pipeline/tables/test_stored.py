"""Differences of a table are computed once, and its record has what is computed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from reference_model.pipeline.cells import CellResult
from reference_model.pipeline.tables import figures_of_runs, table2
from reference_model.pipeline.tables.figures_of_runs import difference
from reference_model.pipeline.tables.finished import finished_content
from reference_model.pipeline.tables.record import Record, read_record, write_record
from reference_model.pipeline.tables.statistics import Difference, Interval
from reference_model.pipeline.tables.stored import DifferenceStore, Pair
from reference_model.pipeline.tables.table import TableOptions
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
    bare = [[replace(one, content={}) for one in way] for way in ways(stored)]
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
