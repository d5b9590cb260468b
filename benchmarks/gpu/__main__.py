"""`python -m benchmarks.gpu --commit HASH`: what `make gpu` runs, to prove the kernels on a CUDA device.

First it runs the parity suite on the device. Then it measures the device time, peak memory and error of a step, beside
cross-entropy, the asymmetric loss, the plain formula and the floors of the device, which it measures too. It needs this
source tree on PYTHONPATH (`.` and `adapters`), torch with CUDA and Triton, pytest and hypothesis; JAX's rows need a JAX
that sees the GPU. It installs and downloads nothing.

It writes one JSON file, named after the GPU, again after every row, so that a failure loses nothing:

- `commit`, `date`, `gpu` (name, driver, compute capability, memory), `machine`, `versions`, `settings`;
- `how`: how each kind of number was measured, in words;
- `parity`: for each framework, the numbers of tests that passed, failed and were skipped, and of examples;
- `rates` of the device and the `floors` of a step at each size; `bars`: what the kernels are held to;
- `accuracy` of the kernels at each size, beside torch's operators in float64;
- `launcher`: for each part, how many results of the native launcher were compared with Triton's, and which differ;
- `rows`: `benchmarks.gpu.rows.Row` and its ratios, with the error's text where something failed;
- `errors` of everything else.

It runs everything, then ends with status 1 if parity, the kernels or the launcher failed, or if an error is beyond
rounding. A bar that is not met is no failure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu.document import table
from benchmarks.gpu.run import ALL, QUICK, Run, failures
from benchmarks.report import busy_warning, machine


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--commit", required=True, metavar="HASH", help="of the sources, for the file of results")
    add("--out", type=Path, metavar="FILE", help="default: benchmarks/results/GPU.json, named after the GPU")
    add("--quick", action="store_true", help="one small size and few steps: only shows that it runs; needs --out")
    add("--no-parity", action="store_true", help="leave the parity suite out")
    add("--budget", type=float, default=460.0, metavar="S", help="seconds to end in (default: %(default)s)")
    add("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: runs without a GPU; times mean nothing")
    options = parser.parse_args(arguments)
    if not options.commit:
        parser.error("--commit is empty: say which sources these are, with make's COMMIT=HASH where git does not know")
    if options.out is None and (options.quick or options.device == "cpu"):
        parser.error("--quick and --device cpu need --out: their figures must not replace the published results")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(2, f"{parser.prog} needs a CUDA device, and torch {torch.__version__} sees none\n")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything, write the file, print a table; returns the exit status."""
    options = parse(arguments)
    about = machine()
    if warning := busy_warning(about):
        print(warning, file=sys.stderr)
    run = Run(QUICK if options.quick else ALL, options.device, about, commit=options.commit, budget_s=options.budget)
    run.start(options.out)
    if not options.no_parity:
        run.parity()
    if options.device == "cuda":
        run.launcher()
    run.torch()
    run.jax()
    document = run.results.document()
    print(table(document))
    failed = failures(document)
    print("\n".join([*failed, f"written to {run.path}"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
