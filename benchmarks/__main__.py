"""`python -m benchmarks`: measures every implementation at every size, and how time and memory grow.

Writes one table, as JSON and as Markdown, and a plot. `python -m benchmarks.loss_step` measures one framework.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from benchmarks.batches import kinds_up_to
from benchmarks.loss_step import QUICK, QUICK_SIZES, SIZES, parse_size
from benchmarks.measure import Plan, Row, measure_size
from benchmarks.plot import draw
from benchmarks.registry import FRAMEWORKS, IMPLEMENTATIONS, of_framework
from benchmarks.report import busy_warning, machine, make_document, markdown, text_table
from benchmarks.scaling import ALONG, Exponent, exponents

ALL_SIZES = (*SIZES, (256, 3000), (512, 10_000))
SCALED = (
    "torch_bce",
    "torch_obrl",
    "torch_obrl_compiled",
    "torch_obrl_fused",
    "jax_obrl",
    "jax_obrl_fused",
    "tensorflow_obrl",
    "tensorflow_obrl_fused_graph",
)
QUICK_ENOUGH = 10**10
"""Up to this K M^2 a step takes less than a second, so every kind of labels is measured, in all frameworks in turn."""
RESULTS = Path(__file__).parent / "results"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--sizes", type=parse_size, nargs="+", metavar="KxM", help="default: seven, or one with --quick")
    add("--frameworks", choices=FRAMEWORKS, nargs="+", default=list(FRAMEWORKS), help="default: all")
    add("--repeats", type=int, default=5, help="rounds of bursts (default: %(default)s)")
    add("--threads", type=int, default=Plan().threads, help="threads of each framework")
    scaling = parser.add_mutually_exclusive_group()
    scaling.add_argument("--no-scaling", action="store_true", help="leave out how time and memory grow")
    scaling.add_argument("--only-scaling", action="store_true", help="measure only how they grow; tabulate those sizes")
    add("--quick", action="store_true", help="one size, few steps and no scaling: only shows that it runs")
    add(
        "--out",
        type=Path,
        help="folder for all.json, all.md and all.svg (default: benchmarks/results, not with --quick)",
    )
    options = parser.parse_args(arguments)
    for name in ("repeats", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    if options.quick and options.out is None:
        parser.error("--quick needs --out: its figures mean little and must not replace the published results")
    if options.only_scaling and (options.quick or options.sizes):
        parser.error("--only-scaling sets its sizes itself: leave out --quick and --sizes")
    if not options.only_scaling:
        options.sizes = options.sizes or list(QUICK_SIZES if options.quick else ALL_SIZES)
    options.out = options.out or RESULTS
    if missing := [name for name in options.frameworks if find_spec(name) is None]:
        parser.error(f"these frameworks are not installed: {', '.join(missing)}; name the others with --frameworks")
    return options


def fitting(names: Sequence[str], size: tuple[int, int], memory: int) -> tuple[list[str], list[str]]:
    """The implementations that fit into memory at a size, and a sentence on each that does not.

    Args:
        names: entries of `benchmarks.registry.IMPLEMENTATIONS`.
        size: (K, M).
        memory: of the machine, in bytes; a step may take half of it.
    """
    batch, num_labels = size
    fit, reasons = [], []
    for name in names:
        needed = IMPLEMENTATIONS[name].needs(batch, num_labels)
        if needed <= memory / 2:
            fit.append(name)
        else:
            reasons.append(
                f"({batch}, {num_labels}) {IMPLEMENTATIONS[name].title}: left out, for its arrays of size K M^2 would "
                f"take about {needed / 1e9:.0f} GB, and half of memory is {memory / 2e9:.0f} GB"
            )
    return fit, reasons


def at_once(names: Sequence[str], size: tuple[int, int]) -> list[list[str]]:
    """The groups of implementations that are timed in turn: all, or one framework where each holds gigabytes."""
    batch, num_labels = size
    if batch * num_labels**2 <= QUICK_ENOUGH:
        return [list(names)]
    frameworks = dict.fromkeys(IMPLEMENTATIONS[name].framework for name in names)
    return [[name for name in names if IMPLEMENTATIONS[name].framework == framework] for framework in frameworks]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the files."""
    options = parse(arguments)
    plan = replace(QUICK if options.quick else Plan(rounds=options.repeats), threads=options.threads)
    options.out.mkdir(parents=True, exist_ok=True)  # before anything is measured
    about = machine()
    names = [name for framework in options.frameworks for name in of_framework(framework)]
    versions: dict[str, str] = {}

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def measure(size: tuple[int, int], implementations: Sequence[str], kinds: Sequence[str]) -> list[Row]:
        new_rows, new_versions = measure_size(*size, implementations, kinds, plan, say=say)
        versions.update(new_versions)
        return new_rows

    def write() -> dict[str, Any]:
        document = make_document(rows, plan, versions, about)
        document |= {"benchmark": "all", "left_out": left_out, "growth": [exponent.as_dict() for exponent in growth]}
        (options.out / "all.json").write_text(json.dumps(document, indent=2) + "\n")
        (options.out / "all.md").write_text(markdown(document))
        return document

    if warning := busy_warning(about):
        say(warning)
    rows: list[Row] = []
    left_out: list[str] = []
    growth: list[Exponent] = []
    for size in options.sizes or ():
        fit, reasons = fitting(names, size, psutil.virtual_memory().total)
        left_out += reasons
        for group in at_once(fit, size):
            rows += measure(size, group, kinds_up_to(QUICK_ENOUGH, *size))
        write()  # so that nothing is lost if a later size fails
    if not (options.no_scaling or options.quick):
        scaled = [name for name in names if name in SCALED]
        for variable, sizes in ALONG.items():
            along = [row for size in sizes for row in measure(size, scaled, ("correlated",))]
            growth += exponents(along, variable)
            rows += along if options.only_scaling else []
            write()
    document = write()
    print(text_table(document))
    draw(document, options.out / "all.svg")


if __name__ == "__main__":
    main()
