"""Draw the picture of the README and the site's front page: `python -m tools.front_picture`.

It shows labels as a training sees them, the relation that `obrl` learns from them batch by batch, and the pairs that
the relation loss acts on. The labels are drawn by a formula; everything else is computed from them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from obrl import OnlineBatchRelation, Pairs

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "front.svg"
NAMES = ("lipstick", "make-up", "beard", "glasses", "smiling")
ROWS, BATCH, SHOWN = 3_200, 64, 9
SIZE, GAP = 26, 2
WIDTH, HEIGHT = 1_000, 392
TOP = 118
INK, QUIET, TOGETHER, APART = "#1b1f24", "#57606a", (178, 52, 30), (24, 92, 173)
"""The colours of text, and of relations of +1 and -1; 0 is white."""


def drawn_labels() -> npt.NDArray[np.int64]:
    """Rows of five labels, (rows, 5): make-up mostly goes with lipstick and a beard hardly ever does."""
    rng = np.random.default_rng(7)
    lipstick = rng.random(ROWS) < 0.5
    make_up = lipstick ^ (rng.random(ROWS) < 0.06)
    beard = ~lipstick & (rng.random(ROWS) < 0.85)
    glasses, smiling = rng.random(ROWS) < 0.3, rng.random(ROWS) < 0.5
    return np.column_stack([lipstick, make_up, beard, glasses, smiling]).astype(np.int64)


def colour(phi: float) -> str:
    """White at 0, towards one of two colours at +1 and -1."""
    full = TOGETHER if phi > 0 else APART
    return "#" + "".join(f"{round(255 + abs(phi) * (channel - 255)):02x}" for channel in full)


def text(x: float, y: float, words: str, *, size: int = 14, fill: str = INK, more: str = "") -> str:
    """A line of text; `more` holds further attributes."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" {more}>{words}</text>'


def cell(column: int, row: int, left: float, fill: str) -> str:
    """A square of a grid whose first one has its left edge there."""
    x, y = left + column * (SIZE + GAP), TOP + row * (SIZE + GAP)
    return f'<rect x="{x:g}" y="{y:g}" width="{SIZE}" height="{SIZE}" rx="3" fill="{fill}" stroke="#d0d7de"/>'


def middle(place: int, start: float) -> float:
    """The middle of the square at a place in a row or column that starts there."""
    return start + place * (SIZE + GAP) + SIZE / 2


def column_names(left: float) -> list[str]:
    """The names of the labels over the columns of a grid, slanted."""
    places = [(middle(column, left), TOP - 8) for column in range(len(NAMES))]
    return [
        text(x, y, name, size=12, more=f'transform="rotate(-40 {x:g} {y:g})"')
        for (x, y), name in zip(places, NAMES, strict=True)
    ]


def label_grid(labels: npt.NDArray[np.int64], left: float) -> list[str]:
    """The first rows of a table of labels."""
    squares = [
        cell(column, row, left, INK if labels[row, column] else "#ffffff")
        for row in range(SHOWN)
        for column in range(len(NAMES))
    ]
    return [*column_names(left), *squares]


def relation_grid(phi: npt.NDArray[np.float64], left: float) -> list[str]:
    """The relation of every pair of labels, as a colour and a number."""
    parts = column_names(left)
    for row, name in enumerate(NAMES):
        y = middle(row, TOP) + 5
        parts.append(text(left - 8, y, name, size=12, more='text-anchor="end"'))
        for column in range(len(NAMES)):
            value = float(phi[row, column])
            ink = "#ffffff" if abs(value) > 0.6 else INK
            number = "" if row == column else f"{value:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0")
            parts.append(cell(column, row, left, "#eaeef2" if row == column else colour(value)))
            parts.append(text(middle(column, left), y - 1, number, size=10, fill=ink, more='text-anchor="middle"'))
    return parts


def pair_list(pairs: Pairs, left: float) -> list[str]:
    """The pairs that the loss acts on, in words."""
    parts = []
    for number, pair in enumerate(pairs):
        y = TOP + 20 + 52 * number
        sign, fill = ("pulled together", colour(1.0)) if pair.sign > 0 else ("pushed apart", colour(-1.0))
        parts.append(text(left, y, " and ".join(pair.names), more='font-weight="600"'))
        parts.append(text(left, y + 20, f"{sign}: phi {pair.phi:+.2f}", size=13, fill=fill))
    return [*parts, text(left, TOP + 20 + 52 * len(pairs), "all other pairs: nothing is added", size=13, fill=QUIET)]


def draw() -> str:
    """The picture as SVG."""
    labels = drawn_labels()
    relation = OnlineBatchRelation(len(NAMES), label_names=NAMES)
    for rows in np.split(labels, ROWS // BATCH):
        relation.update(rows)
    headings = (
        (40, "Labels of each batch", "black: present"),
        (350, "The relation, learnt on the way", "phi of every pair"),
        (700, "What the loss adds", "to predictions of strong pairs"),
    )
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff" stroke="#d0d7de"/>']
    for left, heading, note in headings:
        parts.append(text(left, 34, heading, size=17, more='font-weight="600"'))
        parts.append(text(left, 54, note, size=12, fill=QUIET))
    parts += [text(x, TOP + 78, "→", size=30, fill=QUIET) for x in (240, 634)]
    parts += label_grid(labels, 60) + relation_grid(2 * relation.relation - 1, 440) + pair_list(relation.pairs(), 700)
    title = "Labels of training batches, the relation learnt from them, and the pairs that the loss acts on"
    lines = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, Helvetica, Arial, sans-serif">\n<title>{title}</title>\n{lines}\n</svg>\n'
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
