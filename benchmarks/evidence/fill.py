"""Log-loss of hidden entries of new rows: marginals, fill, and a logistic regression for each label."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evidence.tables import read_labels
from obrl.mining.fill import fitted, held_out_units
from obrl.mining.inputs import read_matrix

TABLES = ("celeba", "yeast", "emotions", "bibtex")
HIDDEN = 0.1
MOST_ROWS = 20_000
LEAST_GAIN = 0.8


def loss(values: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """The mean log-loss in nats."""
    q = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(values * np.log(q) + (1 - values) * np.log1p(-q)).mean())


def regression(
    train: NDArray[np.float64], inputs: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each label the prediction of a logistic regression on the others, fitted to complete rows."""
    from sklearn.linear_model import LogisticRegression

    result = np.empty(inputs.shape)
    for label in range(train.shape[1]):
        if train[:, label].min() == train[:, label].max():
            result[:, label] = rates[label]
            continue
        model = LogisticRegression(max_iter=1000).fit(np.delete(train, label, 1), train[:, label])
        result[:, label] = model.predict_proba(np.delete(inputs, label, 1))[:, 1]
    return result


def measure(targets: NDArray[np.float64], seed: int) -> tuple[float, float, float, str, float]:
    """The three losses, the method that fill chose, and its seconds."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))[:MOST_ROWS]
    train, new = targets[order[: 2 * len(order) // 3]], targets[order[2 * len(order) // 3 :]]
    hidden = rng.random(new.shape) < HIDDEN
    start = time.perf_counter()
    filler = fitted(read_matrix(train), held_out_units(len(train)))
    p = filler.probabilities(new, ~hidden)
    seconds = time.perf_counter() - start
    rates = (train.sum(0) + 0.5) / (len(train) + 1)
    marginal = np.broadcast_to(rates, new.shape)
    reference = regression(train, np.where(hidden, marginal, new), rates)
    losses = [loss(new[hidden], q[hidden]) for q in (marginal, p, reference)]
    return losses[0], losses[1], losses[2], filler.method, seconds


def main(arguments: list[str]) -> int:
    """Print the losses of each table and seed; exit with 1 where the mean share of the gain is below 80 %."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence fill", description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder with NAME.npz and celeba/")
    parser.add_argument("--tables", nargs="+", default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    missed = 0
    print(f"{'table':10} {'seed':>4} {'marginals':>9} {'fill':>7} {'regression':>10} {'gain':>6} {'s':>6}  method")
    for name in options.tables:
        targets = read_labels(options.labels, name)
        losses = []
        for seed in range(options.seeds):
            marginal, filled, reference, method, seconds = measure(targets, seed)
            losses.append((marginal, filled, reference))
            gain = (marginal - filled) / (marginal - reference)
            numbers = f"{marginal:9.4f} {filled:7.4f} {reference:10.4f} {gain:6.1%} {seconds:6.2f}"
            print(f"{name:10} {seed:4} {numbers}  {method}", flush=True)
        mean = np.mean(losses, axis=0)
        gain = float((mean[0] - mean[1]) / (mean[0] - mean[2]))
        missed += gain < LEAST_GAIN
        words = "reaches" if gain >= LEAST_GAIN else "MISSES"
        print(f"{name:10} mean gain {gain:.1%} of the regression's, {words} {LEAST_GAIN:.0%}", flush=True)
    return int(missed > 0)
