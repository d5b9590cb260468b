"""Does the joint loss predict better than cross-entropy on label tables, and where?

A linear model and one hidden layer, with all training labels, with few rows, with missing and with wrong labels. The
loss stands with its default settings and with those under which it has leverage (`strong`: thresholds .7 and .3,
`active_pairs`, alpha 2); where labels are missing also with `estimator="counts"`. Without `--labels` two drawn tables
are measured, one of redundant and one of unrelated labels.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evidence.loss_nets import LOSSES, NETS, chosen_rate, fit
from benchmarks.evidence.loss_report import details, markdown
from benchmarks.evidence.loss_tables import DRAWN, REAL, SITUATIONS, Part, Table, degraded, load
from benchmarks.evidence.paired import METRICS, paired_interval, scored
from benchmarks.report import commit, machine
from obrl.mining.metrics import FloatArray


def losses_of(situation: str) -> tuple[str, ...]:
    """The losses that are compared: the estimator matters where labels are missing."""
    missing = SITUATIONS[situation][1] < 1
    return tuple(LOSSES) if missing else tuple(LOSSES)[:-1]


def measure(table: Table, situation: str, net: str, seeds: int) -> dict[str, Any]:
    """One cell: each loss's metrics by seed, and the paired difference of each joint loss from cross-entropy."""
    scores: dict[str, list[dict[str, FloatArray]]] = {loss: [] for loss in losses_of(situation)}
    pairs: dict[str, list[int]] = {loss: [] for loss in scores}
    rate = chosen_rate(degraded(table.train, situation, 0), net)
    for seed in range(seeds):
        part: Part = degraded(table.train, situation, seed)
        for loss in scores:
            fitted = fit(part, net, loss, rate=rate, seed=seed)
            scores[loss].append(scored(fitted.probabilities(table.test.features), table.test))
            pairs[loss].append(fitted.active_pairs)
    cell: dict[str, Any] = {"rate": rate}
    for loss, by_seed in scores.items():
        cell[loss] = {"active_pairs": float(np.mean(pairs[loss]))}
        for metric in METRICS:
            cell[loss][metric] = [float(score[metric][0]) for score in by_seed]
            if loss != "cross-entropy":
                reference = scores["cross-entropy"]
                rows = [score[metric] - plain[metric] for score, plain in zip(by_seed, reference, strict=True)]
                cell[loss][f"{metric} difference"] = asdict(paired_interval(np.stack(rows)))
    return cell


def start_document(out: Path | None, seeds: int) -> dict[str, Any]:
    """The results on file, to go on from, or new ones; raises SystemExit for results of other code or settings."""
    fresh: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {"numpy": np.__version__, "torch": torch.__version__},
        "seconds": 0.0,
        "seeds": seeds,
        "losses": LOSSES,
        "tables": {},
        "cells": {},
    }
    file = None if out is None else out.with_suffix(".json")
    if file is None or not file.exists():
        return fresh
    document: dict[str, Any] = json.loads(file.read_text())
    for name in ("seeds", "commit", "losses", "versions"):
        if document[name] != fresh[name]:
            raise SystemExit(
                f"{file} holds results with {name} {document[name]}, here {fresh[name]}: name another file"
            )
    return document


def main(arguments: list[str]) -> int:
    """Measure what is not on file yet, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence loss", description=__doc__)
    parser.add_argument("--labels", type=Path, help="folder with NAME.npz, each with features and Y")
    parser.add_argument("--tables", nargs="+", help="by default the drawn ones, and with --labels the others as well")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--out", type=Path, help="write NAME.json, NAME.md and NAME_tables.md; cells on file are not measured again"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    document = start_document(options.out, options.seeds)
    for name in options.tables or (DRAWN if options.labels is None else (*REAL, *DRAWN)):
        table = load(name, options.labels)
        rows, labels = table.train.targets.shape
        document["tables"][name] = {"labels": labels, "train_rows": rows, "test_rows": len(table.test.targets)}
        for net in NETS:
            for situation in SITUATIONS:
                key = f"{name} | {net} | {situation}"
                if key in document["cells"]:
                    continue
                start = time.perf_counter()
                document["cells"][key] = measure(table, situation, net, options.seeds)
                seconds = time.perf_counter() - start
                document["seconds"] += seconds
                print(f"{key}: {seconds:.0f} s", flush=True)
                if options.out is not None:  # a run that is stopped leaves what it has
                    write(document, options.out)
    if options.out is not None:
        write(document, options.out)
    print(markdown(document), details(document), sep="\n")
    return 0


def write(document: dict[str, Any], out: Path) -> None:
    """The results as JSON, in short, and with every table."""
    out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    out.with_suffix(".md").write_text(markdown(document))
    out.with_name(f"{out.name}_tables.md").write_text(details(document))
