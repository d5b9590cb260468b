"""What a user hears who pastes a block of the README with something wrong: each row is a block, a change, and key words.

A block runs to its end with its change, or raises; what counts is the last error, and all warnings. TensorFlow's blocks
run in a process of their own.
"""

import json
import os
from functools import cache

import pytest

from tests.project.helpers import ROOT, run_python
from tests.project.test_examples import examples

NAMES = "[f'name {i}' for i in range(40)]"
BLOCKS = {
    "PyTorch": ("from obrl.torch import OBRLoss", "criterion(model(features), targets)"),
    "Lightning": ("import lightning", "self.criterion(self.model(features), targets)"),
    "JAX": ("from obrl.jax import OBRLoss", "criterion(model(x), y, state)"),
    "Keras": ("from obrl.keras import OBRLossLayer", "model.fit([x, y]"),
    "TensorFlow": ("from obrl.tensorflow import OBRLoss", "model.fit(x, y"),
    "NumPy": ("criterion.value_and_grad", "criterion.value_and_grad(features @ weights, targets)"),
}
"""The words by which each block is recognised, and its call of the loss."""
PROCESSES = {"torch": ("NumPy", "PyTorch", "Lightning"), "jax": ("JAX",), "tensorflow": ("Keras", "TensorFlow")}

RANGE = ("targets must lie in [0, 1]", "NaN", "ignore_index", "got values from -1 to 1")
PROBABILITIES = ("probabilities", "pass the values before the sigmoid")
LOSS = {"Keras": "OBRLossLayer(40"}
COLUMNS = 39
OTHER_ORDER = (
    "import numpy as np; import obrl; names = [f'name {i}' for i in range(SIZE)]\n"
    "mined = obrl.OnlineBatchRelation(SIZE, label_names=names[::-1])\n"
)


def with_names(block, names):
    """The change that gives the loss label names."""
    start = LOSS.get(block, "OBRLoss(3" if block == "NumPy" else "OBRLoss(40")
    return (f"{start})", f"{start}, {names})")


def rows_of(block):
    """The changes of names that every block has, with the words of the answer."""
    size = 3 if block == "NumPy" else 40
    names, mined = f"[f'name {{i}}' for i in range({size})]", f"__import__('obrl').OnlineBatchRelation({size}, label_names="
    return {
        "a name too few": (
            with_names(block, f"label_names={names}[1:]"),
            (f"label_names must hold {size} names, one a label in the order of the columns, got {size - 1}",),
        ),
        "a name twice": (
            with_names(block, f"label_names=['a', *{names}[:-2], 'a']"),
            ("label_names must be distinct, got a more than once",),
        ),
        "names in another order": (
            with_names(block, f"label_names={names}, relation={mined}{names}[::-1])"),
            ("the same names in another order: use one order",),
        ),
        "a wrong name": (
            with_names(block, f"label_names=['other', *{names}[1:]], relation={mined}{names})"),
            ("got 'other' and 'name 0' for label 0", "only one of them knows 'name 0', 'other'"),
        ),
    }


ROWS = {
    "NumPy": {
        "a list of the labels present": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, [[0], [0, 2]] * 128)"),
            ("targets must be an array with rows of one length", "an entry for each label"),
        ),
        "-1 for missing": ((BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, targets * 2 - 1)"), RANGE),
        "probabilities": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(1 / (1 + np.exp(-features)[:, :3]), targets)"),
            PROBABILITIES,
        ),
    },
    "PyTorch": {
        "a list": (
            (BLOCKS["PyTorch"][1], "criterion(model(features), targets.tolist())"),
            ("targets must be a torch.Tensor, got list: use torch.as_tensor(targets)",),
        ),
        "-1 for missing": ((BLOCKS["PyTorch"][1], "criterion(model(features), targets * 2 - 1)"), RANGE),
        "probabilities": ((BLOCKS["PyTorch"][1], "criterion(model(features).sigmoid(), targets)"), PROBABILITIES),
        "probabilities without a graph": (
            (BLOCKS["PyTorch"][1], "criterion(model(features).sigmoid().detach().requires_grad_(), targets)"),
            PROBABILITIES,
        ),
    },
    "Lightning": {
        "a list, as its loader joins lists": (
            (BLOCKS["Lightning"][1], "self.criterion(self.model(features), list(targets.T))"),
            ("targets must be a torch.Tensor, got list: join its tensors with torch.stack(targets, dim=1)",),
        ),
        "-1 for missing": ((BLOCKS["Lightning"][1], "self.criterion(self.model(features), targets * 2 - 1)"), RANGE),
        "probabilities": (
            (BLOCKS["Lightning"][1], "self.criterion(self.model(features).sigmoid(), targets)"),
            PROBABILITIES,
        ),
    },
    "JAX": {
        "a list": (
            (BLOCKS["JAX"][1], "criterion(model(x), [[0] * 40] * 64, state)"),
            ("targets must be a JAX or NumPy array, got list: use jnp.asarray(targets)",),
        ),
        "-1 for missing, compiled": ((BLOCKS["JAX"][1], "criterion(model(x), y * 2 - 1, state)"), RANGE),
        "probabilities": ((BLOCKS["JAX"][1], "criterion(nnx.sigmoid(model(x)), y, state)"), PROBABILITIES),
    },
    "Keras": {
        "a list": (
            ("layer(keras.layers.Dense(40)(features), targets)", "layer(keras.layers.Dense(40)(features), [[0] * 40])"),
            ("targets must be a tensor of Keras's", "got list: use keras.ops.convert_to_tensor(targets)"),
        ),
        "-1 for missing, compiled": ((BLOCKS["Keras"][1], "model.fit([x, y * 2 - 1]"), RANGE),
        "probabilities": (("Dense(40)(", "Dense(40, activation='sigmoid')("), PROBABILITIES),
    },
    "TensorFlow": {
        "a list": (
            (BLOCKS["TensorFlow"][1], "criterion([[0] * 40], np.zeros((1, 40), 'float32')); model.fit(x, y"),
            ("targets must be a TensorFlow tensor or NumPy array, got list: use np.asarray(targets)",),
        ),
        "-1 for missing, compiled": ((BLOCKS["TensorFlow"][1], "model.fit(x, y * 2 - 1"), RANGE),
        "probabilities": (("Dense(40)", "Dense(40, activation='sigmoid')"), PROBABILITIES),
    },
}
TABLE = {block: {**rows_of(block), **rows} for block, rows in ROWS.items()}

RUN = """
import json, sys, warnings
answers = {}
for name, source in json.loads(sys.stdin.read()).items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(source, name, "exec"), {"__name__": "__main__"})
            words = []
        except Exception as error:
            words = [str(error)]
    answers[name] = "\\n".join(words + [str(warning.message) for warning in caught])
print("ANSWERS", json.dumps(answers))
"""


def source_of(block):
    """The block of the README."""
    marker = BLOCKS[block][0]
    found = [source for _, source in examples((ROOT / "README.md").read_text()) if marker in source]
    return found[0]
