"""The map: its focused cell, its orders, its search, and what stands beside it."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from obrl.report.clustering import clustered_order
from tests.report.reports import drawn_table, loss_report, report_of, sparse_table

pytestmark = pytest.mark.browser

REPORT = report_of(drawn_table(400, 40, 8))


def focused(page):
    return page.inner_text("#cell-first"), page.inner_text("#cell-second")


def facts(page):
    terms, values = page.locator("#cell-facts dt").all_inner_texts(), page.locator("#cell-facts dd").all_inner_texts()
    return dict(zip(terms, values, strict=True))


def names_in_order(report):
    return [report.label_names[label] for label in clustered_order(2 * report.relation - 1)]


def test_it_starts_at_the_strongest_pair_with_its_numbers(open_report):
    page = open_report(REPORT)
    i, j = (int(name.removeprefix("label ")) for name in focused(page))
    strength = np.abs(2 * REPORT.relation - 1) - np.eye(40)
    assert np.isclose(strength[i, j], strength.max())
    shown = facts(page)
    assert shown["unit_pearson"] == f"{REPORT.relation[i, j]:.3f}"
    assert shown["rows with both"] == f"{REPORT.counts.s[i, j]} of 400"
    assert shown["related"] == "yes"
    assert shown["thresholds"] == "pulled together"


def test_arrow_keys_move_the_cell_and_are_spoken(open_report):
    page = open_report(REPORT)
    names = names_in_order(REPORT)
    row = names.index(focused(page)[0])
    page.focus("#map")
    down = "ArrowDown" if row < 38 else "ArrowUp"
    page.keyboard.press(down)
    row += 1 if down == "ArrowDown" else -1
    page.keyboard.press("End")
    assert focused(page) == (names[row], names[39])
    page.keyboard.press("ArrowRight")
    assert focused(page) == (names[row], names[39])
    page.keyboard.press("ArrowLeft")
    assert focused(page) == (names[row], names[38])
    expect(page.locator("#live")).to_contain_text(f"{names[38]}\u2069")
    page.keyboard.press("Home")
    page.keyboard.press("Control+ArrowUp")
    assert focused(page) == (names[0], names[0])
    assert facts(page) == {"": "a label with itself"}
    page.keyboard.press("PageDown")
    assert focused(page) == (names[10], names[0])


def test_the_pointer_shows_a_cell_and_a_click_stays(open_report):
    page = open_report(REPORT)
    before = focused(page)
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    names = names_in_order(REPORT)
    corner = (box["x"] + box["width"] - 3, box["y"] + box["height"] - 3)
    page.mouse.move(*corner)
    assert focused(page) == (names[39], names[39])
    page.mouse.move(2, 2)
    assert focused(page) == before
    page.mouse.click(*corner)
    page.mouse.move(2, 2)
    assert focused(page) == (names[39], names[39])


def test_orders_leave_the_pair_and_move_its_neighbours(open_report):
    page = open_report(REPORT)
    before = focused(page)
    page.select_option("#map-order", "name")
    assert focused(page) == before
    page.focus("#map")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert focused(page) == tuple(sorted(REPORT.label_names)[:2])
    page.select_option("#map-order", "table")
    page.focus("#map")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert focused(page) == ("label 0", "label 1")


def test_the_search_goes_from_label_to_label(open_report):
    page = open_report(REPORT)
    page.fill("#label-search", "LABEL 3")
    names = [name for name in names_in_order(REPORT) if name.startswith("label 3")]
    seen = set()
    for _ in names:
        seen.add(focused(page)[0])
        page.press("#label-search", "Enter")
    assert seen == set(names)
    assert f"of {len(names)}" in page.inner_text("#label-search-result")
    page.fill("#label-search", "none such")
    assert "no label" in page.inner_text("#label-search-result")


def test_the_strongest_relations_stand_beside(open_report):
    page = open_report(REPORT)
    i = int(focused(page)[0].removeprefix("label "))
    strength = np.abs(2 * REPORT.relation[i] - 1)
    strength[i] = -1
    expected = [f"label {k}" for k in np.argsort(-strength, kind="stable")[:8]]
    assert page.locator("#partners th").all_inner_texts() == expected


def map_pixels(page):
    return page.evaluate("document.getElementById('map').toDataURL()")


def test_thresholds_mark_pairs(open_report):
    page = open_report(REPORT)
    page.fill("#positive-number", "1")
    page.fill("#negative-number", "0")
    expect(page.locator("#positive-result")).to_contain_text("0 pairs")
    unmarked = map_pixels(page)
    page.fill("#positive-number", "0.7")
    expect(page.locator("#positive-result")).not_to_contain_text("0 pairs")
    assert map_pixels(page) != unmarked


PIXELS = """cells => {
    const canvas = document.getElementById("map");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const cell = 26, margin = canvas.width - 3 * cell;
    const at = (place) => Math.round(margin + (place + 0.1) * cell); // beside the sign
    return cells.map(([row, column]) => Array.from(data.slice(4 * (at(row) * canvas.width + at(column)))).slice(0, 3));
}"""
"""Red, green and blue of cells of the map of three labels."""
SIDE_COLOURS = """side => {
    const fieldset = document.querySelector(`fieldset.${side}`);
    const slider = fieldset.querySelector("[type=range]");
    return [getComputedStyle(fieldset).borderTopColor, getComputedStyle(slider).accentColor];
}"""
"""The colours of a threshold's frame and slider."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_together_is_warm_and_apart_is_cold_as_in_the_pictures(open_report, scheme):
    same = np.arange(100) % 2
    page = open_report(report_of(np.stack([same, same, 1 - same], axis=1).astype(float)), color_scheme=scheme)
    page.select_option("#map-order", "table")
    page.wait_for_timeout(100)
    together, apart = page.evaluate(PIXELS, [[0, 1], [0, 2]])
    assert together[0] > together[2] + 50
    assert apart[2] > apart[0] + 50
    frames, sliders = zip(*(page.evaluate(SIDE_COLOURS, side) for side in ("positive", "negative")), strict=True)
    assert frames == sliders
    red, _, blue = re.findall(r"\d+", frames[0])
    assert int(red) > int(blue)


@pytest.mark.parametrize("size", [200, 6])
def test_small_cells_have_an_enlarged_part(open_report, size):
    page = open_report(report_of(sparse_table(800, 200, 3)[:, :size]))
    assert page.is_visible("#lens") == (size == 200)


def test_a_loss_shows_weights_and_undefined_pairs(open_report):
    page = open_report(loss_report(12))
    page.select_option("#map-order", "table")
    page.focus("#map")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert focused(page) == ("label 0", "label 1")
    assert facts(page) == {"unit_pearson": "\u2013", "phi": "\u2013", "weight": "0", "thresholds": "not selected"}


def test_a_measure_that_is_not_symmetric_has_both_directions(open_report):
    report = report_of(drawn_table(200, 8, 1), measure="conditional")
    page = open_report(report)
    page.select_option("#map-order", "table")
    page.focus("#map")
    page.keyboard.press("Control+ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert facts(page)["conditional"] == f"{report.relation[0, 1]:.3f}"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert facts(page)["conditional"] == f"{report.relation[1, 0]:.3f}"
