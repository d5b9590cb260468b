"""How predictions are written: cells of a table, lines below a picture, and the sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from reference_model.reports.implausible import ImplausiblePair
from reference_model.reports.predictions import (
    AttributeWording,
    ClassWording,
    EmbeddingWording,
    YearsWording,
    cutoffs_for,
    describe_cutoffs,
)
from reference_model.reports.sheet import SIDE, SheetCell, wrap_words, write_sheet

NAMES = ("Goatee", "Male", "Bangs")
PAIRS = (ImplausiblePair(0, 1, 0, 25.0, 0),)
CALIBRATION = {
    "pictures": 80,
    "cutoffs": {"f1": [0.2, 0.6, 0.4]},
    "figures": {
        "half": {"accuracy": 0.9, "f1": 0.25, "balanced": 0.6},
        "f1": {"accuracy": 0.85, "f1": 0.5, "balanced": 0.7},
    },
}


def test_attributes() -> None:
    wording = AttributeWording(NAMES, np.array([0.2, 0.6, 0.5]), PAIRS)
    values = np.array([0.2, 0.55, 0.91234])
    assert wording.columns == [*NAMES, "Goatee_present", "Male_present", "Bangs_present", "implausible"]
    assert wording.cells(values) == ["0.2000", "0.5500", "0.9123", "1", "0", "1", "Goatee without Male"]
    assert wording.lines(values) == ["Bangs 0.91", "Goatee 0.20"]
    assert wording.warnings(values) == ["Goatee without Male"]
    assert wording.lines(np.zeros(3)) == ["nothing present"] and wording.warnings(np.zeros(3)) == []


def test_classes_years_and_embeddings() -> None:
    classes = ClassWording("race", ("a", "b"))
    assert classes.columns == ["race", "a", "b"]
    assert classes.cells(np.array([0.25, 0.75])) == ["b", "0.2500", "0.7500"]
    assert classes.lines(np.array([0.25, 0.75])) == ["b 0.75", "a 0.25"]
    assert YearsWording().cells(np.array([34.26])) == ["34.3"] and YearsWording().lines(np.array([34.2])) == [
        "34 years"
    ]
    assert EmbeddingWording().columns == EmbeddingWording().cells(np.ones(3)) == []


def test_cutoffs_in_figures_and_in_words() -> None:
    assert cutoffs_for("half", {}, 3).tolist() == [0.5, 0.5, 0.5]
    assert cutoffs_for("f1", CALIBRATION, 3).tolist() == [0.2, 0.6, 0.4]
    with pytest.raises(ValueError, match=r"no cut-offs for balanced: .* train anew, or use one half"):
        cutoffs_for("balanced", CALIBRATION, 3)
    assert "one half" in describe_cutoffs("half", {})
    assert describe_cutoffs("f1", CALIBRATION).endswith(
        "chosen on the 80 validation pictures; there they give (one half in brackets) accuracy 85.0 % (90.0 %), "
        "F1 50.0 % (25.0 %), balanced accuracy 70.0 % (60.0 %)."
    )


def test_the_sheet_shows_every_picture(tmp_path: Path) -> None:
    shades = [20 * number for number in range(10)]
    pictures = [np.full((3, 16, 16), shade, dtype=np.uint8) for shade in shades]
    texts = ["Smiling 0.90", "Bangs 0.80"]
    cells = [SheetCell(picture, "a" * 80 + ".jpg", texts, ["Goatee without Male"] * 5) for picture in pictures]
    write_sheet(tmp_path / "new" / "sheet.png", cells)
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors(1_000_000) or ()}
        assert {(shade, shade, shade) for shade in shades} <= colours
        assert sheet.width > 8 * SIDE and sheet.height > 2 * SIDE
        assert any(red > 200 > 100 > green for red, green, _ in colours), "the contradictions are red"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["sheet.png"]


def test_text_stays_below_its_picture() -> None:
    font = ImageFont.load_default(11)
    lines = wrap_words("Heavy_Makeup without Wearing_Lipstick and Mouth_Slightly_Open", font)
    assert len(lines) > 1 and max(font.getlength(line) for line in lines) <= SIDE
    assert wrap_words("", font) == []
