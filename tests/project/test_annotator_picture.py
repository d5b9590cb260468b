"""The picture of an annotator's table is what its script draws, and shows what the page says of it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np

from tests.project.helpers import ROOT
from tools.annotator_picture import LABELS, draw, example

PAGE = ROOT / "docs" / "howto" / "use_what_the_labels_know.md"


def test_the_picture_in_the_documentation_is_what_the_script_draws() -> None:
    picture = (ROOT / "docs" / "pictures" / "annotator_table.svg").read_text(encoding="utf-8")
    assert picture == draw()
    ElementTree.fromstring(picture)


def test_the_words_beside_it_are_its_numbers() -> None:
    before, answers, after = example()
    words = re.search(r":alt: (.*)", PAGE.read_text(encoding="utf-8"))
    assert words is not None
    beach, sand, town = (LABELS.index(name) for name in ("beach", "sand", "town"))
    assert answers[1, beach] == 1 and np.isnan(answers[1, [sand, town]]).all()
    first, *pairs = re.findall(r"(\d+) %", words[1])
    assert float(first) == round(100 * before[1, beach])
    expected = [100 * p[1, label] for label in (sand, town) for p in (before, after)]
    assert [float(number) for number in pairs] == [round(number) for number in expected]
