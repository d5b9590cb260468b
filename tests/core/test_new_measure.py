"""A new measure takes what CONTRIBUTING's checklist says, for the plain path in fewer than 30 lines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import obrl

PACKAGE = Path(obrl.__file__).parent

EDITS = {
    "measures.py": (
        (
            "@dataclass(frozen=True, slots=True)\nclass Measure:",
            "def _dice(table: FourfoldTable) -> Fraction:\n    return table.both + table.both, table.i + table.j\n\n\n",
        ),
        ("    }\n)\n", '        "dice": Measure(_dice, "2 s / (r + c)", 0, 1),\n'),
    ),
    "spec_measures.py": (
        (
            "_FRACTIONS: dict",
            "def _dice(n: float, s: float, r: float, c: float) -> tuple[float, float]:\n    return 2 * s, r + c\n\n\n",
        ),
        ("}\n\n\ndef measure_pairs", '    "dice": _dice,\n'),
    ),
}
"""For each file: the text before which lines are added, and the lines."""

CHECK = """
import numpy as np
from obrl import OBRLoss, OnlineBatchRelation, spec

rng = np.random.default_rng(0)
targets, logits = rng.integers(0, 2, (64, 5)), rng.standard_normal((64, 5))
state = spec.update(spec.initial_state(5), targets, measure="dice")
relation = OnlineBatchRelation(5, measure="dice").update(targets)
np.testing.assert_allclose(relation.relation, spec.relation(state, measure="dice"), rtol=1e-12)
criterion = OBRLoss(5, measure="dice", positive_threshold=0.5, negative_threshold=0.4)
codes = spec.pair_codes(relation.relation, positive_threshold=0.5, negative_threshold=0.4)
assert codes.active
expected = spec.terms(logits, targets, codes=codes)
terms, gradient = criterion.value_and_grad(logits, targets)
np.testing.assert_allclose(terms, expected[:3], rtol=1e-12)
np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-9, atol=1e-15)
assert "measure='dice'" in repr(criterion) and len(criterion.pairs()) * 2 == codes.active
"""


def test_a_new_measure_is_two_functions_and_two_entries(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "obrl", ignore=shutil.ignore_patterns("__pycache__"))
    added = 0
    for name, edits in EDITS.items():
        file = tmp_path / "obrl" / name
        text = file.read_text()
        for anchor, lines in edits:
            assert text.count(anchor) == 1, anchor
            text = text.replace(anchor, lines + anchor)
            added += lines.count("\n")
        file.write_text(text)
    assert added < 30
    run = subprocess.run(
        [sys.executable, "-c", CHECK], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
