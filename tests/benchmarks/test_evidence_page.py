"""Every figure of docs/evidence.md stands in a file of results that its section names."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "evidence.md"
SOURCE = re.compile(r"benchmarks/results/([\w/-]+\.md)\b")
NOT_PROSE = re.compile(r"^```.*?^```|`[^`\n]*`|\]\([^)\n]*\)", re.MULTILINE | re.DOTALL)
"""Blocks and code, which hold settings and commands, and the targets of links."""
FIGURE = re.compile(
    r"(?<![\w.,])[+-]?(?:\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+|\d+(?= (?:%|points?|times|and \d+ %|to \d+ %)))"
)
"""A number with decimals or of thousands, or one before "%", "points" or "times"."""
NUMBER = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?")


def number(text: str) -> float:
    """The size of a number as it is printed, without its sign."""
    return abs(float(text.replace(",", "")))


def sections(page: str) -> dict[str, str]:
    """The text of each section, by its heading; what stands before the first is under ""."""
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def without_source(page: str) -> list[tuple[str, str]]:
    """The figures that no results file of their section holds, each with its heading; those above the first heading may
    come from any file of the page."""
    missing = []
    for heading, text in sections(page).items():
        names = SOURCE.findall(text if heading else page)
        printed = [number(value) for name in names for value in NUMBER.findall((RESULTS / name).read_text())]
        for figure in FIGURE.findall(NOT_PROSE.sub(" ", text)):
            decimals = len(figure.partition(".")[2])
            if number(figure) not in {round(value, decimals) for value in printed}:
                missing.append((heading, figure))
    return missing


def test_every_figure_stands_in_the_results_that_its_section_names() -> None:
    page = PAGE.read_text()
    assert without_source(page) == []
    assert sum(len(FIGURE.findall(NOT_PROSE.sub(" ", text))) for text in sections(page).values()) > 15


@pytest.mark.parametrize(
    "heading", [name for name in sections(PAGE.read_text()) if SOURCE.search(sections(PAGE.read_text())[name])]
)
def test_a_planted_figure_is_reported(heading: str) -> None:
    page = PAGE.read_text()
    for planted, figure in (("gains 98.76 points", "98.76"), ("rose by 98.76 %", "98.76"), ("or 7,654 times", "7,654")):
        assert (heading, figure) in without_source(page.replace(f"## {heading}\n", f"## {heading}\n\nIt {planted}.\n"))


def test_a_section_without_a_source_may_hold_no_figure() -> None:
    page = "# Evidence\n\n## Does it help?\n\nIt gains 3 points with 5 seeds and `alpha=0.5`, see [0.7](x.md#0.9).\n"
    assert without_source(page) == [("Does it help?", "3"), ("Does it help?", "0.7")]
    named = page + "From `benchmarks/results/mining_condition.md`, +14.04 and 14 points.\n"
    assert without_source(named) == [("Does it help?", "0.7")], "3 is in the file, and so are the others"


def test_every_section_with_results_names_its_command() -> None:
    for heading, text in sections(PAGE.read_text()).items():
        if heading and SOURCE.search(text):
            assert re.search(r"`python -m (benchmarks|reference_model)", text), heading
