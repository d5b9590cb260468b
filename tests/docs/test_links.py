"""Every link of the built site leads somewhere, and no page needs a network; nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.site_pages import broken_links, loaded_from_elsewhere, read_site


def test_links_and_anchors_lead_somewhere(site: Path) -> None:
    pages = read_site(site)
    assert len(pages) > 40 and sum(len(page.links) for page in pages.values()) > 3_000
    assert broken_links(pages) == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    assert loaded_from_elsewhere(site, read_site(site)) == []


@pytest.fixture
def small_site(tmp_path: Path) -> Path:
    (tmp_path / "other.html").write_text('<p id="here"><a href="https://example.org/a?b#c">x</a>')
    (tmp_path / "style.css").write_text("p { background: url(picture.png) }")
    (tmp_path / "picture.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css?v=1"><img src="picture.png">'
        '<a href="other.html#here">x</a><a href="#">x</a>'
    )
    return tmp_path


def test_a_whole_site_passes(small_site: Path) -> None:
    pages = read_site(small_site)
    assert broken_links(pages) == loaded_from_elsewhere(small_site, pages) == []


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("absent.html", "no such file"),
        ("other.html#there", "no such place on the page"),
        ("#nowhere", "no such place on the page"),
        ("http://example.org", "expected a whole https address"),
        ("https://localhost", "expected a whole https address"),
        ("//example.org", "expected a whole https address"),
        ("mailto:nobody", "no address"),
    ],
)
def test_a_broken_link_is_reported(small_site: Path, link: str, reason: str) -> None:
    (small_site / "new.html").write_text(f'<a href="{link}">x</a>')
    assert broken_links(read_site(small_site)) == [f"new.html: {link}: {reason}"]


@pytest.mark.parametrize(
    ("name", "content", "address"),
    [
        ("a.html", '<script src="https://cdn.example.org/x.js"></script>', "https://cdn.example.org/x.js"),
        ("a.html", '<link rel="stylesheet" href="//example.org/x.css">', "//example.org/x.css"),
        ("a.html", '<img src="absent.png">', "absent.png"),
        ("a.html", "<style>@import 'https://example.org/x.css';</style>", "https://example.org/x.css"),
        ("a.css", "@font-face { src: url('https://example.org/f.woff2') }", "https://example.org/f.woff2"),
        ("a.svg", '<image xlink:href="https://example.org/p.png"/>', "https://example.org/p.png"),
    ],
)
def test_what_comes_from_elsewhere_is_reported(small_site: Path, name: str, content: str, address: str) -> None:
    (small_site / name).write_text(content)
    assert loaded_from_elsewhere(small_site, read_site(small_site)) == [f"{name}: {address}"]
