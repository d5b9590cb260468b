"""The tables: every column sorts, searches and filters narrow, and what they show is what Python computes."""

import dataclasses

import numpy as np
import pytest
from playwright.sync_api import expect

from obrl.evidence import phi_interval
from obrl.report import Drift, SuspectRow, Suspects, payload
from tests.report.reports import drawn_table, full_report, report_of

pytestmark = pytest.mark.browser


def column(page, table, title):
    """The texts of a column of the page that a table shows."""
    titles = [text.strip(" \u25b2\u25bc") for text in page.locator(f"{table} thead th").all_inner_texts()]
    if title not in titles:
        return []
    cells = page.locator(f"{table} tbody tr > :nth-child({titles.index(title) + 1})")
    return cells.all_inner_texts()


def sort_by(page, table, title):
    page.locator(f"{table} thead button", has_text=title).first.click()


def number(text):
    return float(text.split(" ")[0].replace("\u2212", "-").replace(",", ""))


@pytest.fixture
def table():
    return report_of(drawn_table(500, 20, 2, missing=0.05))


def test_pairs_show_the_numbers_of_python_strongest_bound_first(open_report, table):
    page = open_report(table)
    i, j = np.triu_indices(20, 1)
    phi = 2 * table.relation[i, j] - 1
    low, high = phi_interval(type(table.counts)(*(field[i, j] for field in table.counts)))
    order = np.argsort(-np.where(phi < 0, -high, low), kind="stable")[:25]
    at = "#pairs-table"
    assert column(page, at, "Label") == [f"label {i[k]}" for k in order]
    assert column(page, at, "Other label") == [f"label {j[k]}" for k in order]
    expected = [f"{low[k]:.2f} to {high[k]:.2f}".replace("-", "\u2212") for k in order]
    assert [text.strip() for text in column(page, at, "95 % interval")] == expected
    assert [number(text) for text in column(page, at, "Both")] == [table.counts.s[i[k], j[k]] for k in order]
    assert [number(text) for text in column(page, at, "Rows")] == [table.counts.n[i[k], j[k]] for k in order]
    shown = [number(text) for text in column(page, at, "q")]
    np.testing.assert_allclose(shown, table.evidence.q[order], rtol=0.06)


@pytest.mark.parametrize("title", ["phi", "unit_pearson", "q", "Both", "Rows", "Differ"])
def test_numbers_sort_either_way(open_report, table, title):
    page = open_report(table)
    for descending in (True, False):
        sort_by(page, "#pairs-table", title)
        shown = [number(text) for text in column(page, "#pairs-table", title)]
        assert shown == sorted(shown, reverse=descending)
        heading = page.locator("#pairs-table th[aria-sort]")
        assert heading.get_attribute("aria-sort") == ("descending" if descending else "ascending")


def test_names_and_sides_sort(open_report, table):
    page = open_report(table)
    sort_by(page, "#pairs-table", "Label")
    assert column(page, "#pairs-table", "Label") == ["label 0"] * 19 + ["label 1"] * 6
    sort_by(page, "#pairs-table", "Side")
    assert set(column(page, "#pairs-table", "Side")[:5]) == {"+"}
    sort_by(page, "#pairs-table", "Side")
    assert column(page, "#pairs-table", "Side")[0] == "\u2212"


def test_undefined_pairs_come_last(open_report):
    values = drawn_table(200, 9, 2)
    values[:, 4] = 1
    page = open_report(report_of(values))
    for _ in range(2):
        sort_by(page, "#pairs-table", "phi")
        page.locator("#pairs-table").get_by_label("next page").click()
        assert column(page, "#pairs-table", "phi")[-8:] == ["\u2013"] * 8
        page.locator("#pairs-table").get_by_label("previous page").click()


def test_a_search_takes_words_in_any_order_and_filters_follow_thresholds(open_report, table):
    page = open_report(table)
    caption = page.locator("#pairs-table caption")
    page.fill("#pair-search", "19 label")
    expect(caption).to_have_text("19 pairs of 190")
    page.fill("#pair-search", "nothing")
    expect(caption).to_have_text("0 pairs of 190")
    page.fill("#pair-search", "")
    page.select_option("#pair-filter", "related")
    expect(caption).to_have_text(f"{table.evidence.related.sum()} pairs of 190")
    page.select_option("#pair-filter", "together")
    for threshold in (0.6, 0.7):
        page.fill("#positive-number", str(threshold))
        chosen = (table.relation[np.triu_indices(20, 1)] >= threshold).sum()
        expect(caption).to_have_text(f"{chosen} pairs of 190")
    page.select_option("#pair-filter", "selected")
    expect(caption).not_to_have_text(f"{chosen} pairs of 190")


def test_pages_turn(open_report, table):
    page = open_report(table)
    pager = page.locator("#pairs-table .pager")
    first = column(page, "#pairs-table", "Other label")
    pager.get_by_label("next page").click()
    assert column(page, "#pairs-table", "Other label") != first
    pager.get_by_role("spinbutton").fill("99")
    pager.get_by_role("spinbutton").press("Enter")
    assert pager.get_by_role("spinbutton").input_value() == "8"
    assert len(column(page, "#pairs-table", "Label")) == 190 - 7 * 25
    assert pager.get_by_label("next page").is_disabled()


