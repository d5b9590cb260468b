"""`python -m benchmarks.loss_step`: times one step of obrl's loss beside what else one could run.

Measures the whole step (relation update, forward, backward to the logits) and its peak extra memory, for cross-entropy
alone, obrl, and the paper's formula written plainly, each eager and compiled.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.labels import LABEL_KINDS
from benchmarks.measure import Plan, Row, measure_size
from benchmarks.registry import FRAMEWORKS, IMPLEMENTATIONS, of_framework
from benchmarks.report import busy_warning, machine, make_document, markdown, text_table

SIZES = ((64, 40), (256, 40), (1024, 40), (256, 312), (128, 1000))
QUICK_SIZES = ((64, 40),)
QUICK = Plan(rounds=3, burst_s=0.02, max_steps=20, memory_steps=1)


def parse_size(text: str) -> tuple[int, int]:
    """`"256x40"` as (256, 40)."""
    try:
        batch, num_labels = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"a size is BATCHxLABELS, such as 256x40, got {text!r}") from None
    if batch < 2 or num_labels < 2:
        raise argparse.ArgumentTypeError(f"a size needs at least 2 samples and 2 labels, got {text!r}")
    return batch, num_labels


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loss_step", description=__doc__)
    add = parser.add_argument
    add("--sizes", type=parse_size, nargs="+", metavar="KxM", help="default: the five of the documentation")
    add("--framework", choices=FRAMEWORKS, default=FRAMEWORKS[0], help="whose implementations (default: %(default)s)")
    add("--implementations", nargs="+", choices=tuple(IMPLEMENTATIONS), help="these alone, of any framework")
    add("--labels", nargs="+", choices=tuple(LABEL_KINDS), default=list(LABEL_KINDS), help="kinds of labels")
    add("--repeats", type=int, help=f"rounds of bursts (default: {Plan().rounds})")
    add("--threads", type=int, default=Plan().threads, help="threads of each framework")
    add(
        "--quick",
        action="store_true",
        help="one size and few steps: only shows that it runs",
    )
    add("--json", type=Path, metavar="PATH", help="write every figure, and what it was measured on, to PATH")
    add("--markdown", type=Path, metavar="PATH", help="write the tables as Markdown to PATH")
    options = parser.parse_args(arguments)
    for name in ("repeats", "threads"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    options.implementations = options.implementations or of_framework(options.framework)
    return options


def make_plan(options: argparse.Namespace) -> Plan:
    """How much to measure, from the command line."""
    base = QUICK if options.quick else Plan()
    return Plan(
        rounds=options.repeats or base.rounds,
        burst_s=base.burst_s,
        max_steps=base.max_steps,
        memory_steps=base.memory_steps,
        threads=options.threads,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the files that were asked for."""
    options = parse(arguments)
    plan = make_plan(options)
    about = machine()
    if warning := busy_warning(about):
        print(warning, file=sys.stderr, flush=True)
    rows: list[Row] = []
    versions: dict[str, str] = {}
    for batch, num_labels in options.sizes or (QUICK_SIZES if options.quick else SIZES):
        new_rows, new_versions = measure_size(
            batch,
            num_labels,
            options.implementations,
            options.labels,
            plan,
            say=lambda line: print(line, file=sys.stderr, flush=True),
        )
        rows += new_rows
        versions |= new_versions
    document = make_document(rows, plan, versions, about)
    print(text_table(document))
    for path, text in (
        (options.json, json.dumps(document, indent=2) + "\n"),
        (options.markdown, markdown(document)),
    ):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
