"""Two recipes for redundant labels that need no loss: a prior on a linear head's weights, and smoothed targets.

The first stands beside plain weight decay on few rows, the second beside the targets as they are, some of them flipped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.evidence.linear_head import best_head
from benchmarks.evidence.loss_nets import NETS, chosen_rate, fit
from benchmarks.evidence.loss_tables import DRAWN, REAL, Part, Table, load
from benchmarks.evidence.paired import METRICS, paired_interval, scored
from benchmarks.evidence.recipes_report import markdown
from benchmarks.report import commit, machine
from obrl import count_pairs
from obrl.conditional import shrunk
from obrl.evidence import phi_coefficients
from obrl.mining.metrics import FloatArray
from obrl.mining.residual import Residual

ROWS = (200, 800)
FLIPPED = (0.0, 0.1)


def prior_precision(targets: FloatArray) -> Tensor:
    """(.8 R + .2 I)^-1 of the labels' correlations R, (num_labels, num_labels)."""
    phi = phi_coefficients(count_pairs(targets))
    return torch.linalg.inv(torch.tensor(shrunk(phi, 0.2), dtype=torch.float32))


def prior_penalty(weight: Tensor, precision: Tensor, weight_decay: float) -> Tensor:
    """weight_decay / 2 tr(W^T P W), to add to the loss; `weight` (num_labels, features) as in `torch.nn.Linear`."""
    return weight_decay / 2 * (weight * (precision @ weight)).sum()


def smoothed_targets(targets: FloatArray) -> FloatArray:
    """Targets half of the way to what the other labels of the row say, in [0, 1]; NaN, a missing label, stays."""
    known = ~np.isnan(targets)
    residual = Residual.from_counts(count_pairs(targets), shrinkage=0.1)
    e = targets - residual.expected(np.nan_to_num(targets), known)
    return np.clip(targets - e / 2, 0, 1)


def measure_prior(table: Table, rows: int, seeds: int) -> Iterator[tuple[dict[str, FloatArray], dict[str, FloatArray]]]:
    """The metrics of plain weight decay and of the prior, seed by seed."""
    for seed in range(seeds):
        chosen = np.random.default_rng([seed, 2]).permutation(len(table.train.targets))[:rows]
        part = Part(table.train.features[chosen], table.train.targets[chosen], table.train.known[chosen])
        precision = prior_precision(part.targets)
        heads = [best_head(part, penalty) for penalty in (None, lambda w, p=precision: prior_penalty(w, p, 1.0))]
        plain, with_prior = (scored(head(table.test.features), table.test) for head in heads)
        yield plain, with_prior


def measure_targets(
    table: Table, net: str, flipped: float, seeds: int
) -> Iterator[tuple[dict[str, FloatArray], dict[str, FloatArray]]]:
    """The metrics of the targets as they are and smoothed, seed by seed; test labels are never flipped."""
    rate = 0.0
    for seed in range(seeds):
        wrong = np.random.default_rng([seed, 3]).random(table.train.targets.shape) < flipped
        noisy = np.where(wrong, 1 - table.train.targets, table.train.targets)
        rate = rate or chosen_rate(table.train._replace(targets=noisy), net)
        parts = [table.train._replace(targets=targets) for targets in (noisy, smoothed_targets(noisy))]
        nets = [fit(part, net, "cross-entropy", rate=rate, seed=seed) for part in parts]
        plain, smoothed = (scored(each.probabilities(table.test.features), table.test) for each in nets)
        yield plain, smoothed


def compared(pairs: Iterator[tuple[dict[str, FloatArray], dict[str, FloatArray]]]) -> dict[str, Any]:
    """For each metric the values without and with a recipe by seed, and the paired difference."""
    by_seed = list(pairs)
    cell: dict[str, Any] = {}
    for metric in METRICS:
        without, with_recipe = (np.stack([pair[place][metric] for pair in by_seed]) for place in (0, 1))
        cell[metric] = {
            "without": without[:, 0].tolist(),
            "with": with_recipe[:, 0].tolist(),
            "difference": asdict(paired_interval(with_recipe - without)),
        }
    return cell


def main(arguments: list[str]) -> int:
    """Print the gain of both recipes on each table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence recipes", description=__doc__)
    parser.add_argument("--labels", type=Path, help="folder with NAME.npz, each with features and Y")
    parser.add_argument("--tables", nargs="+", help="by default the drawn ones, and with --labels the others as well")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {"numpy": np.__version__, "torch": torch.__version__},
        "seeds": options.seeds,
        "prior": {},
        "targets": {},
    }
    start = time.perf_counter()
    for name in options.tables or (DRAWN if options.labels is None else (*REAL, *DRAWN)):
        table = load(name, options.labels)
        for rows in ROWS:
            rows_of_table = min(rows, len(table.train.targets))
            document["prior"][f"{name}, {rows_of_table} rows"] = compared(measure_prior(table, rows, options.seeds))
        for net in NETS:
            for flipped in FLIPPED:
                pairs = measure_targets(table, net, flipped, options.seeds)
                document["targets"][f"{name}, {net}, {100 * flipped:.0f} % flipped"] = compared(pairs)
        document["seconds"] = time.perf_counter() - start
        print(f"{name}: {document['seconds']:.0f} s", flush=True)
        if options.out is not None:  # a run that is stopped leaves what it has
            options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
            options.out.with_suffix(".md").write_text(markdown(document))
    print(markdown(document))
    return 0
