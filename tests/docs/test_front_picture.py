"""The picture of the front page is what its script draws, and says what the relation of its labels is."""

from __future__ import annotations

import re

from tests.project.helpers import ROOT
from tools.front_picture import PICTURE, draw


def test_the_picture_is_what_the_script_draws() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw()


def test_the_picture_shows_pairs_of_both_signs() -> None:
    assert re.findall(r">(\S+ and \S+)</text>", draw()) == [
        "lipstick and make-up",
        "lipstick and beard",
        "make-up and beard",
    ]


def test_the_first_pages_show_it() -> None:
    assert "docs/pictures/front.svg" in (ROOT / "README.md").read_text()
    assert "{include} ../README.md" in (ROOT / "docs" / "index.md").read_text()
