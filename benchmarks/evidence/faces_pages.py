"""The tables on faces as the documentation shows them: a few columns of each, beside the paper's numbers."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from reference_model.pipeline.published import HELPED

Row = Mapping[str, str]
SETS = {"celeba": "CelebA", "lfwa": "LFWA"}
CE, JOINT = "cross-entropy", "joint loss"
ACCURACY, PRECISION = "accuracy", "mAP"
BOLD = "Differences are in points, with intervals of 95 %; those whose interval leaves out 0 are bold."


class Tables:
    """The CSV files of tables that `python -m benchmarks.evidence faces` has made.

    Args:
        folder: It has a folder for every table, such as ``table2_frozen/table2.csv``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self, table: str, file: str) -> list[dict[str, str]]:
        """Return the lines of a file, by the names of its columns.

        Args:
            table: The table's folder.
            file: The file's name without ``.csv``.
        """
        with (self.folder / table / f"{file}.csv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))

    def row(self, table: str, file: str, **places: str) -> dict[str, str]:
        """Return the one line whose columns have these values; ``_`` in a column's name stands for a space.

        Raises:
            KeyError: If there is none, or more than one.
        """
        wanted = {name.replace("_", " "): value for name, value in places.items()}
        lines = [row for row in self.rows(table, file) if wanted.items() <= row.items()]
        if len(lines) != 1:
            raise KeyError(f"{table}/{file}.csv has {len(lines)} lines with {wanted}")
        return lines[0]


def gain(row: Row, figure: str = ACCURACY) -> str:
    """Return a difference with its interval, bold where the interval leaves out 0; a dash where it was not measured."""
    prefix = f"{figure} " if f"{figure} difference" in row else ""
    if not row[f"{prefix}difference"]:
        return "-"
    mean, low, high = (float(row[f"{prefix}{name}"]) for name in ("difference", "from", "to"))
    text = f"{mean:+.2f} ({low:.2f} to {high:.2f})"
    return text if low <= 0 <= high else f"**{text}**"


def number(text: str, *, sign: str = "") -> str:
    """Return a number with two digits, a dash where there is none."""
    return f"{float(text):{sign}.2f}" if text else "-"


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """Return a table; all columns but the first ``left`` are aligned to the right."""
    marks = ["---" if place < left else "---:" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, marks, *rows))


def fusion(tables: Tables) -> str:
    """Each fusion beside net_0 with cross-entropy, on both sets, beside the paper's numbers."""
    blocks = []
    for data, title in SETS.items():
        rows = []
        for line in tables.rows("table2_frozen", "table2"):
            if (line["data"], line["loss"]) != (data, CE):
                continue
            name = line["fusion"]
            over = {"accuracy": "", "mAP": ""}
            paper = ""
            if name != "net_0":
                change = tables.row(
                    "table2_frozen", "table2-differences", data=data, of=f"{name}, {CE}", over=f"net_0, {CE}"
                )
                over = {figure: gain(change, figure) for figure in over}
                paper = number(change["paper's accuracy difference"], sign="+")
            figures = [number(line[column]) for column in ("accuracy", "average precision", "paper's accuracy")]
            rows.append([name, *figures[:2], over["accuracy"], over["mAP"], figures[2], paper])
        header = ("nets", "accuracy", "mAP", "accuracy over net_0", "mAP over net_0", "paper", "paper, over net_0")
        blocks.append(f"{title}, cross-entropy, frozen nets:\n\n{markdown(header, rows)}")
    return "\n\n".join([*blocks, BOLD])


def loss(tables: Tables) -> str:
    """The joint loss over cross-entropy at equal nets, frozen and tuned, on both sets, beside the paper's gains."""
    rows = []
    for table, treatment in (("table2_frozen", "frozen"), ("table2_tuned", "tuned")):
        for change in tables.rows(table, "table2-differences"):
            nets, _, of = change["of"].partition(", ")
            if of != JOINT or change["over"] != f"{nets}, {CE}":
                continue
            paper = number(change["paper's accuracy difference"], sign="+")
            rows.append([SETS[change["data"]], f"{nets}, {treatment}", gain(change), gain(change, PRECISION), paper])
    rows += [
        [SETS[change["data"]], "all three, frozen; relation of all labels", gain(change), gain(change, PRECISION), ""]
        for change in tables.rows("table2_global", "table2-differences")
        if change["of"].endswith(", global")
    ]
    header = ("faces", "nets", "accuracy, joint loss over cross-entropy", "mAP", "paper")
    return f"{markdown(header, rows, left=2)}\n\n{BOLD}"


