"""What `condition`, `suspicion` and `query_scores` add to nets that were trained on faces.

The relation is mined from the labels that the nets were trained on. What `assess` foretells from the validation part
stands beside what it finds on the test part.
"""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import argparse
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evidence.paired import paired_interval, unit_weights
from benchmarks.evidence.relation_on_faces_choice import candidates, folders_of
from benchmarks.evidence.relation_on_faces_nets import Net, Part, group_runs, read_nets
from benchmarks.evidence.relation_on_faces_report import FLIPS, QUERY, markdown
from benchmarks.evidence.relation_uses import flip, precision, share_wrong, suspicion_areas
from benchmarks.report import commit, machine
from obrl.mining import RelationMiner, assess
from obrl.mining.assess import ASKED, KNOWN_SHARES, ask_one_at_a_time
from obrl.mining.metrics import FloatArray
from reference_model.config import RunConfig
from reference_model.pipeline.cells import net_names, treatment_of
from reference_model.runs import RunError, package_version, refuse, write_atomically, write_json

Figures = dict[str, dict[str, FloatArray]]
"""By what is measured and in which way: the figure on all test pictures, then on samples of them; (1 + draws,)."""

COMPARED = {
    QUERY: (
        ("query_scores, condition", "least sure, condition"),
        ("query_scores, condition", "least sure"),
        ("least sure, condition", "least sure"),
        ("least sure", "at random"),
    ),
}
"""The differences of a figure, each `of` a way `over` another; by default of `with` over `without`."""


def measure(net: Net) -> Figures:
    """All figures of a net on the test part, in per cent."""
    rng = np.random.default_rng(net.seed)
    miner, part, weights = RelationMiner().fit(net.train), net.test, unit_weights(net.test.units)
    figures: Figures = {}
    for share in KNOWN_SHARES:
        shown = part.known & (rng.random(part.y.shape) < share)
        ways = {"without": part.p, "with": miner.condition(part.p, part.y, observed=shown)}
        others = part.known & ~shown
        name = f"{share:.0%} known"
        figures[f"{name}, mAP"] = {way: precision(p, part.y, others, weights) for way, p in ways.items()}
        figures[f"{name}, accuracy"] = {way: 100 - share_wrong(p, part.y, others, weights) for way, p in ways.items()}
    judged, flipped = flip(part.y, rng)
    figures[FLIPS] = suspicion_areas(miner, part.p, judged, flipped, part.known, weights)
    figures[QUERY] = _questions(miner, part, weights, rng)
    return figures


