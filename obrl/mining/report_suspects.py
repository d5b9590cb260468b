"""What a report says of the entries of a table that are probably wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from obrl.mining.suspect_list import Places
from obrl.mining.suspects import BLIND, SuspectFinder, wrong_entries
from obrl.report.content import Finding, SuspectLabel, SuspectRow, Suspects
from obrl.report.words import counted, listed

ERROR_RATE = 0.01
"""The share of wrong entries that is assumed, as `obrl suspects` does by default."""

REFUSED = Finding(
    "No suspects are listed: in a table of classes the other labels of a row say little more than how many are "
    "present. `obrl suspects --force` lists them all the same.",
    warning=True,
)
"""What stands in the report in place of suspects where no row has two labels."""


def suspects_of(
    finder: SuspectFinder,
    places: Places,
    which: npt.NDArray[np.intp],
    names: Sequence[str],
    *,
    show_rows: bool,
) -> tuple[Suspects, Finding]:
    """The most suspicious entries, and about how many of them are wrong, in all and of each label.

    Args:
        finder: has seen all rows.
        places: where they stand.
        which: the position of each label of the table among those of the report.
        names: one a label of the report.
        show_rows: whether to name entries with their files, rows and ids.
    """
    listed_entries = finder.overall
    probability = finder.probability(listed_entries)
    wrong = wrong_entries(listed_entries, probability, ERROR_RATE)
    by_label = np.bincount(listed_entries.label, weights=wrong, minlength=len(which))
    order = [label for label in np.argsort(-by_label, kind="stable").tolist() if by_label[label] > 0]
    labels = tuple(SuspectLabel(int(which[k]), int(finder.known[k]), float(by_label[k])) for k in order)
    rows = tuple(_rows(finder, probability, places, which, names)) if show_rows else None
    first = f"; the label with the most of them is {listed([names[which[order[0]]]])}" if wrong.sum() >= 0.5 else ""
    return Suspects(labels, rows), Finding(
        f"Of the {counted(len(listed_entries), 'entry', 'entries')} that most contradict the other labels of their "
        f"row, about {wrong.sum():,.0f} would be wrong if {100 * ERROR_RATE:g} % of all entries were flipped at "
        f"random{first}. {BLIND}"
    )


def _rows(
    finder: SuspectFinder,
    probability: npt.NDArray[np.float64],
    places: Places,
    which: npt.NDArray[np.intp],
    names: Sequence[str],
) -> Iterator[SuspectRow]:
    entries = finder.overall
    for k in range(len(entries)):
        file, row, name = places.of(int(entries.row[k]))
        because = [
            f"{names[which[partner]]} {'present' if value else 'absent'}"
            for partner, value in zip(entries.partners[k].tolist(), entries.partner_values[k].tolist(), strict=True)
            if partner >= 0
        ]
        yield SuspectRow(
            file=file,
            row=row,
            id=name,
            label=int(which[entries.label[k]]),
            value=int(entries.value[k]),
            probability=float(probability[k]),
            explanation=", ".join(because),
        )
