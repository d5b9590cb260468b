"""Thresholds in the browser select exactly the pairs that Python selects, with the same charge."""

import dataclasses
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from obrl import measures
from obrl.measures import MEASURES, Measure
from obrl.report import checks, payload
from tests.report import reports
from tests.report.reports import drawn_table, loss_report, report_of, sparse_table

pytestmark = pytest.mark.browser


def selected_in_python(report, positive, negative):
    """Pairs and mean charge of either side, from the relation that the report was written with."""
    size = len(report.label_names)
    i, j = (
        np.triu_indices(size, 1)
        if reports.MEASURES[report.measure].symmetric
        else np.nonzero(~np.eye(size, dtype=bool))
    )
    values = report.relation[i, j]
    results = []
    for side, chosen in (("positive", values >= positive), ("negative", values <= negative)):
        charge = np.nan
        if report.counts is not None and chosen.any():
            n, s, r, c = (field[i, j][chosen] for field in report.counts)
            unequal = (r + c - 2 * s) / n
            charge = (unequal if side == "positive" else 1 - unequal).mean()
        results.append((int(chosen.sum()), charge))
    return results


def set_thresholds(page, positive, negative):
    page.fill("#positive-number", repr(positive))
    page.fill("#negative-number", repr(negative))


def expect_results(page, report, positive, negative):
    for side, verb, (pairs, charge) in zip(
        ("positive", "negative"), ("together", "apart"), selected_in_python(report, positive, negative), strict=True
    ):
        text = rf"{pairs:,} pairs? \w+ {verb}"
        expect(page.locator(f"#{side}-result")).to_have_text(re.compile(text))
        words = page.inner_text(f"#{side}-result").split("mean charge ")
        if np.isnan(charge):
            assert len(words) == 1
        else:
            assert abs(float(words[1]) - charge) <= 0.0005 + 1e-12


def test_the_page_shows_a_measure_that_it_does_not_compute(open_report, monkeypatch):
    """As a measure that was added in Python alone."""
    simpson = Measure(lambda table: (table.both, table.minimum(table.i, table.j)), "s / min(r, c)", 0, 1)
    for module in (measures, payload, checks, reports):
        monkeypatch.setattr(module, "MEASURES", {**MEASURES, "simpson": simpson})
    report = report_of(drawn_table(60, 14, 3, missing=0.1), measure="simpson")
    page = open_report(report)
    assert "s / min(r, c)" in page.content()
    expect_results(page, report, *report.thresholds)
    median = float(np.nanmedian(report.relation))
    set_thresholds(page, median, 0.1)
    expect_results(page, report, median, 0.1)


