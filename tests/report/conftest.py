"""Chromium, and pages opened in it that must stay silent: no request, no error, no message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from obrl.report import Report
from obrl.report.page import write_report
from tests.support.chromium import running_chromium

MOST_SECONDS = 60


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports")


@pytest.fixture
def noise() -> list[str]:
    """What the pages of a test said, asked for or failed at."""
    return []


@pytest.fixture
def open_report(browser: Browser, folder: Path, noise: list[str]) -> Iterator[Callable[..., Page]]:
    """Write a report and open it from the disk; options are those of a browser's context."""
    contexts = []

    def open_it(report: Report, **options: object) -> Page:
        path = folder / "report.html"
        write_report(path, report)
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: noise.append(message.text))
        page.on("pageerror", lambda error: noise.append(str(error)))
        page.on("dialog", lambda dialog: noise.append(dialog.message))
        page.on("request", lambda request: None if request.url == path.as_uri() else noise.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("body[data-ready]", timeout=1_000 * MOST_SECONDS)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert noise == []