def _questions(
    miner: RelationMiner, part: Part, weights: FloatArray, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Wrong entries left once a fifth of the labels was asked for, one at a time, in per cent of all entries."""
    p, y, known = part.p, part.y, part.known
    order = rng.random(p.shape)
    scores = {
        "at random": lambda asked: order,
        "least sure": lambda asked: p * (1 - p),
        "query_scores": lambda asked: miner.query_scores(p, y, observed=asked),
    }
    left = {"none asked": share_wrong(p, y, known, weights)}
    for name, rank in scores.items():
        asked = ask_one_at_a_time(rank, known, max(1, round(ASKED * p.shape[1])))
        left[name] = share_wrong(np.where(asked, y, p), y, known, weights)
        left[f"{name}, condition"] = share_wrong(miner.condition(p, y, observed=asked), y, known, weights)
    return left


def foretell(net: Net) -> dict[str, dict[str, float]]:
    """What `assess` says of each use on the validation part and on the test part: gains in points."""
    miner = RelationMiner().fit(net.train)
    names = [*(f"{share:.0%} known, mAP" for share in KNOWN_SHARES), FLIPS, QUERY]
    gains: dict[str, dict[str, float]] = {name: {} for name in names}
    for place, part in (("valid", net.valid), ("test", net.test)):
        said = assess(part.p, part.y, miner, observed=part.known, groups=part.units, seed=net.seed)
        for name, comparison in zip(names, (*said.condition, said.suspicion, said.query), strict=True):
            gains[name][place] = 100 * comparison.difference
    return gains


def summarise(nets: Sequence[Net]) -> dict[str, Any]:
    """The figures of nets that differ in the seed, and the paired differences with their intervals."""
    measured = [measure(net) for net in nets]
    ways = {name: list(figure) for name, figure in measured[0].items()}
    differences = []
    for name in ways:
        for of, over in COMPARED.get(name, (("with", "without"),)):
            interval = paired_interval(np.stack([figures[name][of] - figures[name][over] for figures in measured]))
            plain = {"figure": name, "of": of, "over": over, **asdict(interval), "verdict": interval.verdict}
            differences.append(plain)
    foretold = [foretell(net) for net in nets]
    test = nets[0].test
    return {
        "seeds": [net.seed for net in nets],
        "train_pictures": len(nets[0].train),
        "valid_pictures": len(nets[0].valid.y),
        "test_pictures": len(test.y),
        "labels": test.y.shape[1],
        "unit": test.unit,
        "units": int(test.units.max()) + 1,
        "questions": max(1, round(ASKED * test.y.shape[1])),
        "figures": {
            name: {way: [float(figures[name][way][0]) for figures in measured] for way in ways[name]} for name in ways
        },
        "differences": differences,
        "foretold": {
            name: {place: [said[name][place] for said in foretold] for place in ("valid", "test")}
            for name in foretold[0]
        },
    }


def describe(config: RunConfig) -> dict[str, str]:
    """Which net it is."""
    return {"fusion": net_names(config.net.nets), "loss": config.loss, "treatment": treatment_of(config.net)}


def main(arguments: list[str]) -> int:
    """Print the tables; 2 for runs or data that cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        if (options.choose is None) != (options.cells is None):
            raise RunError("--choose RECORD and --cells DIR belong together; write both")
        document = _measure_all(options, _roots(options.root))
        if options.out is not None:
            write_json(options.out.with_suffix(".json"), document)
            write_atomically(options.out.with_suffix(".md"), markdown(document))
    except (ValueError, OSError) as error:
        return refuse(error)
    print(markdown(document))
    return 0


def _measure_all(options: argparse.Namespace, roots: Mapping[str, Path]) -> dict[str, Any]:
    runs: Sequence[Path] = options.runs
    start = time.perf_counter()
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": {"python": platform.python_version()}
        | {name: package_version(name) for name in ("obrl", "numpy", "torch")},
        "choice": {},
        "data": {},
    }
    if options.choose is not None:
        chosen = candidates(options.choose, options.cells)
        document["choice"] = {data: [net.as_plain() for net in nets] for data, nets in chosen.items()}
        runs = [folder for nets in chosen.values() for folder in folders_of(nets[0], runs, options.cells)]
    groups = group_runs(runs)
    if unknown := roots.keys() - groups.keys():
        raise RunError(f"--root {', '.join(sorted(unknown))}: the runs are on {', '.join(groups)}")
    for data, configs in groups.items():
        net = describe(next(iter(configs.values())))
        if data in document["choice"]:  # which also says with which settings of the joint loss
            net["loss"] = document["choice"][data][0]["loss"]
        document["data"][data] = net | summarise(read_nets(configs, root=roots.get(data)))
        print(f"{data}: {len(configs)} runs, {time.perf_counter() - start:.0f} s", flush=True)
    document["seconds"] = time.perf_counter() - start
    return document


def _roots(texts: Sequence[str]) -> dict[str, Path]:
    roots = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--root: expected DATA=FOLDER, such as celeba=path/to/celeba, got {text}")
        roots[name] = Path(folder)
    return roots


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence relation_on_faces", description=__doc__)
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="finished runs of the stage attributes that differ in the seed, on one data set or several; with "
        "--choose, folders of tables, which hold their runs in cells/KEY",
    )
    parser.add_argument(
        "--choose",
        type=Path,
        nargs="+",
        metavar="RECORD",
        help="records of tables of the kind table2 (table2.record.json): measure, of each data set, the net with the "
        "best mean accuracy on the validation part",
    )
    parser.add_argument("--cells", type=Path, metavar="DIR", help="where the finished cells of RECORD are (KEY.json)")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="DATA=FOLDER",
        help="where a data set lies (default: where it lay when the nets were trained)",
    )
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.md")
    return parser
