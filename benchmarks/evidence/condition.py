"""What a relation adds to a trained net: known labels, wrong labels, the next question, and what `assess` foretells.

One net sees features alone; `condition`, `suspicion` and `query_scores` of the relation mined from the same training
labels are added afterwards. Beside them stands a net of the same size that is trained to take known labels as inputs.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evidence.condition_nets import train
from benchmarks.evidence.condition_report import GOALS, MOST_SECONDS, markdown, misses
from benchmarks.evidence.relation_uses import (
    all_rows,
    flip,
    precision,
    share_wrong,
    suspicion_areas,
)
from benchmarks.report import busy_warning, commit, machine
from obrl.conditional import condition
from obrl.mining import RelationMiner, assess
from obrl.mining.assess import ASKED, KNOWN_SHARES, LABELS_ASKED, LEAST_RATE, ROWS_ASKED, ask_one_at_a_time
from obrl.mining.metrics import Flags, FloatArray


def read(folder: Path, name: str, *, least_rate: float = LEAST_RATE) -> tuple[FloatArray, FloatArray, Flags]:
    """Features, scaled where dense, labels neither too rare nor too common, and which rows are for training.

    A label is used if the share of training rows that have it lies within `least_rate` and 1 - `least_rate`.
    """
    with np.load(folder / f"{name}.npz", allow_pickle=False) as content:
        arrays = {key: content[key] for key in content.files}
    if "X" in arrays:
        dense = arrays["X"].astype(np.float64)
        is_train = arrays["is_train"]
        dense = (dense - dense[is_train].mean(axis=0)) / np.maximum(dense[is_train].std(axis=0), 1e-6)
    else:
        dense = np.zeros(arrays["X_shape"])
        rows = np.repeat(np.arange(len(dense)), np.diff(arrays["X_indptr"]))
        dense[rows, arrays["X_indices"]] = arrays["X_data"]
    rates = arrays["Y"][arrays["is_train"]].mean(axis=0)
    usual = (rates >= least_rate) & (rates <= 1 - least_rate)
    return dense, arrays["Y"][:, usual].astype(np.float64), arrays["is_train"]


def measure(features: FloatArray, targets: FloatArray, is_train: Flags, seed: int) -> dict[str, Any]:
    """All figures of one table and seed, in per cent."""
    rng = np.random.default_rng(seed)
    miner = RelationMiner().fit(targets[is_train].astype(np.int64))
    nets = [train(features[is_train], targets[is_train], masked=masked, seed=seed) for masked in (False, True)]
    x, y = features[~is_train], targets[~is_train]
    p = nets[0].probabilities(x, y, np.zeros(y.shape, bool))
    figures: dict[str, Any] = {}
    for share in KNOWN_SHARES:
        known = rng.random(y.shape) < share
        scores = (p, miner.condition(p, y, observed=known), nets[1].probabilities(x, y, known))
        values = [_precision(each, y, ~known) for each in scores]
        figures[f"condition_{share:.0%}"] = dict(zip(("without", "with", "masked_net"), values, strict=True))
    figures["suspicion"] = _suspicion(miner, p, y, rng)
    figures["query"] = _questions(targets[is_train], p, y)
    half = rng.permutation(len(y)) < len(y) // 2
    known = rng.random(y.shape) < 0.25
    conditioned = miner.condition(p, y, observed=known)
    gain = _precision(conditioned[~half], y[~half], ~known[~half]) - _precision(p[~half], y[~half], ~known[~half])
    foretold = {"gain": gain}
    for name, relation in (("from_the_half_alone", None), ("with_the_training_relation", miner)):
        foretold[name] = 100 * assess(p[half], y[half], relation, seed=seed).condition[1].difference
    return figures | {"assess": foretold}


def _precision(scores: FloatArray, y: FloatArray, chosen: Flags) -> float:
    return float(precision(scores, y, chosen, all_rows(len(y)))[0])


def _suspicion(miner: RelationMiner, p: FloatArray, y: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    judged, flipped = flip(y, rng)
    areas = suspicion_areas(miner, p, judged, flipped, np.ones(y.shape, bool), all_rows(len(y)))
    return {name: float(area[0]) for name, area in areas.items()}


def _questions(train_targets: FloatArray, p: FloatArray, y: FloatArray) -> dict[str, float]:
    """Wrong entries left once a fifth of the labels has been asked for, one at a time, in per cent of all entries."""
    miner = RelationMiner().fit(train_targets[:, :LABELS_ASKED].astype(np.int64))
    p, y = p[:ROWS_ASKED, :LABELS_ASKED], y[:ROWS_ASKED, :LABELS_ASKED]
    questions, every = max(1, round(ASKED * p.shape[1])), np.ones(p.shape, bool)

    def left(probabilities: FloatArray) -> float:
        return float(share_wrong(probabilities, y, every, all_rows(len(y)))[0])

    unsure = ask_one_at_a_time(lambda asked: p * (1 - p), every, questions)
    by_scores = ask_one_at_a_time(lambda asked: miner.query_scores(p, y, observed=asked), every, questions)
    return {
        "questions": float(questions),
        "no_question": left(p),
        "uncertainty": left(miner.condition(p, y, observed=unsure)),
        "uncertainty_without_condition": left(np.where(unsure, y, p)),
        "query_scores": left(miner.condition(p, y, observed=by_scores)),
    }


def speed() -> float:
    """Seconds to condition 10,000 rows of 40 labels, of which a random quarter is known: the median of five runs."""
    rng = np.random.default_rng(0)
    y = (rng.normal(size=(10_000, 5)) @ rng.normal(size=(5, 40)) > 1).astype(np.float64)
    phi, p, known = np.corrcoef(y.T), rng.random(y.shape), rng.random(y.shape) < 0.25
    times = []
    for _ in range(5):
        start = time.perf_counter()
        condition(phi, p, y, observed=known)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def main(arguments: list[str]) -> int:
    """Print the figures of each table; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence condition", description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder with NAME.npz, each with X and Y")
    parser.add_argument("--tables", nargs="+", default=list(GOALS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    options = parser.parse_args(arguments)
    about = machine()
    if warning := busy_warning(about):
        print(warning)
    torch.set_num_threads(1)
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": about,
        "versions": {"numpy": np.__version__, "torch": torch.__version__},
        "seconds_10000_rows_40_labels": speed(),
        "tables": {},
    }
    print(f"10,000 rows x 40 labels: {document['seconds_10000_rows_40_labels']:.2f} s (at most {MOST_SECONDS})")
    start = time.perf_counter()
    for table in options.tables:
        features, targets, is_train = read(options.labels, table)
        seeds: list[dict[str, Any]] = []
        document["tables"][table] = {"labels": targets.shape[1], "train_rows": int(is_train.sum()), "seeds": seeds}
        for seed in range(options.seeds):
            seeds.append(measure(features, targets, is_train, seed))
            document["seconds"] = time.perf_counter() - start
            print(f"{table} seed {seed}, {document['seconds']:.0f} s: {seeds[-1]}", flush=True)
            if options.out is not None:  # a run that is stopped leaves what it has
                options.out.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
                options.out.with_suffix(".md").write_text(markdown(document))
    print(markdown(document))
    return int(bool(misses(document)))
