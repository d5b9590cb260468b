"""The table of settings says what the losses of every framework take, and their defaults."""

from __future__ import annotations

import ast
import json
import os
import re

import pytest

from tests.project.helpers import ROOT, run_python

FRAMEWORKS = {
    "NumPy": "obrl.OBRLoss",
    "PyTorch": "obrl.torch.OBRLoss",
    "JAX": "obrl.jax.OBRLoss",
    "Keras": "obrl.keras.OBRLossLayer",
    "TensorFlow": "obrl.tensorflow.OBRLoss",
}
OF_KERAS = {"name", "dtype", "trainable"}
"""What Keras gives every layer and loss."""
SIGNATURE = """
import importlib, inspect, json
module, _, name = {loss!r}.rpartition(".")
parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters.values()
defaults = {{entry.name: "required" if entry.default is entry.empty else repr(entry.default) for entry in parameters}}
print(json.dumps(defaults))
"""


def documented() -> dict[str, tuple[str, set[str]]]:
    """The default of each setting in the table, and the frameworks that know it."""
    text = (ROOT / "docs" / "api" / "settings.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    assert {len(row) for row in rows} == {6}
    return {
        row[0].strip("`"): (row[4].strip("`"), set(FRAMEWORKS) if row[5] == "all" else set(row[5].split(", ")))
        for row in rows
    }


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_table_says_what_the_loss_takes(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own: TensorFlow and torch cannot share one."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    printed = run_python(SIGNATURE.format(loss=FRAMEWORKS[framework])).splitlines()[-1]
    taken = {name: default for name, default in json.loads(printed).items() if name not in OF_KERAS}
    table = {name: default for name, (default, known) in documented().items() if framework in known}
    assert set(table) == set(taken)
    for name, default in table.items():
        shown = default if default == "required" else repr(ast.literal_eval(default))
        assert shown == taken[name], name


def test_every_setting_has_a_meaning_and_a_range() -> None:
    text = (ROOT / "docs" / "api" / "settings.md").read_text(encoding="utf-8")
    for line in re.findall(r"^\| `.*$", text, re.MULTILINE):
        assert all(cell.strip() for cell in line.strip("|").split("|")), line
    assert all(known <= set(FRAMEWORKS) for _, known in documented().values())