@pytest.mark.parametrize("measure", MEASURES)
def test_counts_are_those_of_python_at_values_of_the_relation(open_report, measure):
    report = report_of(drawn_table(60, 14, 3, missing=0.1), measure=measure)
    page = open_report(report)
    expect_results(page, report, *report.thresholds)
    values = np.unique(report.relation[np.triu_indices(14, 1)])
    values = values[~np.isnan(values)]
    for value in values[:: max(1, len(values) // 6)].tolist():  # at a value, and right beside it
        low, high = MEASURES[measure].low, MEASURES[measure].high
        beside = np.clip(np.nextafter([value, value, value], [value, 9, -9]), low, high).tolist()
        for positive in beside:
            set_thresholds(page, positive, float(values[0]))
            expect_results(page, report, positive, float(values[0]))


def test_a_relation_rounded_otherwise_is_compared_as_it_is(open_report):
    report = report_of(drawn_table(400, 20, 4))
    report = dataclasses.replace(report, relation=np.nextafter(report.relation, 2))
    page = open_report(report)
    for value in np.unique(report.relation[np.triu_indices(20, 1)])[::40].tolist():
        set_thresholds(page, min(value, 1.0), 0.0)
        expect_results(page, report, min(value, 1.0), 0.0)


def test_a_loss_counts_pairs_without_a_charge(open_report):
    report = loss_report(12)
    page = open_report(report)
    expect_results(page, report, *report.thresholds)
    assert "charge" not in page.inner_text("#thresholds")
    assert page.locator("#pairs-table th", has_text="Weight").count() == 1
    value = float(report.relation[2, 3])
    set_thresholds(page, value, 0.1)
    expect_results(page, report, value, 0.1)


def slider_value(page, side):
    return float(page.input_value(f"#{side}-slider"))


def test_a_slider_follows_the_mouse_and_the_keys(open_report):
    report = report_of(drawn_table(400, 40, 5))
    page = open_report(report)
    page.locator("#positive-slider").scroll_into_view_if_needed()
    box = page.locator("#positive-slider").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.65 * box["width"], middle)
    page.mouse.down()
    for share in (0.7, 0.75, 0.8):
        page.mouse.move(box["x"] + share * box["width"], middle)
        expect_results(page, report, slider_value(page, "positive"), report.thresholds[1])
    page.mouse.up()
    dragged = slider_value(page, "positive")
    assert abs(dragged - 0.8) < 0.03
    page.focus("#negative-slider")
    page.keyboard.press("ArrowRight")
    assert slider_value(page, "negative") == 0.355
    page.keyboard.press("End")
    page.keyboard.press("Home")
    assert slider_value(page, "negative") == 0
    expect_results(page, report, dragged, 0.0)
    assert f"positive_threshold={dragged:g}, negative_threshold=0)" in page.inner_text("#code")


def test_phi_and_the_measure_s_scale_go_together(open_report):
    report = report_of(drawn_table(400, 12, 6))
    page = open_report(report)
    page.fill("#positive-phi", "0.5")
    expect_results(page, report, 0.75, report.thresholds[1])
    assert page.input_value("#positive-number") == "0.75"
    assert float(page.input_value("#negative-phi")) == pytest.approx(-0.3)
    page.click("#reset")
    expect_results(page, report, *report.thresholds)
    assert page.input_value("#positive-phi") == "0.3"


def test_thresholds_that_a_loss_refuses_are_called_so(open_report):
    page = open_report(report_of(drawn_table(100, 6, 6)))
    expect_code(page, "0.65", "0.35")
    page.fill("#negative-number", "0.7")
    expect_no_code(page, "refuses", "negative-number", "positive-number")
    page.fill("#negative-number", "0.1")
    expect_code(page, "0.65", "0.1")


def expect_code(page, positive, negative):
    expect(page.locator("#threshold-problem")).to_be_hidden()
    expect(page.locator("#code")).to_contain_text(f"positive_threshold={positive}, negative_threshold={negative})")
    expect(page.locator("#copy")).to_be_enabled()
    assert page.locator("[aria-invalid=true]").count() == 0


def expect_no_code(page, problem, *wrong):
    expect(page.locator("#threshold-problem")).to_contain_text(problem)
    expect(page.locator("#code")).to_be_hidden()
    expect(page.locator("#copy")).to_be_disabled()
    assert page.inner_text("#threshold-problem") != ""
    ids = page.locator("[aria-invalid=true]").evaluate_all("fields => fields.map(field => field.id)")
    assert sorted(ids) == sorted(wrong)


@pytest.mark.parametrize("typed", ["1.7", "-3", ""])
def test_a_threshold_outside_of_the_range_gives_no_code(open_report, typed):
    report = report_of(drawn_table(100, 6, 6))
    page = open_report(report)
    page.fill("#positive-number", typed)
    expect_no_code(
        page, "unit_pearson goes from 0 to 1, and phi from \u22121 to 1. The page stays at 0.65", "positive-number"
    )
    page.focus("#pair-search")
    assert page.input_value("#positive-number") == typed  # it stays until it is mended
    expect_results(page, report, *report.thresholds)
    page.fill("#positive-phi", typed if typed != "-3" else "-1.01")
    expect_no_code(page, "goes from", "positive-phi")
    assert page.input_value("#positive-number") == "0.65"
    page.fill("#positive-phi", "0.5")
    expect_code(page, "0.75", "0.35")
    page.fill("#negative-number", typed)
    expect_no_code(page, "0.35 for pairs pushed apart", "negative-number")
    page.click("#reset")
    expect_code(page, "0.65", "0.35")
    assert page.input_value("#negative-number") == "0.35"


def test_a_loss_whose_threshold_no_relation_reaches_has_no_code(open_report):
    page = open_report(dataclasses.replace(loss_report(6), thresholds=(1.5, 0.2)))
    expect_no_code(page, "No pair, or every pair, passes", "positive-number")
    page.fill("#positive-number", "1")
    expect_code(page, "1", "0.2")


def test_the_line_to_paste_runs_and_can_be_copied(open_report):
    from obrl import OBRLoss

    report = report_of(drawn_table(100, 6, 6))
    page = open_report(report, permissions=["clipboard-read", "clipboard-write"])
    page.fill("#positive-number", "0.7")
    expect(page.locator("#code")).to_contain_text("positive_threshold=0.7")
    criterion = eval(page.inner_text("#code"), {"OBRLoss": OBRLoss})
    assert (criterion.settings.positive_threshold, criterion.settings.negative_threshold) == (0.7, 0.35)
    page.click("#copy")
    expect(page.locator("#copy-result")).not_to_be_empty()
    assert page.inner_text("#copy-result") in ("copied", "selected: press Ctrl+C")


def test_several_lines_are_shown_and_copied_as_they_are(open_report):
    line = "OBRLoss(6, positive_threshold={positive_threshold}, negative_threshold={negative_threshold})"
    code = f"from obrl import OBRLoss\n\nif True:\n    criterion = {line}\n"
    report = dataclasses.replace(report_of(drawn_table(100, 6, 6)), code=code)
    page = open_report(report, permissions=["clipboard-read", "clipboard-write"])
    text = code.format(positive_threshold=0.65, negative_threshold=0.35)
    assert page.locator("#code").evaluate("node => node.textContent") == text
    assert page.inner_text("#code").splitlines() == text.splitlines()
    page.click("#copy")
    expect(page.locator("#copy-result")).to_have_text("copied")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.fill("#positive-number", "0.9")
    expect(page.locator("#copy-result")).to_be_empty()


def test_many_labels(open_report):
    report = report_of(sparse_table(4_000, 983, 2))
    page = open_report(report)
    assert page.locator("#pairs-table caption").inner_text() == "482,653 pairs of 482,653"
    for positive, negative in ((0.6, 0.45), (0.53, 0.499)):
        set_thresholds(page, positive, negative)
        expect_results(page, report, positive, negative)
    page.screenshot()
