"""Draw the picture of `docs/howto/use_what_the_labels_know.md`: an annotator's table that fills in.

    python -m tools.annotator_picture docs/pictures/annotator_table.svg

The labels are synthetic: beach or town, day or night. The relation is mined from 2,000 rows, and a model's
probabilities of four more rows are drawn around the truth. Of each row the label with the highest query score is asked
for and answered; `condition` then moves the others.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from obrl.mining import RelationMiner

LABELS = ("beach", "sea", "sand", "town", "night", "lights")
ROWS, COLUMN, ROW, LEFT, TOP = 4, 88, 40, 92, 66
PANEL, WIDTH = TOP + ROWS * ROW + 22, LEFT + len(LABELS) * COLUMN + 18
MOVED = 0.05
"""A change of at least so much is shown by an arrow."""
FloatArray = npt.NDArray[np.float64]


def synthetic_labels(rng: np.random.Generator, rows: int) -> FloatArray:
    """(rows, 6), 0 or 1: four labels follow from the place, lights follow from town and night."""
    beach, night = rng.random(rows) < 0.45, rng.random(rows) < 0.4
    chances = np.column_stack(
        [
            np.where(beach, 0.95, 0.03),
            np.where(beach, 0.85, 0.10),
            np.where(beach, 0.80, 0.05),
            np.where(beach, 0.08, 0.90),
            night,
            np.where(night, np.where(beach, 0.3, 0.95), 0.05),
        ]
    )
    return (rng.random(chances.shape) < chances).astype(np.float64)


def example() -> tuple[FloatArray, FloatArray, FloatArray]:
    """The model's probabilities, the answers (NaN where nobody was asked) and the probabilities after them, (4, 6)."""
    rng = np.random.default_rng(11)
    miner = RelationMiner(label_names=LABELS).fit(synthetic_labels(rng, 2_000))
    truth = synthetic_labels(rng, ROWS)
    logits = 1.1 * (2 * truth - 1) + 1.6 * rng.normal(size=truth.shape)
    before = 1 / (1 + np.exp(-logits))
    answers = np.full(truth.shape, np.nan)
    asked = miner.query_scores(before, answers).argmax(axis=1)
    answers[np.arange(ROWS), asked] = truth[np.arange(ROWS), asked]
    return before, answers, miner.condition(before, answers)


def draw() -> str:
    """The picture as SVG; it brings its own background, so that it reads on a light page and on a dark one."""
    before, answers, after = example()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * PANEL}" width="{WIDTH}" '
        f'height="{2 * PANEL}" font-family="system-ui, sans-serif" font-size="15" role="img">',
        "<title>An annotator's table before and after one answer a row</title>",
        f'<rect width="{WIDTH}" height="{2 * PANEL}" rx="8" fill="#ffffff"/>',
        *_panel(0, "The model's probabilities. Framed: the label to ask for", before, answers, before),
        *_panel(PANEL, "One answer a row. What the relation makes of the others", after, answers, before),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(y: int, title: str, p: FloatArray, answers: FloatArray, before: FloatArray) -> list[str]:
    after = p is not before
    parts = [f'<text x="18" y="{y + 28}" font-weight="600" fill="#1a1a1a">{title}</text>']
    for k, name in enumerate(LABELS):
        x = LEFT + (k + 0.5) * COLUMN
        parts.append(f'<text x="{x:g}" y="{y + TOP - 10}" text-anchor="middle" fill="#1a1a1a">{name}</text>')
    for row in range(ROWS):
        middle = y + TOP + row * ROW + ROW // 2 + 5
        parts.append(f'<text x="18" y="{middle}" fill="#1a1a1a">photo {row + 1}</text>')
        for k in range(len(LABELS)):
            asked = not np.isnan(answers[row, k])
            x, top = LEFT + k * COLUMN + 3, y + TOP + row * ROW + 3
            frame = ' stroke="#b3261e" stroke-width="3"' if asked else ""
            share = float(p[row, k])
            parts.append(
                f'<rect x="{x}" y="{top}" width="{COLUMN - 6}" height="{ROW - 6}" rx="4" fill="{_blue(share)}"{frame}/>'
            )
            colour, weight = (
                ("#ffffff" if share > 0.5 else "#1a1a1a"),
                (' font-weight="700"' if asked and after else ""),
            )
            if asked and after:
                text = "yes" if share > 0.5 else "no"
            else:
                change = share - before[row, k]
                arrow = "" if abs(change) < MOVED else (" ▲" if change > 0 else " ▼")
                text = f"{100 * share:.0f} %{arrow}"
            parts.append(
                f'<text x="{x + COLUMN // 2 - 3}" y="{middle}" text-anchor="middle" fill="{colour}"{weight}>'
                f"{text}</text>"
            )
    return parts


def _blue(share: float) -> str:
    """From almost white at 0 to dark blue at 1; the text on it has a contrast of at least 4.5."""
    start, end = np.array([238, 243, 250]), np.array([12, 68, 124])
    step = 0.7 * share if share <= 0.5 else 0.44 + 0.56 * share
    return "#" + "".join(f"{round(value):02x}" for value in (start + step * (end - start)).tolist())


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(), encoding="utf-8")
