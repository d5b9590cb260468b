"""Read the built site: its pages, what they point to, and what they load; the standard library's parser suffices."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADING_TAGS = {"script", "img", "source", "iframe", "video", "audio", "embed"}
LOADING_RELATIONS = {"stylesheet", "icon", "preload", "modulepreload", "prefetch", "preconnect", "dns-prefetch"}
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


@dataclass
class SitePage(HTMLParser):
    """The identifiers, links and loaded files of one page.

    Attributes:
        path: the file.
        names: what a fragment may name.
        links: targets of `a`, and of `link` where it loads nothing.
        loads: scripts, styles, pictures and fonts.
    """

    path: Path
    names: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        text = self.path.read_text(encoding="utf-8")
        self.feed(text)
        for style in re.findall(r"<style>(.*?)</style>", text, re.DOTALL):
            self.loads += loaded_by_style(style)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.names |= {values[name] for name in ("id", "name") if values.get(name)}
        self.loads += loaded_by_style(values.get("style", ""))
        if tag in LOADING_TAGS and "src" in values:
            self.loads.append(values["src"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "link" and "href" in values:
            loading = LOADING_RELATIONS & set(values.get("rel", "").split())
            (self.loads if loading else self.links).append(values["href"])


def loaded_by_style(text: str) -> list[str]:
    """The addresses that a style sheet loads."""
    return [one or other for one, other in IN_STYLE.findall(text)]


def read_site(folder: Path) -> dict[Path, SitePage]:
    """Every page of a built site, by its path."""
    return {path: SitePage(path) for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts}


def broken_links(pages: dict[Path, SitePage]) -> list[str]:
    """The links to files or fragments that are not there, and links to other hosts that are not well-formed https."""
    return [
        f"{path.name}: {link}: {reason}"
        for path, page in pages.items()
        for link in page.links
        if (reason := fault(link, path, pages))
    ]


def fault(link: str, path: Path, pages: dict[Path, SitePage]) -> str:
    """What is wrong with a link on the page at a path; empty where nothing is."""
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return "" if "@" in parts.path else "no address"
    if parts.scheme or parts.netloc:
        host = parts.hostname or ""
        is_whole = parts.scheme == "https" and "." in host and not re.search(r"\s", link)
        return "" if is_whole else "expected a whole https address"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "no such file"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].names:
        return "no such place on the page"
    return ""


def loaded_from_elsewhere(folder: Path, pages: dict[Path, SitePage]) -> list[str]:
    """What pages, styles and pictures in a site load and the site does not contain."""
    wanted = [(path, address) for path, page in pages.items() for address in page.loads]
    for style in folder.rglob("*.css"):
        wanted += [(style, address) for address in loaded_by_style(style.read_text(encoding="utf-8"))]
    for picture in folder.rglob("*.svg"):
        addresses = re.findall(r"""\b(?:xlink:)?href=["']([^"'#][^"']*)""", picture.read_text(encoding="utf-8"))
        wanted += [(picture, address) for address in addresses]
    return [f"{path.relative_to(folder)}: {address}" for path, address in wanted if not is_inside(path, address)]


def is_inside(path: Path, address: str) -> bool:
    """Whether an address on the file at a path is data, or a file beside it."""
    parts = urlsplit(address)
    if parts.scheme == "data":
        return True
    if parts.scheme or parts.netloc:
        return False
    return not parts.path or (path.parent / unquote(parts.path)).is_file()
