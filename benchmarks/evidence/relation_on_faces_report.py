"""The measurement of a relation's uses on faces, as tables of Markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.evidence.condition_report import table_lines
from benchmarks.evidence.digits import two_digits
from benchmarks.evidence.paired import ROW_DRAWS, SEED_DRAWS

Rows = list[tuple[str, ...]]
DIFFERENCE = ("difference", "from", "to", "in words")
FLIPS = "flips, AUROC"
QUERY = "wrong entries left"
"""What is measured, by name; what has another name is a metric with some labels known."""


def markdown(document: dict[str, Any]) -> str:
    """The results, with date, commit, machine and how they were measured."""
    about, data = document["machine"], document["data"]
    sizes = "; ".join(f"{name}: {_size(results)}" for name, results in data.items())
    lines = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']} in {document['seconds'] / 60:.1f} minutes; PyTorch {document['versions']['torch']}. "
        "The relation is that of the training labels. Figures are means over the seeds. Differences are in points and "
        "paired: the same seed, the same test pictures, known labels and flips. Their 95 % intervals come from "
        f"{ROW_DRAWS * SEED_DRAWS:,} bootstrap samples, in which test people (pictures where nobody is known; "
        f"{ROW_DRAWS} times) and seeds ({SEED_DRAWS} times for each of these) are both drawn with replacement; seeds' "
        "deviations are enlarged as few seeds require.",
        "",
        f"Nets: {sizes}.",
        "",
    ]
    if document["choice"]:
        lines += _choice(document["choice"])
    for part in (_condition, _suspicion, _questions, _foretold):
        lines += part(data)
    return "\n".join(lines)


def _condition(data: dict[str, Any]) -> list[str]:
    sentence = (
        "Known labels: each label of each test picture is known with the probability in the first column, at random; "
        "mean average precision and accuracy (%) are those of the others, of the net alone and after `condition`."
    )
    return [sentence, "", *_before_and_after(data, lambda name: name not in (FLIPS, QUERY))]


def _suspicion(data: dict[str, Any]) -> list[str]:
    sentence = (
        "Wrong labels: each test label is flipped with a probability of 5 %; area under the ROC curve (%) of finding "
        "the flipped ones, by the distance from the net's probability and by `suspicion`."
    )
    return [sentence, "", *_before_and_after(data, lambda name: name == FLIPS)]


def _before_and_after(data: dict[str, Any], chosen: Callable[[str], bool]) -> list[str]:
    rows: Rows = []
    for name, results in data.items():
        for part in results["differences"]:
            if chosen(part["figure"]):
                figure = results["figures"][part["figure"]]
                means = (f"{np.mean(figure[part[way]]):.2f}" for way in ("over", "of"))
                rows.append((f"{name}, {part['figure']}", *means, *difference_cells(part)))
    return table_lines(("", "net alone", "with the relation", *DIFFERENCE), rows)


def difference_cells(part: dict[str, Any]) -> tuple[str, ...]:
    """A difference as cells: its mean, the ends of its interval, and what it says in words."""
    return (*(two_digits(part[name], "+") for name in ("mean", "low", "high")), part["verdict"])


def _size(results: dict[str, Any]) -> str:
    seeds = ", ".join(map(str, results["seeds"]))
    return (
        f"{results['fusion']}, {results['treatment']}, loss {results['loss']}, seeds {seeds}; "
        f"{results['train_pictures']:,} training and {results['test_pictures']:,} test pictures "
        f"({results['units']:,} {results['unit']}), {results['labels']} labels"
    )


def _choice(choice: dict[str, Any]) -> list[str]:
    rows: Rows = [
        (
            f"{data}: {net['fusion']}, {net['treatment']}, {net['loss']}",
            ", ".join(map(str, net["seeds"])),
            f"{net['valid_accuracy']:.2f}",
            f"{net['spread']:.2f}" if len(net["seeds"]) > 1 else "",
            "not eligible" if not net["eligible"] else "yes" if place == 0 else "",
        )
        for data, nets in choice.items()
        for place, net in enumerate(nets)
    ]
    sentence = (
        "The nets were chosen among the cells of table2 by their accuracy (%) on the validation part, the mean over "
        "the seeds; nets without all of the seeds of their data set were not eligible. ± is the standard deviation."
    )
    return [sentence, "", *table_lines(("net", "seeds", "validation accuracy", "±", "chosen"), rows)]


def _questions(data: dict[str, Any]) -> list[str]:
    counts = ", ".join(f"{results['questions']} of {results['labels']} ({name})" for name, results in data.items())
    lines = [
        f"The next question: a fifth of each test picture's labels is asked for, one at a time: {counts}. Wrong "
        "entries (%) that are left of all: `query_scores` asks by the relation, *least sure* by the net's own "
        "uncertainty; *condition* says that the answers then change the other labels' probabilities.",
        "",
    ]
    rows: Rows = [
        (f"{name}, {way}", f"{np.mean(values):.2f}")
        for name, results in data.items()
        for way, values in results["figures"][QUERY].items()
    ]
    lines += table_lines(("asked", "wrong entries"), rows)
    rows = [
        (f"{name}, {part['of']}", part["over"], *difference_cells(part))
        for name, results in data.items()
        for part in results["differences"]
        if part["figure"] == QUERY
    ]
    lines += ["Their differences; *lower* leaves fewer wrong entries.", ""]
    return lines + table_lines(("of", "over", *DIFFERENCE), rows)


def _foretold(data: dict[str, Any]) -> list[str]:
    sentence = (
        "What `assess` foretells from the validation part with the relation of the training labels, and what it finds "
        "on the test part: gains in points. Of the questions they are wrong entries fewer, both orders followed by "
        "`condition`, on the first 400 pictures. Labels in fewer than 3 % of a part's pictures are left out."
    )
    rows: Rows = [
        (f"{name}, {use}", *(two_digits(float(np.mean(gains[part])), "+") for part in ("valid", "test")))
        for name, results in data.items()
        for use, gains in results["foretold"].items()
    ]
    return [sentence, "", *table_lines(("", "foretold", "found"), rows)]