def alphas(tables: Tables) -> str:
    """Figure 2: what the joint loss changes at each weight, and its share in the gradient."""
    rows = []
    for file in ("figure2", "figure2-wide"):
        for line in tables.rows("figure2", file):
            if file == "figure2-wide" and float(line["alpha"]) <= 1:
                continue
            share = line["share in gradient"] and f"{float(line['share in gradient']):.3g}"
            rows.append([SETS[line["data"]], line["alpha"], share, number(line["accuracy"]), gain(line)])
            rows[-1].append(gain(line, PRECISION))
    rows.sort(key=lambda row: (row[0], float(row[1])))
    header = ("faces", "alpha", "share in the gradient, %", "accuracy", "accuracy over alpha 0", "mAP over alpha 0")
    return f"{markdown(header, rows)}\n\n{BOLD}"


def pretraining(tables: Tables) -> str:
    """Pre-training on identities over scratch and over its controls, by the number of rows."""
    pairs = {
        "over scratch": ("pre-trained", "scratch"),
        "over as many steps": ("pre-trained", "scratch with as many steps in all"),
        "over shuffled people": ("pre-trained", "pre-trained on shuffled people"),
        "frozen, over random frozen": ("pre-trained, frozen", "random, frozen"),
    }
    rows = []
    for count in dict.fromkeys(line["rows"] for line in tables.rows("pretraining", "pretraining")):
        accuracies = [
            number(tables.row("pretraining", "pretraining", rows=count, way=way)["accuracy"])
            for way in ("scratch", "pre-trained")
        ]
        changes = [
            tables.row("pretraining", "pretraining-differences", rows=count, of=of, over=over)
            for of, over in pairs.values()
        ]
        rows.append([count, *accuracies, *map(gain, changes), gain(changes[0], PRECISION)])
    header = ("pictures", "scratch", "pre-trained", *pairs, "mAP over scratch")
    return f"{markdown(header, rows)}\n\n{BOLD}"


def partial(tables: Tables) -> str:
    """Each joint loss over cross-entropy where a part of the training labels is known."""
    rows = [
        [f"{float(line['labels, %']):g} %", line["loss"], gain(line), gain(line, PRECISION)]
        for line in tables.rows("partial", "partial-differences")
    ]
    header = ("labels known", "loss", "accuracy over cross-entropy", "mAP over cross-entropy")
    return f"{markdown(header, rows, left=2)}\n\n{BOLD}"


def shift(tables: Tables) -> str:
    """The ways to tune on the second set, compared with one another."""
    rows = [
        [line["setting"], line["of"], line["over"], gain(line), gain(line, PRECISION)]
        for line in tables.rows("shift", "shift-differences")
    ]
    header = ("settings", "of", "over", "accuracy", "mAP")
    return f"{markdown(header, rows, left=3)}\n\n{BOLD}"


def groups(tables: Tables) -> str:
    """Branches of the attribute net beside the paper's nine groups."""
    rows = [
        [line["branches"], f"{int(line['parameters']):,}", number(line["accuracy"]), gain(line), gain(line, PRECISION)]
        for line in tables.rows("groups", "groups")
    ]
    header = ("branches", "parameters", "accuracy", "accuracy over the paper's groups", "mAP over the paper's groups")
    return f"{markdown(header, rows)}\n\n{BOLD}"


def attributes(tables: Tables) -> str:
    """The attributes that the paper says a net helps, and how many of the others changed."""
    rows = []
    for net, named in HELPED.items():
        for attribute in named:
            changes = [
                tables.row("table2_frozen", f"table2-attributes-{data}", net=net, loss=CE, attribute=attribute)
                for data in SETS
            ]
            rows.append([net, attribute, *map(gain, changes)])
        rows.append([net, "*the others: higher, lower*", *(_others(tables, data, net) for data in SETS)])
    header = ("net", "attribute", *(f"{title}, over net_0" for title in SETS.values()))
    return f"{markdown(header, rows, left=2)}\n\n{BOLD}"


def _others(tables: Tables, data: str, net: str) -> str:
    """Return of how many attributes that the paper does not name the interval is above 0, and below it."""
    lines = [
        line
        for line in tables.rows("table2_frozen", f"table2-attributes-{data}")
        if (line["net"], line["loss"], line["named"]) == (net, CE, "")
    ]
    higher, lower = (sum(line["in words"] == words for line in lines) for words in ("higher", "lower"))
    return f"{higher} and {lower} of {len(lines)}"


PAGES: Mapping[str, tuple[tuple[str, ...], Callable[[Tables], str]]] = {
    "fusion": (("table2_frozen",), fusion),
    "loss": (("table2_frozen", "table2_tuned", "table2_global"), loss),
    "alphas": (("figure2",), alphas),
    "pretraining": (("pretraining",), pretraining),
    "partial": (("partial",), partial),
    "shift": (("shift",), shift),
    "groups": (("groups",), groups),
    "attributes": (("table2_frozen",), attributes),
}
"""By the name of a file: the tables that it needs, and what writes it."""
