"""The figures behind the decisions of the definition, from the pair counts of CelebA's training labels.

How many pairs each reading of the paper's "correlation" selects, and what its loss charges for the true labels, follow
from the counts alone, which are in the repository. What one batch tells, and how good the two estimators are, needs the
tables (`--labels`); without them those figures are taken over from the results of the last run that had them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.decisions_report import markdown
from benchmarks.evidence.tables import CELEBA, read_attributes, read_labels
from benchmarks.report import commit
from obrl import OnlineBatchRelation, PairCounts, count_pairs
from obrl.measures import apply_measure
from obrl.namespace import NUMPY

RESULTS = Path(__file__).resolve().parents[1] / "results"
COUNTS = RESULTS / "celeba_pair_counts.json"
PARTITION = Path("celeba") / "list_eval_partition.txt"
READINGS = ("pearson", "unit_pearson", "matching")
THRESHOLDS = (0.8, 0.2)
SYMMETRIC_THRESHOLDS = (0.8, 0.75, 0.7, 0.65)
RARE = 0.2
"""A label that fewer rows have counts as rare."""
BATCH_SIZES, SHUFFLES_FOR_CONSTANT = (32, 64, 128), 20
ESTIMATOR_BATCH, DECAYS = 32, (0.99, 1.0)
UNRELATED = 0.4
"""A pair that is pulled together although its phi over the whole table is below this counts as wrongly active."""

Matrix = NDArray[Any]


class Table(NamedTuple):
    """Aggregates of a table in which no label is missing.

    Attributes:
        rows: the number of rows.
        names: of the labels.
        both: rows in which two labels are both 1, (labels, labels) int64; on the diagonal those that have the label.
    """

    rows: int
    names: tuple[str, ...]
    both: NDArray[np.int64]

    def counts(self) -> PairCounts:
        """The counts n, s, r and c of every pair, in float64."""
        s = self.both.astype(np.float64)
        ones = np.broadcast_to(s.diagonal()[:, None], s.shape)
        return PairCounts(np.full(s.shape, float(self.rows)), s, ones, ones.T)

    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The places of all pairs i < j."""
        return np.triu_indices(len(self.names), 1)


def read_counts(path: Path) -> Table:
    """The counts of the repository."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return Table(content["rows"], tuple(content["names"]), np.array(content["both"], np.int64))


def write_counts(path: Path, table: Table) -> None:
    """Write counts, one label a line."""
    lines = ",\n  ".join(json.dumps(row.tolist(), separators=(",", ":")) for row in table.both)
    names = json.dumps(table.names)
    path.write_text(
        f'{{"rows": {table.rows},\n "names": {names},\n "both": [\n  {lines}]}}\n',
        encoding="utf-8",
    )


def training_labels(folder: Path) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    """The names and the labels of CelebA's training rows."""
    pictures, labels = read_attributes(folder / CELEBA)
    partition = dict(line.split() for line in (folder / PARTITION).read_text(encoding="utf-8").splitlines())
    names = (folder / CELEBA).read_text(encoding="utf-8").splitlines()[1].split()
    return tuple(names), labels[np.array([partition[picture] == "0" for picture in pictures])]


def count(names: tuple[str, ...], labels: NDArray[np.uint8]) -> Table:
    """The aggregates of labels, (rows, labels), 0 or 1."""
    return Table(len(labels), names, np.asarray(count_pairs(labels).s))


def selected(table: Table, measure: str, positive: float, negative: float) -> dict[str, Any]:
    """The pairs that two thresholds select under a measure, and L_B where every prediction is the true label.

    For true labels (y_i - y_j)^2 is 1 where they differ and 0 where they agree, so L_B follows from the counts: a
    positive pair is charged for the rows in which its labels differ, a negative one for those in which they agree.
    """
    i, j = table.pairs()
    relation = apply_measure(NUMPY, measure, table.counts())[0][i, j]
    together, apart = relation >= positive, relation <= negative
    charge = np.where(together, differing(table)[i, j], 0.0) + np.where(apart, 1 - differing(table)[i, j], 0.0)
    normaliser = 2 * len(table.names) ** 2  # Eq. 2: 1 / (2 M^2), over ordered pairs
    return {
        "positive_threshold": positive,
        "negative_threshold": negative,
        "positive": int(together.sum()),
        "negative": int(apart.sum()),
        "loss_of_true_labels": float(2 * charge.sum() / normaliser),
        "largest_loss": float(2 * (together | apart).sum() / normaliser),
        "both_rare": int((together & (np.maximum(rates(table)[i], rates(table)[j]) < RARE)).sum()),
    }


def differing(table: Table) -> NDArray[np.float64]:
    """The share of the rows in which two labels differ, (labels, labels)."""
    n, s, r, c = table.counts()
    return np.asarray((r + c - 2 * s) / n)


def rates(table: Table) -> NDArray[np.float64]:
    """The share of the rows that have a label, (labels,)."""
    return np.asarray(table.both.diagonal() / table.rows)


def phi(table: Table) -> NDArray[np.float64]:
    """Pearson's phi of every pair, (labels, labels)."""
    return np.asarray(apply_measure(NUMPY, "pearson", table.counts())[0])