def test_labels_have_their_shares_and_selected_pairs(open_report, table):
    page = open_report(table)
    counts = table.counts
    assert [number(text) for text in column(page, "#labels-table", "Known")] == counts.n.diagonal().tolist()
    assert [number(text) for text in column(page, "#labels-table", "Present")] == counts.s.diagonal().tolist()
    together = (table.relation >= table.thresholds[0]).sum(axis=0) - 1
    assert [number(text) for text in column(page, "#labels-table", "Together")] == together.tolist()
    page.fill("#positive-number", "0.9")
    expect(page.locator("#positive-result")).to_contain_text("0 pairs")
    assert set(column(page, "#labels-table", "Together")) == {"0"}


def test_evidence_for_dependent_rows_is_shown_as_it_is(open_report, table):
    wide = dataclasses.replace(table.evidence, phi_low=np.full(190, -0.5), phi_high=np.full(190, 0.25))
    page = open_report(dataclasses.replace(table, evidence=wide))
    assert {text.strip() for text in column(page, "#pairs-table", "95 % interval")} == {"\u22120.50 to 0.25"}


def test_phi_is_that_of_the_counts_where_the_relation_is_another(open_report):
    table = report_of(drawn_table(500, 6, 2), measure="pearson")
    i, j = np.triu_indices(6, 1)
    phi = dict(zip(zip(i, j, strict=True), table.relation[i, j], strict=True))
    decayed = np.clip(0.5 * table.relation - 0.4, -1, 1)  # as of a table that is mined with a decay
    page = open_report(dataclasses.replace(table, relation=decayed))
    at = "#pairs-table"
    pairs = [
        tuple(int(name.split()[1]) for name in names)
        for names in zip(column(page, at, "Label"), column(page, at, "Other label"), strict=True)
    ]
    assert [number(text) for text in column(page, at, "phi")] == [round(phi[pair], 3) for pair in pairs]
    assert [number(text) for text in column(page, at, "pearson")] == [round(decayed[pair], 3) for pair in pairs]
    for text, pair in zip(column(page, at, "95 % interval"), pairs, strict=True):
        low, high = (number(end) for end in text.strip().split(" to "))
        assert low - 0.01 <= phi[pair] <= high + 0.01
    terms = page.locator("#cell-facts dt").all_inner_texts()
    assert terms[:2] == ["pearson", "phi"]
    page = open_report(table)
    assert column(page, at, "pearson") == []
    assert "pearson" not in page.locator("#cell-facts dt").all_inner_texts()


@pytest.mark.parametrize("grouped", [True, False])
def test_a_note_says_what_many_pairs_leave_out(open_report, table, monkeypatch, grouped):
    monkeypatch.setattr(payload, "MOST_PAIRS_WITH_Q", 20)
    if grouped:
        wide = dataclasses.replace(table.evidence, phi_low=np.full(190, -0.5), phi_high=np.full(190, 0.25))
        table = dataclasses.replace(table, evidence=wide)
    page = open_report(table)
    left_out = "q and the intervals for rows in groups stand" if grouped else "q stands"
    expect(page.locator("#q-note")).to_have_text(
        f"To keep the file small, {left_out} with pairs that are called related only."
    )


def test_suspects_and_drift_are_shown_where_there_are_any(open_report, table):
    page = open_report(table)
    assert page.is_hidden("#suspects")
    assert page.is_hidden("#drift")
    report = full_report(rows=300)
    page = open_report(report)
    assert page.locator("#suspects-rows caption").inner_text() == "120 entries, most suspicious first"
    assert column(page, "#suspects-rows", "Row")[:3] == ["1", "2", "3"]
    assert column(page, "#suspects-summary", "About so many wrong")[:2] == ["12.5", "6.25"]
    assert page.is_hidden("#suspects-without-rows")
    tables = page.locator("#drift table")
    assert tables.count() == 2
    assert page.locator("#drift canvas").is_visible()
    assert tables.nth(0).locator("tbody tr").count() == 10
    assert tables.nth(0).locator("thead th").first.inner_text().startswith("Last row")
    assert tables.nth(1).locator("tbody tr").nth(2).locator("td").last.inner_text() == "\u2013"


def test_a_report_may_leave_rows_out(open_report):
    report = full_report(rows=300)
    page = open_report(dataclasses.replace(report, suspects=dataclasses.replace(report.suspects, rows=None)))
    assert page.is_visible("#suspects-without-rows")
    assert page.locator("#suspects table").count() == 1


UNCUT = """names => names.filter((name) => {
    const cell = name.parentElement.getBoundingClientRect(), box = name.getBoundingClientRect();
    return name.scrollWidth > name.clientWidth + 1 && name.clientWidth > 0 || box.right > cell.right + 1;
}).map((name) => name.textContent)"""
"""Names whose text reaches out of their cell, or out of their box, which would cut it."""


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("media", ["screen", "print"])
def test_long_texts_wrap_and_are_not_cut(open_report, width, media):
    names = tuple(f"a_name_that_is_longer_than_most_columns_{k}" for k in range(4))
    because = ", ".join(f"{name} present" for name in names)
    rows = (SuspectRow("train.csv", 1, "1", 0, 1, 0.1, because),)
    drift = Drift("Drift", "", ("pair", "active"), ((f"{names[0]} and {names[1]}", because),), (1, 2), (("x", (0, 1)),))
    report = report_of(drawn_table(100, 4, 0), names=names, suspects=Suspects((), rows), drift=(drift,))
    page = open_report(report, viewport={"width": width, "height": 900})
    page.emulate_media(media=media)
    cells = page.locator("td .name, tbody th .name")
    assert cells.evaluate_all(UNCUT) == []
    for cell in page.locator(".name", has_text=names[0]).all():
        assert cell.evaluate("node => getComputedStyle(node).whiteSpace") == "normal"
    last = page.locator("#suspects-rows td .name").last
    assert last.inner_text() == because
    assert last.bounding_box()["width"] >= 150
