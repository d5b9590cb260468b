"""What an HTML report holds, read back from the file."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

from obrl import OnlineBatchRelation
from tests.support.start import LABELS, NAMES, table


def header(path: Path) -> dict[str, Any]:
    """The part in JSON: title, labels, findings, facts, measure, thresholds and code."""
    content: dict[str, Any] = json.loads(_element(path, "header"))
    return content


def columns(path: Path) -> bytes:
    """The other part, unpacked; the script comes before it."""
    return gzip.decompress(base64.b64decode(_element(path, "zipped")))[script_length(path) :]


def script_length(path: Path) -> int:
    """How many bytes of what is unpacked are the script."""
    match = re.search(r'data-script-length="(\d+)"', path.read_text(encoding="ascii"))
    assert match is not None
    return int(match[1])


def column(path: Path, name: str) -> Any:
    """The value of a column of JSON; None where there is none."""
    start = 0
    for title, kind, size in header(path)["columns"]:
        width = int(kind[1:]) * size
        if title == name:
            return json.loads(columns(path)[start : start + width])
        start += width
    return None


def texts(path: Path) -> list[str]:
    """The findings' sentences."""
    return [finding["text"] for finding in header(path)["findings"]]


def _element(path: Path, name: str) -> str:
    match = re.search(rf'<script[^>]* id="{name}"[^>]*>(.*?)</script>', path.read_text(encoding="ascii"), re.DOTALL)
    assert match is not None
    return match[1]


def learnt() -> OnlineBatchRelation:
    """NumPy's relation after one batch, for comparison with that of a framework."""
    return OnlineBatchRelation(LABELS, estimator="counts", label_names=NAMES).update(table())


def assert_reported(path: Path, thresholds: tuple[float, float] = (0.8, 0.2)) -> None:
    """A report of `learnt` by any framework says what NumPy's says.

    Args:
        path: the report.
        thresholds: positive and negative.
    """
    expected = path.with_name("expected.html")
    learnt().report(expected, positive_threshold=thresholds[0], negative_threshold=thresholds[1])
    content, wanted = header(path), header(expected)
    assert content["labels"] == list(NAMES)
    assert content["thresholds"] == list(thresholds)
    assert content["findings"] == wanted["findings"]
    assert "3 of 6 pairs of 4 labels: 1 occurs together, 2 occur apart" in texts(path)[0]
    assert dict(content["facts"]) == dict(wanted["facts"])
    assert [name for name, *_ in content["columns"]] == [name for name, *_ in wanted["columns"]]


def run_code(path: Path, **variables: Any) -> Any:
    """What the last line of a report's code gives, once the others have run, with the thresholds of the page's start.

    Args:
        path: the report.
        variables: what the session in which a user pastes it has.
    """
    content = header(path)
    code = content["code"]
    for name, value in zip(("positive_threshold", "negative_threshold"), content["thresholds"], strict=True):
        code = code.replace(f"{{{name}}}", repr(value))
    *first, last = code.splitlines()
    exec("\n".join(first), variables)
    return eval(last, variables)