def active(table: Table) -> list[dict[str, Any]]:
    """The pairs beyond the paper's thresholds under (1 + phi) / 2, the strongest first."""
    pairs = [
        {
            "names": [table.names[i], table.names[j]],
            "phi": float(phi(table)[i, j]),
            "relation": float((1 + phi(table)[i, j]) / 2),
            "differing": float(differing(table)[i, j]),
        }
        for i, j in combinations(range(len(table.names)), 2)
        if not 2 * THRESHOLDS[1] - 1 < phi(table)[i, j] < 2 * THRESHOLDS[0] - 1
    ]
    return sorted(pairs, key=lambda pair: -abs(pair["phi"]))


def from_counts(table: Table) -> dict[str, Any]:
    """Every figure that follows from the counts."""
    i, j = table.pairs()
    smallest = np.divide(phi(table), np.abs(apply_measure(NUMPY, "phi_ratio", table.counts())[0]))[i, j]
    p = rates(table)
    return {
        "rows": table.rows,
        "labels": len(table.names),
        "pairs": len(i),
        "readings": {measure: selected(table, measure, *THRESHOLDS) for measure in READINGS},
        "thresholds": [selected(table, "unit_pearson", value, round(1 - value, 9)) for value in SYMMETRIC_THRESHOLDS],
        "active": active(table),
        "negative_phi": int((phi(table)[i, j] < 0).sum()),
        "negative_phi_that_could_reach_the_threshold": int((smallest <= 2 * THRESHOLDS[1] - 1).sum()),
        "cross_entropy_of_the_rates": float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).sum()),
    }


def constant_batches(labels: NDArray[np.uint8], size: int) -> float:
    """The share of shuffled batches of this size in which some label is constant."""
    shares = []
    for seed in range(SHUFFLES_FOR_CONSTANT):
        ones = np.array([batch.sum(axis=0) for batch in batches(labels, size, seed)])
        shares.append(((ones == 0) | (ones == size)).any(axis=1).mean())
    return float(np.mean(shares))


def batches(labels: NDArray[np.uint8], size: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """All rows once in random order, in batches; what is left over of them is dropped."""
    order = np.random.default_rng(seed).permutation(len(labels))
    for start in range(0, len(labels) - size + 1, size):
        yield labels[order[start : start + size]]


def moving_average(labels: NDArray[np.uint8], estimator: str, decay: float, seed: int) -> NDArray[np.float64]:
    """The relation after one pass over the rows, (labels, labels)."""
    relation = OnlineBatchRelation(labels.shape[1], decay=decay, estimator=estimator)
    for batch in batches(labels, ESTIMATOR_BATCH, seed):
        relation.update(batch)
    return relation.relation


def largest_error(labels: NDArray[np.uint8], table: Table, estimator: str, decay: float, seeds: int) -> float:
    """How far the worst pair's relation is from that of the whole table after one pass: the mean of the seeds."""
    truth, pairs = (1 + phi(table)) / 2, table.pairs()
    errors = [np.abs(moving_average(labels, estimator, decay, seed) - truth)[pairs].max() for seed in range(seeds)]
    return float(np.mean(errors))


def wrongly_active(labels: NDArray[np.uint8], estimator: str, seeds: int) -> dict[str, float]:
    """How many pairs the paper's thresholds select after one pass, and how many of them hardly relate; seeds' means."""
    table = count(tuple(map(str, range(labels.shape[1]))), labels)
    pairs, counted = table.pairs(), []
    for seed in range(seeds):
        relation = moving_average(labels, estimator, DECAYS[0], seed)[pairs]
        together, apart = relation >= THRESHOLDS[0], relation <= THRESHOLDS[1]
        counted.append(((together | apart).sum(), (together & (phi(table)[pairs] < UNRELATED)).sum()))
    mean = np.mean(counted, axis=0)
    return {"active": float(mean[0]), "wrong": float(mean[1])}


def from_tables(folder: Path, labels: NDArray[np.uint8], table: Table, seeds: int) -> dict[str, Any]:
    """Every figure that needs the rows, each a mean over shuffles of them."""
    delicious = read_labels(folder, "delicious").astype(np.uint8)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "seeds": seeds,
        "shuffles_for_constant": SHUFFLES_FOR_CONSTANT,
        "constant_batches": {str(size): constant_batches(labels, size) for size in BATCH_SIZES},
        "largest_error": {
            estimator: {str(decay): largest_error(labels, table, estimator, decay, seeds) for decay in DECAYS}
            for estimator in ("batch", "counts")
        },
        "delicious": {estimator: wrongly_active(delicious, estimator, seeds) for estimator in ("batch", "counts")},
    }


def main(arguments: list[str]) -> int:
    """Print every figure as a page of Markdown; exit with 1 where the table has other counts than the repository."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence decisions", description=__doc__)
    parser.add_argument("--labels", type=Path, help="folder with celeba/ and delicious.npz; some ten minutes")
    parser.add_argument("--seeds", type=int, default=3, help="shuffles of the rows")
    parser.add_argument("--out", type=Path, default=RESULTS / "decisions", help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    table = read_counts(COUNTS)
    if options.labels is None:
        of_tables = json.loads((RESULTS / "decisions.json").read_text(encoding="utf-8"))["from_tables"]
    else:
        names, labels = training_labels(options.labels)
        counted = count(names, labels)
        if counted.names != table.names or not np.array_equal(counted.both, table.both):
            print(f"the table has other counts than {COUNTS.name}")
            return 1
        of_tables = from_tables(options.labels, labels, table, options.seeds)
    document = {"from_counts": from_counts(table), "from_tables": of_tables}
    options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    options.out.with_suffix(".md").write_text(markdown(document), encoding="utf-8")
    print(markdown(document))
    return 0
