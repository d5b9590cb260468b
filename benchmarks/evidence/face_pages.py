"""The tables on faces as the documentation shows them: a few columns of each, beside the paper's numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.evidence.digits import interval_in_words, two_digits
from reference_model.pipeline.published import GENERIC, HELPED
from reference_model.runs import RunError

Row = Mapping[str, str]
SETS = {"celeba": "CelebA", "lfwa": "LFWA"}
CE, JOINT = "cross-entropy", "joint loss"
ACCURACY, PRECISION = "accuracy", "mAP"
PAPER = "paper's accuracy difference"
PRETRAINING = {
    "over scratch": ("pre-trained", "scratch"),
    "over as many steps": ("pre-trained", "scratch with as many steps in all"),
    "over shuffled people": ("pre-trained", "pre-trained on shuffled people"),
    "frozen, over random frozen": ("pre-trained, frozen", "random, frozen"),
}
"""Which ways of the table on pre-training are compared, by the column's name."""
DIFFERENCES = (
    "Differences are in points, paired by seed, with intervals of 95 %, of the accuracy over test people and seeds. "
    "Bold: the interval of the accuracy leaves out 0. Intervals of mAP are over seeds alone and say nothing of other "
    "people, so they are not marked."
)
OF_ATTRIBUTES = (
    "Differences of each attribute's accuracy are in points, paired by seed, with intervals of 95 % over test people "
    "and seeds. Bold: the interval leaves out 0. *Others* are the attributes that the paper does not name for a net: "
    "how many of them have an interval above 0, or below it. About one interval in 20 leaves out 0 by chance."
)


