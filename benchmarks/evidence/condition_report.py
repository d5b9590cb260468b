"""The goals of the measurement of conditioning, and its results as tables of Markdown."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_SECONDS = 2.0
FORETOLD_WITHIN = 2.5
GOALS: dict[str, dict[str, float]] = {
    "yeast": {"condition": 5, "suspicion": 0, "query": 10},
    "emotions": {"suspicion": 0},
    "bibtex": {},
    "delicious": {"condition": 9, "suspicion": 0, "query": 20},
}
"""Least gains: points of mAP with a quarter known, points of AUROC (more than), per cent fewer wrong entries."""


def mean(table: dict[str, Any], *keys: str) -> float:
    """The mean over seeds of one figure."""
    return float(np.mean([seed[keys[0]][keys[1]] for seed in table["seeds"]]))


def gains(table: dict[str, Any]) -> dict[str, float]:
    """The mean gains of one table, as in GOALS, and by how much `assess` missed the gain in the mean."""
    asked = mean(table, "query", "uncertainty"), mean(table, "query", "query_scores")
    return {
        "condition": mean(table, "condition_25%", "with") - mean(table, "condition_25%", "without"),
        "suspicion": mean(table, "suspicion", "with") - mean(table, "suspicion", "without"),
        "query": 100 * (1 - asked[1] / asked[0]),
        "assess": abs(mean(table, "assess", "from_the_half_alone") - mean(table, "assess", "gain")),
    }


def misses(document: dict[str, Any]) -> list[str]:
    """The goals that were missed, each in words."""
    lines = []
    for name, table in document["tables"].items():
        reached = gains(table)
        for figure, least in GOALS.get(name, {}).items():
            if reached[figure] < least or reached[figure] <= 0:
                expected = f"at least {least:g}" if least else "more than 0"
                lines.append(f"{name}, {figure}: {reached[figure]:.2f}, expected {expected}")
        if reached["assess"] > FORETOLD_WITHIN:
            lines.append(f"{name}, assess: off by {reached['assess']:.2f}, expected at most {FORETOLD_WITHIN:g}")
    seconds = document["seconds_10000_rows_40_labels"]
    if seconds >= MOST_SECONDS:
        lines.append(f"10,000 rows x 40 labels take {seconds:.2f} s, expected less than {MOST_SECONDS:g}")
    return lines


def _paired(table: dict[str, Any], figure: str, before: str, after: str) -> str:
    """A mean difference with the standard error over seeds."""
    differences = np.array([seed[figure][after] - seed[figure][before] for seed in table["seeds"]])
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
    return f"{differences.mean():+.2f} ± {error:.2f}"


def table_lines(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A table of Markdown, its first column at the left, as lines with an empty one at the end."""
    align = "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|"
    return [f"| {' | '.join(row)} |" if row else align for row in (header, (), *rows)] + [""]


def markdown(document: dict[str, Any]) -> str:
    """The results, with date, commit, machine and the goals that were missed."""
    about, tables = document["machine"], document["tables"]
    seeds = max((len(table["seeds"]) for table in tables.values()), default=0)
    lines = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']} in {document['seconds'] / 60:.1f} minutes: labels "
        f"present in 3 to 97 % of the training rows, the tables' own test rows, means over {seeds} seeds of nets and "
        "masks, ± the standard error of the paired difference.",
        "",
        f"`condition` of 10,000 rows x 40 labels with a random quarter known takes "
        f"{document['seconds_10000_rows_40_labels']:.2f} s.",
        "",
        "Mean average precision (%) on the unknown labels. The masked-label net is trained to take known labels as "
        "inputs; `condition` needs no training.",
        "",
    ]
    rows = [
        (
            f"{name}, {share} known",
            *(f"{mean(table, f'condition_{share}', key):.1f}" for key in ("without", "with")),
            _paired(table, f"condition_{share}", "without", "with"),
            f"{mean(table, f'condition_{share}', 'masked_net'):.1f}",
        )
        for name, table in tables.items()
        for share in ("10%", "25%", "50%")
    ]
    lines += table_lines(("table", "net alone", "with `condition`", "gain", "masked-label net"), rows)
    lines += ["Area under the ROC curve (%) of finding 5 % flipped labels in the test rows.", ""]
    rows = [
        (
            name,
            *(f"{mean(table, 'suspicion', key):.1f}" for key in ("without", "with")),
            _paired(table, "suspicion", "without", "with"),
        )
        for name, table in tables.items()
    ]
    lines += table_lines(("table", "net alone", "with `suspicion`", "gain"), rows)
    lines += [
        "Wrong entries (%) of the first 400 test rows and 60 labels, once a fifth of the labels was asked for one at a "
        "time. Both orders of asking are followed by `condition`; the third column leaves it out.",
        "",
    ]
    keys = ("no_question", "uncertainty_without_condition", "uncertainty", "query_scores")
    rows = [
        (
            name,
            f"{mean(table, 'query', 'questions'):.0f}",
            *(f"{mean(table, 'query', key):.2f}" for key in keys),
            f"{gains(table)['query']:+.1f} %",
        )
        for name, table in tables.items()
    ]
    header = ("table", "questions", "none asked", "least sure, no relation", "least sure", "`query_scores`", "fewer by")
    lines += table_lines(header, rows)
    lines += [
        "What `assess` on one half of the test rows foretells of the gain of `condition` on the other half (points of "
        "mAP, a quarter known): from that half alone, and with the relation of the training rows.",
        "",
    ]
    columns = ("from_the_half_alone", "with_the_training_relation", "gain")
    rows = [(name, *(f"{mean(table, 'assess', key):.1f}" for key in columns)) for name, table in tables.items()]
    lines += table_lines(("table", "foretold", "with the training relation", "found"), rows)
    missed = misses(document)
    lines += ["Goals missed:", "", *(f"- {line}" for line in missed)] if missed else ["Every goal was reached."]
    return "\n".join(lines) + "\n"
