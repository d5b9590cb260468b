"""Whoever reads the page: hostile names stay text, axe finds nothing serious, and print, dark and one label work."""

import dataclasses

import numpy as np
import pytest

from tests.report.reports import HOSTILE, drawn_table, full_report, loss_report, report_of, sparse_table
from tests.support.chromium import serious_findings

pytestmark = pytest.mark.browser


REPORTS = {"full": full_report, "loss": lambda: loss_report(12), "many": lambda: report_of(sparse_table(500, 200, 1))}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", REPORTS)
def test_axe_finds_nothing_serious(open_report, kind, scheme):
    page = open_report(REPORTS[kind](), color_scheme=scheme, bypass_csp=True)
    assert serious_findings(page) == []


def test_axe_can_find_something(open_report):
    page = open_report(loss_report(5), bypass_csp=True)
    page.evaluate("document.getElementById('pair-search').parentElement.replaceWith(document.createElement('input'))")
    assert "label" in [rule for rule, _ in serious_findings(page)]


def test_hostile_names_are_text_and_nothing_runs(open_report):
    report = full_report(rows=300)
    page = open_report(report)
    assert page.title() == HOSTILE[0]
    assert page.inner_text("#title") == HOSTILE[0]
    assert page.locator("main script, main img").count() == 0
    assert HOSTILE[1] in page.inner_text("#findings-list li.warning")
    texts = page.locator("#labels-table tbody th bdi").all_text_contents()
    assert texts[:3] == list(HOSTILE[:3])
    assert texts[4] == f"{'x' * 200}\u2026"
    assert texts[7] == "(empty)"
    assert page.locator("#labels-table bdi").nth(4).get_attribute("title") == HOSTILE[4]
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    page.fill("#label-search", "right to left")
    assert page.inner_text("#cell-first bdi") == HOSTILE[3]


def test_a_name_that_turns_text_around_ends_where_it_ends(open_report):
    page = open_report(report_of(drawn_table(100, 3, 0), names=("\u202eabc", "def", "ghi")))
    name = page.locator("#labels-table bdi").first
    assert name.evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"


def test_the_policy_stops_what_is_added(open_report, noise):
    page = open_report(loss_report(4))
    assert page.evaluate("typeof obrlReport") == "undefined"
    stopped = page.evaluate(
        """() => new Promise(resolve => {
            document.addEventListener("securitypolicyviolation", event => resolve(event.effectiveDirective));
            const image = new Image();
            image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
            document.body.append(image);
        })"""
    )
    assert stopped == "img-src"
    assert len(noise) == 1
    assert "Content Security Policy" in noise.pop()


def test_print_is_light_and_has_no_controls(open_report):
    page = open_report(full_report(rows=300), color_scheme="dark")
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
    page.emulate_media(media="print")
    assert page.is_hidden("#theme")
    assert page.is_hidden("#map-order")
    assert page.is_visible("#map")
    assert page.is_hidden("#map-focus")  # it would be printed white, over the map
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") is None


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_dark_follows_the_system_and_the_button(open_report):
    light, dark = (open_report(loss_report(5), color_scheme=scheme) for scheme in ("light", "dark"))
    colours = background(light), background(dark)
    assert colours[0] != colours[1]
    pixels = [page.evaluate("document.getElementById('map').toDataURL()") for page in (light, dark)]
    assert [page.inner_text("#theme") for page in (light, dark)] == ["Dark mode", "Light mode"]
    light.click("#theme")
    assert light.inner_text("#theme") == "Light mode"
    assert background(light) == colours[1]
    assert light.evaluate("document.getElementById('map').toDataURL()") == pixels[1] != pixels[0]
    light.click("#theme")
    assert background(light) == colours[0]
    assert light.inner_text("#theme") == "Dark mode"


def test_motion_is_reduced_on_request(open_report):
    page = open_report(loss_report(5), reduced_motion="reduce")
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


@pytest.mark.parametrize("width", [320, 700])
def test_narrow_windows_scroll_down_only(open_report, width):
    page = open_report(full_report(rows=300), viewport={"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("#map").bounding_box()["width"] <= width


@pytest.mark.parametrize("size", [1, 2])
def test_few_labels_have_a_page(open_report, size):
    page = open_report(report_of(drawn_table(50, 3, 0)[:, :size]))
    page.focus("#map")
    page.keyboard.press("ArrowRight")
    page.fill("#label-search", "label")
    assert page.locator("#labels-table tbody tr").count() == size


def test_a_table_without_a_defined_pair_has_a_page(open_report):
    report = report_of(np.ones((30, 4)))
    page = open_report(dataclasses.replace(report, findings=()))
    assert page.is_hidden("#findings")
    assert page.inner_text("#positive-result") == "0 pairs pulled together"


def test_the_page_can_be_walked_by_keyboard(open_report):
    page = open_report(report_of(drawn_table(100, 6, 1)))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    ids = []
    for _ in range(12):
        page.keyboard.press("Tab")
        ids.append(page.evaluate("document.activeElement.id"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", ids[-1]
    assert ids[:4] == ["map-order", "label-search", "map", "positive-slider"]