class Line(dict[str, str]):
    """A line of a table by the names of its columns; a column that is not there is an error that names the file."""

    def __init__(self, place: str, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.place = place

    def __missing__(self, name: str) -> str:
        raise RunError(f"{self.place} has no column {name!r}, which a page of the documentation shows")


class Tables:
    """The CSV files of tables that `python -m benchmarks.evidence face_tables` has made.

    Args:
        folder: It has a folder for every table, such as ``table2_frozen/table2.csv``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self, table: str, file: str) -> list[Line]:
        """Return the lines of a file, by the names of its columns.

        Args:
            table: The table's folder.
            file: The file's name without ``.csv``.

        Raises:
            RunError: If the table has no such file.
        """
        place = f"{table}/{file}.csv"
        if not (self.folder / place).is_file():
            raise RunError(f"the table {table} has no {file}.csv, of which a page of the documentation is made")
        with (self.folder / place).open(encoding="utf-8", newline="") as stream:
            return [Line(place, row) for row in csv.DictReader(stream)]

    def row(self, table: str, file: str, **places: str) -> Line:
        """Return the one line whose columns have these values; ``_`` in a column's name stands for a space.

        Raises:
            RunError: If there is none, or more than one.
        """
        wanted = {name.replace("_", " "): value for name, value in places.items()}
        lines = [row for row in self.rows(table, file) if all(row[name] == text for name, text in wanted.items())]
        if len(lines) != 1:
            raise RunError(f"{table}/{file}.csv has {len(lines)} lines with {wanted}")
        return lines[0]


def gain(row: Row, figure: str = ACCURACY) -> str:
    """Return a difference with its interval; a dash where there is none.

    A difference of the accuracy is bold where the interval leaves out 0. One of the mAP never is: its interval is over
    seeds alone.
    """
    prefix = "" if "difference" in row else f"{figure} "
    if not row[f"{prefix}difference"]:
        return "-"
    mean, low, high = (float(row[f"{prefix}{name}"] or math.nan) for name in ("difference", "from", "to"))
    text = f"{two_digits(mean, '+')} {interval_in_words(low, high)}"
    return f"**{text}**" if figure == ACCURACY and (low > 0 or high < 0) else text


def number(text: str, *, sign: str = "") -> str:
    """Return a number with two digits, a dash where there is none."""
    return two_digits(float(text or math.nan), sign)


def set_name(data: str) -> str:
    """Return how a data set is written; one that the paper does not have keeps its name."""
    return SETS.get(data, data)


def page(header: Sequence[str], rows: Iterable[Sequence[str]], sentence: str = DIFFERENCES) -> str:
    """Return a table whose first column names the row, and a sentence that says what its differences are."""
    marks = ["---", *["---:"] * (len(header) - 1)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in (header, marks, *rows))
    return f"{table}\n\n{sentence}\n"


def fusion(tables: Tables) -> str:
    """Each fusion beside net_0 with cross-entropy, of frozen and of tuned nets, beside the paper's numbers."""
    rows = []
    for treatment in ("frozen", "tuned"):
        table = f"table2_{treatment}"
        for line in tables.rows(table, "table2"):
            data, nets = line["data"], line["fusion"]
            if line["loss"] != CE:
                continue
            figures = [number(line["accuracy"]), number(line["average precision"])]
            over = ["", "", number(line["paper's accuracy"]), ""]
            if nets != GENERIC:
                places = {"data": data, "of": f"{nets}, {CE}", "over": f"{GENERIC}, {CE}"}
                change = tables.row(table, "table2-differences", **places)
                over = [gain(change), gain(change, PRECISION), over[2], number(change[PAPER], sign="+")]
            rows.append([f"{set_name(data)}, {nets}, {treatment}", *figures, *over])
    header = ("faces, nets", "accuracy", "mAP", "accuracy over net_0", "mAP over net_0", "paper", "paper, over net_0")
    return page(header, rows)


def loss(tables: Tables) -> str:
    """The joint loss over cross-entropy at equal nets, beside the paper's gains."""
    rows = []
    for treatment in ("frozen", "tuned", "global"):
        for change in tables.rows(f"table2_{treatment}", "table2-differences"):
            nets, _, of = change["of"].partition(", ")
            title = f"{set_name(change['data'])}, {nets}, {treatment}"
            if treatment == "global" and of == f"{JOINT}, global":
                title = f"{set_name(change['data'])}, {nets}, frozen, relation of all labels"
            elif treatment == "global" or of != JOINT:
                continue
            if change["over"] == f"{nets}, {CE}":
                paper = number(change[PAPER], sign="+") if of == JOINT else "-"
                rows.append([title, gain(change), gain(change, PRECISION), paper])
    return page(("faces, nets", "accuracy over cross-entropy", "mAP over cross-entropy", "paper"), rows)


def alphas(tables: Tables) -> str:
    """Figure 2: what the joint loss changes at each weight, and its share in the gradient."""
    rows = []
    lines = [*tables.rows("figure2", "figure2"), *tables.rows("figure2", "figure2-wide")]
    places = {(line["data"], float(line["alpha"])): line for line in lines}
    for (data, alpha), line in sorted(places.items()):
        share = f"{float(line['share in gradient']):.3g}" if line["share in gradient"] else "-"
        title = f"{set_name(data)}, {alpha:g}"
        rows.append([title, share, number(line["accuracy"]), gain(line), gain(line, PRECISION)])
    header = ("faces, alpha", "share in the gradient, %", "accuracy", "accuracy over alpha 0", "mAP over alpha 0")
    return page(header, rows)


def pretraining(tables: Tables) -> str:
    """Pre-training on identities over scratch and over its controls, by the number of rows."""
    rows = []
    for count in dict.fromkeys(line["rows"] for line in tables.rows("pretraining", "pretraining")):
        accuracies = [
            number(tables.row("pretraining", "pretraining", rows=count, way=way)["accuracy"])
            for way in ("scratch", "pre-trained")
        ]
        changes = [
            tables.row("pretraining", "pretraining-differences", rows=count, of=of, over=over)
            for of, over in PRETRAINING.values()
        ]
        least = number(changes[0]["least accuracy difference of a seed"], sign="+")
        rows.append([count, *accuracies, gain(changes[0]), least, *map(gain, changes[1:])])
        rows[-1].append(gain(changes[0], PRECISION))
    first, *others = PRETRAINING
    header = ("pictures", "scratch", "pre-trained", first, "least of a seed", *others, "mAP over scratch")
    return page(header, rows)


def partial(tables: Tables) -> str:
    """Each joint loss over cross-entropy where a part of the training labels is known."""
    rows = [
        [f"{float(line['labels, %']):g} %, {line.get('loss', JOINT)}", gain(line), gain(line, PRECISION)]
        for line in tables.rows("partial", "partial-differences")
    ]
    return page(("labels known, loss", "accuracy over cross-entropy", "mAP over cross-entropy"), rows)


def shift(tables: Tables) -> str:
    """The ways to tune on the second set, compared with one another."""
    rows = [
        [f"{line['setting']}: {line['of']}, over {line['over']}", gain(line), gain(line, PRECISION)]
        for line in tables.rows("shift", "shift-differences")
    ]
    return page(("settings: a way, over another", "accuracy", "mAP"), rows)


def groups(tables: Tables) -> str:
    """Branches of the attribute net beside the paper's nine groups."""
    rows = [
        [line["branches"], f"{int(line['parameters']):,}", number(line["accuracy"]), gain(line), gain(line, PRECISION)]
        for line in tables.rows("groups", "groups")
    ]
    header = ("branches", "parameters", "accuracy", "accuracy over the paper's groups", "mAP over the paper's groups")
    return page(header, rows)


def attributes(tables: Tables) -> str:
    """The attributes that the paper says a net helps, and how many of the others changed."""
    rows = []
    sets = dict.fromkeys(line["data"] for line in tables.rows("table2_frozen", "table2"))
    for net, named in HELPED.items():
        for attribute in named:
            changes = [
                tables.row("table2_frozen", f"table2-attributes-{data}", net=net, loss=CE, attribute=attribute)
                for data in sets
            ]
            rows.append([f"{net}, {attribute}", *map(gain, changes)])
        rows += [
            [f"{net}, others: {words}", *(_others(tables, data, net, words) for data in sets)]
            for words in ("higher", "lower")
        ]
    return page(("net, attribute", *(f"{set_name(data)}, over {GENERIC}" for data in sets)), rows, OF_ATTRIBUTES)


def _others(tables: Tables, data: str, net: str, words: str) -> str:
    """Return of how many attributes that the paper does not name the interval says higher, or lower."""
    lines = [
        line
        for line in tables.rows("table2_frozen", f"table2-attributes-{data}")
        if (line["net"], line["loss"], line["named"]) == (net, CE, "")
    ]
    return f"{sum(line['in words'] == words for line in lines)} of {len(lines)}"


PAGES: Mapping[str, tuple[tuple[str, ...], Callable[[Tables], str]]] = {
    "fusion": (("table2_frozen", "table2_tuned"), fusion),
    "loss": (("table2_frozen", "table2_tuned", "table2_global"), loss),
    "alphas": (("figure2",), alphas),
    "pretraining": (("pretraining",), pretraining),
    "partial": (("partial",), partial),
    "shift": (("shift",), shift),
    "groups": (("groups",), groups),
    "attributes": (("table2_frozen",), attributes),
}
"""By the name of a file: the tables that it needs, and what writes it."""
