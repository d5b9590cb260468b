"""Write a report as one HTML file that needs no network and no further file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import os
import re
from importlib import resources

from obrl.report.checks import check_report
from obrl.report.content import Report
from obrl.report.payload import pack
from obrl.storage import whole_file

SCRIPTS = (
    "dom",
    "payload",
    "statistics",
    "model",
    "paged_table",
    "thresholds",
    "colours",
    "map_drawing",
    "map",
    "cell",
    "pairs",
    "labels",
    "suspects",
    "chart",
    "drift",
    "main",
)
"""The page's JavaScript, in the order in which it is joined."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")
_COMMENT = re.compile(r"^ *(//|/\*\*| \* | \*/).*\n", re.MULTILINE)
_INDENTATION = re.compile(r"^ +", re.MULTILINE)


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write a report as one HTML file.

    Browsers of 2024 and later show it, from a disk or a server. It loads nothing and sends nothing, which its content
    security policy enforces.

    Args:
        path: the file, which appears whole or not at all; one that exists is replaced.
        report: what it shows.

    Raises:
        TypeError, ValueError: the report's parts do not fit each other, or it has more than 4,000 labels, whose pairs
            a browser cannot handle; nothing is written.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> report = Report(
        ...     title="Faces",
        ...     label_names=("smiling", "sad"),
        ...     findings=(),
        ...     facts=(("rows", "400"),),
        ...     measure="pearson",
        ...     relation=np.array([[1.0, -0.6], [-0.6, 1.0]]),
        ...     counts=None,
        ...     weight=np.full((2, 2), 20.0),
        ...     thresholds=(0.3, -0.3),
        ...     evidence=None,
        ...     code="OBRLoss(2, positive_threshold={positive_threshold}, negative_threshold={negative_threshold})",
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(f"{folder}/report.html", report)
        ...     os.listdir(folder)
        ['report.html']
    """
    page = html_of(report).encode("ascii", "xmlcharrefreplace")
    with whole_file(path) as file:
        file.write(page)


def html_of(report: Report) -> str:
    """The page as text.

    Raises:
        TypeError, ValueError: as `write_report`.
    """
    check_report(report)
    payload = pack(report)
    style, loader = _asset("report.css"), _asset("loader.js")
    script = '(() => {\n"use strict";\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"
    zipped = gzip.compress(script.encode("ascii") + payload.columns, 9, mtime=0)
    parts = {
        "policy": f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(loader)} {_hash(script)}; "
        "base-uri 'none'; form-action 'none'",
        "title": html.escape(report.title),
        "style": style,
        "header": payload.header,
        "script_length": str(len(script)),
        "zipped": base64.b64encode(zipped).decode("ascii"),
        "loader": loader,
    }
    return _PLACE.sub(lambda place: parts[place[1]], _asset("page.html"))


def _asset(name: str) -> str:
    """A file of the page, without the spaces that its lines start with, and a script without lines of comments."""
    text = resources.files("obrl.report").joinpath("assets", name).read_text(encoding="ascii")
    return _INDENTATION.sub("", _COMMENT.sub("", text) if name.endswith(".js") else text)


def _hash(text: str) -> str:
    """What a content security policy allows this inline text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode('ascii')}'"
