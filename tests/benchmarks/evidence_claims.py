"""The sentences of docs/evidence.md that hold figures, each built from the cells of a file of results."""

import json
import re
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
REAL = ("yeast", "emotions", "bibtex", "delicious")
DRAWN = ("redundant", "unrelated")


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


def shown(interval: dict[str, float]) -> str:
    """A difference with its interval, as the text shows it."""
    mean, low, high = (round(interval[name], 2) + 0.0 for name in ("mean", "low", "high"))  # + 0.0: no -0.00
    return f"{mean:+.2f} ({low:.2f} to {high:.2f})"


def compared(loss: str, metric: str, *, tables: tuple[str, ...], situations: str) -> list[dict[str, float]]:
    """The differences of one joint loss from cross-entropy, over cells of the measurement of the loss."""
    cells = document("evidence_loss")["cells"]
    chosen = [cells[key] for key in cells if key.startswith(tables) and re.search(situations, key)]
    return [cell[loss][f"{metric} difference"] for cell in chosen if loss in cell]


def verdicts(intervals: list[dict[str, float]]) -> tuple[int, int, int]:
    """How many intervals are above 0 and below it, and how many there are."""
    return sum(each["low"] > 0 for each in intervals), sum(each["high"] < 0 for each in intervals), len(intervals)


def default_loss() -> str:
    intervals = compared("default", "mAP", tables=(*REAL, *DRAWN), situations="")
    higher, lower, total = verdicts(intervals)
    largest = max(abs(each["mean"]) for each in intervals if not each["low"] <= 0 <= each["high"])
    return (
        f"no difference of the mean average precision in {total - higher - lower} of {total} comparisons, and at most "
        f"{largest:.2f} points in the others"
    )


def redundant_labels() -> str:
    few: dict[str, Any] = {"tables": ("redundant | linear",), "situations": "10 % of the labels known"}
    (at_20,) = compared("strong", "mAP", tables=("redundant | linear",), situations="20 % of")
    (batch,) = compared("strong", "mAP", **few)
    (counts,) = compared("strong, counts", "mAP", **few)
    pairs = document("evidence_loss")["cells"]["redundant | linear | 10 % of the labels known"]
    active = [f"{pairs[loss]['active_pairs']:.0f}" for loss in ("strong, counts", "strong")]
    assert batch["low"] <= 0 <= batch["high"]
    return (
        f"a linear model gains {shown(at_20)} points of mean average precision with 20 % of the labels known. With "
        f'10 % known it gains {shown(counts)} with `estimator="counts"`, under which {active[0]} pairs are active; '
        f'with `"batch"`, under which {active[1]} are, there is no difference, {shown(batch)}'
    )


def unrelated_labels() -> str:
    (batch,) = compared("strong", "mAP", tables=("unrelated | linear",), situations="20 % of")
    (counts,) = compared("strong, counts", "mAP", tables=("unrelated | linear",), situations="10 % of the labels known")
    return f'loses {shown(batch)} with 20 % known, and with `"counts"` {shown(counts)} with 10 % known'


def public_tables() -> str:
    parts = []
    for metric in ("mAP", "accuracy"):
        higher, lower, total = verdicts(
            compared("strong", metric, tables=REAL, situations="[12]0 % of the labels known")
        )
        parts.append(f"{metric} is higher in {higher} and lower in {lower} of {total} comparisons")
    return ", ".join(parts)


def recipe(row: str, column: str) -> str:
    """A difference in the tables of the recipes, without the marks of bold type."""
    return cell("evidence_recipes", row, column).replace("**", "")


def weight_prior() -> str:
    values = [
        recipe(row, "mAP, prior") for row in ("redundant, 200 rows", "redundant, 800 rows", "unrelated, 200 rows")
    ]
    return (
        f"the prior changes the mean average precision by {values[0]} points with 200 rows and {values[1]} with 800 "
        f"on drawn redundant labels, and by {values[2]} with 200 on unrelated ones"
    )


def weight_prior_on_public_tables() -> str:
    cells = document("evidence_recipes")["prior"]
    higher, lower, total = verdicts([cells[row]["mAP"]["difference"] for row in cells if row.startswith(REAL)])
    return f"On the public tables it is higher in {higher} and lower in {lower} of {total} comparisons"


def smoothed_targets() -> str:
    values = [recipe(f"{name}, linear, 10 % flipped", "mAP, smoothed") for name in DRAWN]
    return f"smoothing changes it by {values[0]} on redundant labels and by {values[1]} on unrelated ones"


def smoothed_targets_on_public_tables() -> str:
    cells = document("evidence_recipes")["targets"]
    chosen = [cells[row] for row in cells if row.startswith(REAL) and row.endswith(" 10 % flipped")]
    parts = []
    for metric in ("mAP", "accuracy"):
        higher, lower, total = verdicts([each[metric]["difference"] for each in chosen])
        parts.append(f"{metric} is higher in {higher} and lower in {lower} of {total}")
    return f"on the public tables {' and '.join(parts)}"


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
    default_loss,
    redundant_labels,
    unrelated_labels,
    public_tables,
    condition,
    masked_net,
    suspicion,
    questions,
    weight_prior,
    weight_prior_on_public_tables,
    smoothed_targets,
    smoothed_targets_on_public_tables,
    estimators,
    false_pairs,
    few_pairs,
    cost,
    cost_on_a_gpu,
)
"""Functions without arguments that return a part of a sentence."""
