"""An installed Chromium for the tests of pages, and axe, which judges their accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tools.chromium import chromium_path


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """A running Chromium; the test fails, and says what to install, where there is none."""
    try:
        chromium = chromium_path()
    except FileNotFoundError as error:
        pytest.fail(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def serious_findings(page: Page) -> list[tuple[str, str]]:
    """What axe calls serious or critical on a page: each rule with the first element that breaks it.

    The page's context needs `bypass_csp=True`.
    """
    page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    results = page.evaluate(
        "axe.run(document, {preload: false})"
    )  # it would read styles by requests, which file: forbids
    assert len(results["passes"]) > 10, "axe has judged next to nothing"
    serious = [finding for finding in results["violations"] if finding["impact"] in ("serious", "critical")]
    return [(finding["id"], finding["nodes"][0]["html"]) for finding in serious]
