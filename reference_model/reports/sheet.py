"""A sheet of pictures as a net saw them, with what it said of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

MAX_PICTURES = 48
COLUMNS = 8
SIDE = 152
LINE = 14
GAP = 8
MAX_WARNINGS = 3


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class SheetCell(NamedTuple):
    """One picture of a sheet.

    Attributes:
        picture: (3, size, size) uint8: what the net's input was.
        name: The file.
        lines: What the net said.
        warnings: What contradicts itself in that; written in red.
    """

    picture: npt.NDArray[np.uint8]
    name: str
    lines: Sequence[str]
    warnings: Sequence[str] = ()


def write_sheet(path: Path, cells: Sequence[SheetCell]) -> None:
    """Write pictures with text below each, eight in a row.

    Args:
        path: A .png file; written under another name first, then renamed.
        cells: The pictures, one at least.
    """
    font = ImageFont.load_default(11)
    texts = [_texts(cell, font) for cell in cells]
    columns = min(COLUMNS, len(cells))
    width, height = SIDE + GAP, SIDE + max(map(len, texts)) * LINE + 2 * GAP
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width + GAP, rows * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for number, cell in enumerate(cells):
        left, top = GAP + number % columns * width, GAP + number // columns * height
        picture = Image.fromarray(np.ascontiguousarray(cell.picture.transpose(1, 2, 0)))
        sheet.paste(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, top))
        for place, (text, colour) in enumerate(texts[number]):
            draw.text((left, top + SIDE + 2 + place * LINE), text, fill=colour, font=font)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    try:
        sheet.save(unfinished, "PNG")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _texts(cell: SheetCell, font: Font) -> list[tuple[str, str]]:
    """Return the lines below a picture with their colours."""
    shown = list(cell.warnings[:MAX_WARNINGS])
    if len(cell.warnings) > MAX_WARNINGS:
        shown.append(f"and {len(cell.warnings) - MAX_WARNINGS} more")
    name = drawable(cell.name)
    while len(name) > 4 and font.getlength(name) > SIDE:  # the end of a path says most
        name = "..." + name[4:]
    return [
        (name, "gray"),
        *((line, "black") for text in cell.lines for line in wrap_words(drawable(text), font)),
        *((line, "red") for text in shown for line in wrap_words(drawable(text), font)),
    ]


def wrap_words(text: str, font: Font) -> list[str]:
    """Return a text as lines no wider than a picture; a longer word has a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= SIDE:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def drawable(text: str) -> str:
    """Return a text in which question marks stand for the characters that the font lacks."""
    return text.encode("latin-1", "replace").decode("latin-1")
