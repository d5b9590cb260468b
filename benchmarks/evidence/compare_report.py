"""The goals of the measurement of `compare`, and its results as tables of Markdown."""

from __future__ import annotations

from typing import Any

MOST_CHANGED = 1
"""Pairs called changed between two random parts of a table."""
MOST_WRONG = 0.05
"""The share of the pairs called changed that did not change, over all cases of a table."""


def misses(document: dict[str, Any]) -> list[str]:
    """The goals that were missed, each in words."""
    lines = [
        f"{name}, {figure['share']:.0%} of the rows against the rest: {max(figure['changed'])} pairs changed, "
        f"expected at most {MOST_CHANGED}"
        for name, figures in document["rows"].items()
        for figure in figures
        if max(figure["changed"]) > MOST_CHANGED
    ]
    if "people" in document and max(document["people"]["changed"]) > MOST_CHANGED:
        lines.append(f"people: {max(document['people']['changed'])} pairs changed, expected at most {MOST_CHANGED}")
    for name, figure in document["turned"].items():
        if figure["expected_named"] < figure["expected"]:
            lines.append(f"{name}: {figure['expected_named']} of {figure['expected']} turned pairs named, expected all")
        if (wrong := figure["named_wrongly"] / max(figure["named"], 1)) > MOST_WRONG:
            lines.append(f"{name}: {wrong:.1%} of the named pairs did not change, expected at most {MOST_WRONG:.0%}")
    return lines


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    align = "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|"
    return [f"| {' | '.join(row)} |" if row else align for row in (header, (), *rows)] + [""]


def markdown(document: dict[str, Any]) -> str:
    """The results, with date, commit, machine and the goals that were missed."""
    about = document["machine"]
    lines = [
        f"Measured {document['date'][:10]} at commit {(document['commit'] or 'unknown')[:12]} on {about['cores']} "
        f"cores of {about['cpu']} in {document['seconds'] / 60:.1f} minutes.",
        "",
        f"Random parts of one table: nothing changed ({document['seeds']} seeds each).",
        "",
    ]
    rows: list[tuple[str, ...]] = [
        (
            f"{name}, {figure['share']:.0%} of the rows against the rest",
            f"{figure['pairs']:,}",
            f"{sum(figure['supported']) / len(figure['supported']):,.0f}",
            f"{max(figure['changed'])}",
            f"{100 * sum(figure['p_below_5_percent']) / len(figure['p_below_5_percent']):.1f} %",
        )
        for name, figures in document["rows"].items()
        for figure in figures
    ]
    if "people" in document:
        people = document["people"]
        for words, end in (("with groups", ""), ("without", "_without_groups")):
            p = people[f"p_below_5_percent{end}"]
            share = f"{100 * sum(p) / len(p):.1f} %"
            most = str(max(people[f"changed{end}"]))
            rows.append((f"{people['number']} people in halves, {words}", f"{people['pairs']:,}", "", most, share))
    lines += _table(("table", "pairs", "enough rows", "called changed at most", "p <= .05"), rows)
    lines += [
        "Labels that mean their opposite in one random half: each label alone, and as many random sets of three. "
        "Counted are pairs of one such label whose phi is beyond .1 on both sides, or in the whole table.",
        "",
    ]
    rows = [
        (
            name,
            f"{figure['cases']}",
            f"{figure['expected_named']:,} of {figure['expected']:,}",
            f"{figure['expected_in_whole_named']:,} of {figure['expected_in_whole']:,}",
            f"{figure['named_wrongly']:,} of {figure['named']:,} "
            f"({figure['named_wrongly'] / max(figure['named'], 1):.1%}, at most {figure['worst_share_wrong']:.0%})",
            f"{figure['labels_named']} of {figure['labels_turned']}, {figure['labels_named_wrongly']} others",
        )
        for name, figure in document["turned"].items()
    ]
    header = ("table", "cases", "named", "named, by the whole table", "named, but unchanged", "labels named")
    lines += _table(header, rows)
    missed = misses(document)
    lines += ["Goals missed:", "", *(f"- {line}" for line in missed)] if missed else ["Every goal was reached."]
    return "\n".join(lines) + "\n"
