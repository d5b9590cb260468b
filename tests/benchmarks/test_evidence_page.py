"""Every figure of docs/evidence.md comes from a cell of the results that its section names."""

import re
from pathlib import Path

import pytest

from tests.benchmarks import evidence_claims, face_claims
from tests.benchmarks.evidence_claims import cell

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "evidence.md"
SOURCE = re.compile(r"benchmarks/results/([\w/-]+)\.md\b")
CLAIMS = (*evidence_claims.CLAIMS, *face_claims.CLAIMS)
FIXED = (
    "the 95 % interval, before it is rounded, holds 0",
    "leave out 0 by chance",
    "with 10 and 20 % of the labels known",
    "in batches of 32 rows",
    "On the 983 tags",
    "with 40 labels on a CPU",
    "64 pixels",
    "Figure 2: every weight",
)
"""Parts of sentences with numbers that say how something was measured, not what came out."""
NOT_PROSE = re.compile(r"^```.*?^```|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
"""Blocks, formulas, code, and the targets of links."""
WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand"
FIGURE = re.compile(rf"\d[\d.,]*|\b(?:{WORDS})[ -](?:to [\w]+ )?(?:times|fold|points|percent|per|of)\b", re.IGNORECASE)
SENTENCES = [claim() for claim in CLAIMS]


def words(text: str) -> str:
    """A text with single spaces."""
    return " ".join(text.split())


def sections(page: str) -> dict[str, str]:
    """The text of each section, by its heading; what stands before the first is under ""."""
    parts = re.split(r"^## (.*)$", page, flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def problems(page: str) -> list[str]:
    """Claims that the page does not make, and figures that are no part of one."""
    plain = words(page)
    missing = [f"not on the page: {sentence}" for sentence in SENTENCES if sentence not in plain]
    stray = []
    for heading, text in sections(page).items():
        rest = words(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
        for sentence in (*SENTENCES, *FIXED):
            rest = rest.replace(sentence, "")
        stray += [f"{heading}: {figure}" for figure in FIGURE.findall(NOT_PROSE.sub(" ", rest))]
    return missing + stray


def test_each_figure_is_the_cell_that_its_sentence_names() -> None:
    assert problems(PAGE.read_text()) == []


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_figure_of_another_cell_or_sign_is_reported(sentence: str) -> None:
    page = words(PAGE.read_text())
    figures = re.findall(r"\d[\d.,]*\d|\d", sentence)
    assert figures or "below" in sentence
    for figure in figures:
        wrong = sentence.replace(figure, "9" + figure[1:] if figure[0] != "9" else "8" + figure[1:], 1)
        assert f"not on the page: {sentence}" in problems(page.replace(sentence, wrong))
    if "+" in sentence:
        assert problems(page.replace(sentence, sentence.replace("+", "-", 1)))


@pytest.mark.parametrize(
    "planted",
    [
        "It gains 3 points.",
        "It rose by 98.76 %.",
        "It takes two to four times as long.",
        "Twenty times!",
        "Some 7,654 rows.",
    ],
)
def test_a_figure_without_a_cell_is_reported(planted: str) -> None:
    page = PAGE.read_text()
    for heading in sections(page):
        place = f"## {heading}\n" if heading else "# Evidence\n"
        reported = problems(page.replace(place, f"{place}\n{planted}\n"))
        assert [line.partition(":")[0] for line in reported] == [heading]


def test_each_section_names_the_results_of_its_sentences_and_their_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that a claim reads are those that stand in its section."""
    files: set[str] = set()
    read_tables, read_document = evidence_claims.tables, evidence_claims.document
    monkeypatch.setattr(evidence_claims, "tables", lambda name: (files.add(name), read_tables(name))[1])
    monkeypatch.setattr(evidence_claims, "document", lambda name: (files.add(name), read_document(name))[1])
    for claim in CLAIMS:
        files.clear()
        sentence = claim()
        (text,) = [text for text in sections(PAGE.read_text()).values() if sentence in words(text)]
        assert files
        assert files <= set(SOURCE.findall(text))
        assert re.search(r"`python -m (benchmarks|reference_model)", text)


def test_a_cell_that_is_not_there_is_an_error() -> None:
    assert cell("mining_condition", "yeast", "fewer by") == "+15.0 %"
    with pytest.raises(KeyError, match="no row 'yeast' with a column 'slower by'"):
        cell("mining_condition", "yeast", "slower by")
