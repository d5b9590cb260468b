"""Use the installed wheel with nothing but NumPy: smoke_numpy.py ENVIRONMENT."""

import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

import obrl


def check(condition: bool, what: str) -> None:
    """End the program unless the condition holds."""
    if not condition:
        sys.exit(f"failed: {what}")


def main() -> None:
    """Train a few steps, save, load, and import a framework that is not installed: the error names the extra."""
    check(Path(obrl.__file__).is_relative_to(sys.argv[1]), f"obrl comes from the wheel, not from {obrl.__file__}")
    rng = np.random.default_rng(0)
    features = rng.standard_normal((128, 6))
    targets = features @ rng.standard_normal((6, 4)) > 0
    targets[:, 1] = targets[:, 0]
    weights = np.zeros((6, 4))
    criterion = obrl.OBRLoss(4)
    first = criterion(features @ weights, targets)
    for _ in range(30):
        terms, gradient = criterion.value_and_grad(features @ weights, targets)
        weights -= 0.5 * features.T @ gradient
    check(terms.total < first / 2, "the loss falls")
    check([(pair.i, pair.j) for pair in criterion.pairs()] == [(0, 1)], "the two equal labels are the one pair")
    with tempfile.TemporaryDirectory() as folder:
        criterion.save_relation(Path(folder) / "relation.npz")
        loaded = obrl.OnlineBatchRelation.load(Path(folder) / "relation.npz")
        criterion.report(Path(folder) / "report.html")
        check(
            "OBRLoss" in (Path(folder) / "report.html").read_text(), "a report is written, so its page is in the wheel"
        )
    check(np.array_equal(loaded.relation, criterion.relation), "a relation is read as it was written")
    try:
        import_module("obrl.torch")
    except ImportError as error:
        check('pip install "obrl[torch]"' in str(error), "a missing framework names its extra")
    else:
        sys.exit("failed: obrl.torch needs PyTorch")
    command = Path(sys.executable).with_name("obrl")
    told = subprocess.run([command, "env"], capture_output=True, text=True, check=True).stdout
    check(told.startswith(f"obrl: {obrl.__version__}\n"), "`obrl env` starts with the version")
    check("torch: not installed" in told, "`obrl env` says which frameworks are not installed")
    print(f"NumPy works: {criterion}")


if __name__ == "__main__":
    main()
