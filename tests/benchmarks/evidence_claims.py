"""The sentences of docs/evidence.md that hold figures, each built from the cells of a file of results."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"


def tables(name: str) -> list[list[list[str]]]:
    """The tables of a file of Markdown: for each its lines, for each of these its cells; the header is the first."""
    blocks: list[list[list[str]]] = [[]]
    for line in (RESULTS / f"{name}.md").read_text().splitlines():
        if line.startswith("|"):
            blocks[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        elif blocks[-1]:
            blocks.append([])
    return [[block[0], *block[2:]] for block in blocks if block]


def cell(name: str, row: str, column: str) -> str:
    """What stands in a row and a column of the first table that has both; KeyError where none has."""
    for header, *rows in tables(name):
        for cells in rows:
            if cells[0] == row and column in header[1:]:
                return cells[header.index(column, 1)]
    raise KeyError(f"{name}.md has no row {row!r} with a column {column!r}")


def document(name: str) -> Any:
    """A file of results."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def gain(row: str, column: str = "gain") -> float:
    """A gain of `condition` and its sisters, without its standard error."""
    return float(cell("mining_condition", row, column).split()[0])


def faces() -> str:
    one, three = (
        cell("faces_table2", f"joint loss over cross-entropy, {nets}", "points")
        for nets in ("net_0", "net_1+net_2+net_3")
    )
    return f"changes the accuracy on CelebA's faces by {one} points with one net and by {three} with three"


def condition() -> str:
    yeast, delicious, emotions, bibtex = (
        gain(f"{name}, 25% known") for name in ("yeast", "delicious", "emotions", "bibtex")
    )
    return (
        f"changes by {yeast:+.1f} points on yeast, {delicious:+.1f} on delicious, {emotions:+.1f} on emotions and "
        f"{bibtex:+.1f} on bibtex"
    )


def masked_net() -> str:
    names = ("yeast", "emotions", "bibtex", "delicious")
    rows = [f"{name}, 25% known" for name in names]
    worse = [
        name
        for name, row in zip(names, rows, strict=True)
        if float(cell("mining_condition", row, "masked-label net"))
        < float(cell("mining_condition", row, "with `condition`"))
    ]
    return f"is below that on {' and '.join([', '.join(worse[:-1]), worse[-1]])}"


def suspicion() -> str:
    values = [f"{name} {gain(name):+.2f}" for name in ("yeast", "emotions", "delicious", "bibtex")]
    return f"in points of AUROC: {', '.join(values)}"


def questions() -> str:
    values = [
        f"{name} {cell('mining_condition', name, 'fewer by').removesuffix(' %')}"
        for name in ("delicious", "yeast", "emotions", "bibtex")
    ]
    return f"fewer wrong entries by, in %: {', '.join(values)}"


def estimators() -> str:
    batch, counts = (
        cell("decisions", "CelebA, decay 0.99: largest error of a pair's relation", f'`"{name}"`')
        for name in ("batch", "counts")
    )
    return f'{counts} with `"counts"` and {batch} with `"batch"`'


def false_pairs() -> str:
    active, wrong = (
        [cell("decisions", row, f'`"{name}"`') for name in ("batch", "counts")]
        for row in (
            "delicious (983 labels), decay 0.99: active pairs",
            "delicious (983 labels), decay 0.99: of them with $\\phi < 0.4$ over all rows",
        )
    )
    return (
        f'`"batch"` activates {active[0]} pairs, and {wrong[0]} of these are weak over all rows; `"counts"` activates '
        f"{active[1]}, and {wrong[1]} of these are weak"
    )


def few_pairs() -> str:
    row, reading = "0.8 and 0.2", "$(1 + \\phi) / 2$, in $[0, 1]$"
    together, apart = (cell("decisions", reading, f"pairs $\\{sign}$ {at}") for sign, at in (("ge", 0.8), ("le", 0.2)))
    largest = cell("decisions", row, "largest $L_B$")
    return f"{together} pairs together and {apart} apart, so that $L_B$ is at most {largest}"


def cost() -> str:
    ratios = [
        entry["over_bce"]
        for entry in document("all")["rows"]
        if (entry["num_labels"], entry["labels"]) == (40, "correlated")
        and entry["implementation"] in ("torch_obrl_compiled", "torch_obrl_fused")
    ]
    return f"{min(ratios):.1f} to {max(ratios):.1f} times what cross-entropy alone takes"


def cost_on_a_gpu() -> str:
    times = [float(cell("nvidia-h200", row, "(1024, 40)")) for row in ("obrl.torch, fused", "BCE alone")]
    return f"{times[0] / times[1]:.2f} times on an H200"


CLAIMS = (
    faces,
    condition,
    masked_net,
    suspicion,
    questions,
    estimators,
    false_pairs,
    few_pairs,
    cost,
    cost_on_a_gpu,
)
"""Functions without arguments that return a part of a sentence."""
