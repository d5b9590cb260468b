"""The site in Chromium, opened from the disk: it asks no other host for anything, and people can read and search it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.support.chromium import serious_findings

pytestmark = pytest.mark.browser
KINDS = {
    "front page": "index",
    "list of pages": "guides/index",
    "first page": "start/first_relation",
    "code and tables": "guides/torch",
    "one task": "howto/use_what_the_labels_know",
    "commands and what they print": "mining/mining",
    "settings of the model": "reference_model/stages",
    "definitions of words": "contributing/glossary",
    "tables with much text": "contributing/map",
    "the widest table": "api/settings",
    "code that ran, and pictures": "tutorials/pytorch",
    "code that ran on three backends": "tutorials/keras",
    "formulas": "explanation/definition",
    "wide tables and a plot": "evidence",
    "reference": "api/torch",
    "index of names": "genindex",
    "search": "search",
}
"""A page of each kind that the site has."""


@pytest.fixture
def open_page(browser: Browser, site: Path) -> Iterator[Callable[..., Page]]:
    """Open a page of the site from the disk; the test fails where it asks another host, or reports an error."""
    noise: list[str] = []
    contexts = []

    def refuse(route: Route) -> None:
        noise.append(route.request.url)
        route.abort()

    def open_it(name: str, **options: object) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, "bypass_csp": True, **options})
        contexts.append(context)
        context.route(lambda url: not url.startswith(("file:", "data:")), refuse)
        page = context.new_page()
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.goto((site / f"{name}.html").as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert noise == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(open_page: Callable[..., Page], kind: str, scheme: str) -> None:
    assert serious_findings(open_page(KINDS[kind], color_scheme=scheme)) == []


def test_axe_can_find_something(open_page: Callable[..., Page]) -> None:
    page = open_page("index")
    page.evaluate("document.querySelector('article').append(new Image())")
    assert "image-alt" in [rule for rule, _ in serious_findings(page)]


def test_the_navigation_leads_from_the_front_page_to_a_page_and_on(open_page: Callable[..., Page]) -> None:
    page = open_page("index")
    page.locator(".sidebar-tree").get_by_role("link", name="Explanation", exact=True).click()
    page.locator(".sidebar-tree .current").get_by_role("link", name="The definition", exact=True).click()
    assert page.locator("h1").inner_text().startswith("The definition")
    page.locator(".toc-tree").get_by_role("link", name="Equation 2: the relation loss").click()
    assert page.url.endswith("definition.html#equation-2-the-relation-loss")
    following = page.locator(".related-pages a.next-page .title").inner_text()
    page.locator(".related-pages a.next-page").click()
    assert page.locator("h1").inner_text().startswith(following) and following != "The definition"


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("gradient accumulation", "PyTorch"),
        ("save_relation", "obrl.torch"),
        ("unit_pearson", "The definition"),
        ("wrong labels", "Which labels are probably wrong"),
    ],
)
def test_the_search_leads_to_the_page(open_page: Callable[..., Page], words: str, title: str) -> None:
    page = open_page("index")
    page.locator("form.sidebar-search-container input[name=q]").fill(words)
    page.keyboard.press("Enter")
    found_line = page.locator(".search-summary")
    found_line.filter(has_text="found").or_(page.locator("#search-results", has_text="found")).first.wait_for()
    results = page.locator("#search-results li a").all_inner_texts()
    assert any(title in result for result in results), results


def test_a_word_that_no_page_has_is_not_in_the_results(open_page: Callable[..., Page]) -> None:
    page = open_page("search")
    page.goto(f"{page.url}?q=zyzzyva")
    page.locator("#search-results", has_text="did not match").wait_for()
    assert page.locator("#search-results li").count() == 0


def test_a_narrow_page_does_not_scroll_sideways(open_page: Callable[..., Page]) -> None:
    for name in KINDS.values():
        page = open_page(name, viewport={"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, name


def test_a_formula_is_drawn(open_page: Callable[..., Page]) -> None:
    page = open_page("explanation/definition")
    box = page.locator("div.math math").first.bounding_box()
    assert box is not None and box["height"] > 15
    assert page.locator("math").count() > 20
