"""What a user hears who pastes a block of the README with something wrong: a row is a block, a change, and key words.

A block runs to its end with its change, or raises; what counts is the last error, and all warnings. TensorFlow's blocks
run in a process of their own.
"""

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import pytest

from tests.project.helpers import ROOT, run_python
from tests.project.test_examples import examples
from tests.project.wrong_pastes_mining import CONDITION, MINING, RANGE

BLOCKS = {
    "PyTorch": ("from obrl.torch import OBRLoss", "criterion(model(features), targets)"),
    "Lightning": ("import lightning", "self.criterion(self.model(features), targets)"),
    "JAX": ("from obrl.jax import OBRLoss", "criterion(model(x), y, state)"),
    "Keras": ("from obrl.keras import OBRLossLayer", "model.fit([x, y]"),
    "TensorFlow": ("from obrl.tensorflow import OBRLoss", "model.fit(x, y"),
    "NumPy": ("criterion.value_and_grad", "criterion.value_and_grad(features @ weights, targets)"),
    "Mining": ("from obrl.mining import RelationMiner", CONDITION),
}
"""The words by which each block is recognised, and its call of the loss."""
PROCESSES = {
    "torch": ("Mining", "NumPy", "PyTorch", "Lightning"),
    "jax": ("JAX",),
    "tensorflow": ("Keras", "TensorFlow"),
}

PROBABILITIES = ("probabilities", "pass the values before the sigmoid")
SILENT = ()
"""No message: a compiled program of JAX reads no value by default, since that would slow each step down."""
RAISED_BY_KERAS = ("Unrecognized data type",)
"""Keras refuses a list before obrl sees it, and names no remedy."""
SAID_IN_DOCS = {
    SILENT: ("docs/guides/checks.md", "In JAX `validate=True` in a first run does so too."),
    RAISED_BY_KERAS: ("docs/guides/checks.md", "Give it arrays, `np.asarray(targets)`, not lists."),
}
"""Where the answer names no remedy, the page that does, and its words."""
SWAPPED = ("targets must lie in [0, 1]", "If they are logits", "the order is (logits, targets)", "(y_true, y_pred)")
LOSS = {"Keras": "OBRLossLayer(40"}


def with_names(block, names):
    """The change that gives the loss label names."""
    start = LOSS.get(block, "OBRLoss(3" if block == "NumPy" else "OBRLoss(40")
    return (f"{start})", f"{start}, {names})")


def rows_of(block):
    """The changes of names that every block has, with the words of the answer."""
    size = 3 if block == "NumPy" else 40
    names = f"[f'name {{i}}' for i in range({size})]"
    mined = f"__import__('obrl').OnlineBatchRelation({size}, label_names="
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
        "thresholds in phi": (
            with_names(block, "positive_threshold=0.6, negative_threshold=-0.6"),
            (
                "with negative_threshold=-0.6 no pair passes",
                'positive_threshold=0.8 and negative_threshold=0.2, or measure="pearson"',
            ),
        ),
        "a wrong name": (
            with_names(block, f"label_names=['other', *{names}[1:]], relation={mined}{names})"),
            (
                "got 'other' for label 0 in label_names and 'name 0' in the relation",
                "the names of its relation, or none",
            ),
        ),
    }


ROWS = {
    "NumPy": {
        "logits and targets swapped": (
            (
                BLOCKS["NumPy"][1],
                "criterion.value_and_grad(targets.astype(float), features @ rng.standard_normal((8, 3)))",
            ),
            (*SWAPPED, "as targets are"),
        ),
        "a list of the labels present": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, [[0], [0, 2]] * 128)"),
            ("targets must be an array with rows of one length", "an entry for each label"),
        ),
        "-1 for missing": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, targets * 2 - 1)"),
            RANGE,
        ),
        "probabilities": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(1 / (1 + np.exp(-features)[:, :3]), targets)"),
            PROBABILITIES,
        ),
        "None for missing": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, [[None, 0, 1]] * 256)"),
            ("got object: missing targets are NaN, not None",),
        ),
        "words": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, [['yes', 'no', 'no']] * 256)"),
            ("words are 1 for present and 0 for absent",),
        ),
        "classes": (
            (BLOCKS["NumPy"][1], "criterion.value_and_grad(features @ weights, np.arange(256) % 3)"),
            ("targets must have shape (batch, num_labels)", "one column a label, so that classes are one-hot"),
        ),
    },
    "PyTorch": {
        "logits and targets swapped": (
            (BLOCKS["PyTorch"][1], "criterion(targets.nan_to_num(), model(features))"),
            (*SWAPPED, "as targets are"),
        ),
        "NumPy's loss": (
            ("from obrl.torch import", "from obrl import"),
            ("logits must be a NumPy array, got a Tensor that needs a gradient", "from obrl.torch import OBRLoss"),
        ),
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
        "logits and targets swapped": (
            (BLOCKS["Lightning"][1], "self.criterion(targets, self.model(features))"),
            (*SWAPPED, "as targets are"),
        ),
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
        "logits and targets swapped, compiled, validate=True": (
            (
                *(BLOCKS["JAX"][1], "criterion(y.astype('float32'), model(x), state)"),
                *("OBRLoss(40)", "OBRLoss(40, validate=True)"),
            ),
            SWAPPED,
        ),
        "NumPy's loss": (
            (
                "criterion(model(x), y, state), has_aux=True",
                "(__import__('obrl').OBRLoss(40)(model(x), y), state), has_aux=True",
            ),
            ("that needs a gradient", "from obrl.jax import OBRLoss"),
        ),
        "a list": (
            (BLOCKS["JAX"][1], "criterion(model(x), [[0] * 40] * 64, state)"),
            ("targets must be a JAX or NumPy array, got list: use jnp.asarray(targets)",),
        ),
        "-1 for missing, compiled": ((BLOCKS["JAX"][1], "criterion(model(x), y * 2 - 1, state)"), SILENT),
        "-1 for missing, compiled, validate=True": (
            (BLOCKS["JAX"][1], "criterion(model(x), y * 2 - 1, state)", "OBRLoss(40)", "OBRLoss(40, validate=True)"),
            RANGE,
        ),
        "-1 for missing, not compiled": (
            (BLOCKS["JAX"][1], "criterion(model(x), y * 2 - 1, state)", "@nnx.jit\n", ""),
            RANGE,
        ),
        "probabilities, not compiled": (
            (BLOCKS["JAX"][1], "criterion(nnx.sigmoid(model(x)), y, state)", "@nnx.jit\n", ""),
            PROBABILITIES,
        ),
        "probabilities": ((BLOCKS["JAX"][1], "criterion(nnx.sigmoid(model(x)), y, state)"), PROBABILITIES),
    },
    "Keras": {
        "logits and targets swapped, compiled": (
            ("layer(keras.layers.Dense(40)(features), targets)", "layer(targets, keras.layers.Dense(40)(features))"),
            SWAPPED,
        ),
        "a list": (
            (BLOCKS["Keras"][1], "model.fit([x, y.tolist()]"),
            RAISED_BY_KERAS,
        ),
        "-1 for missing, compiled": ((BLOCKS["Keras"][1], "model.fit([x, y * 2 - 1]"), RANGE),
        "probabilities": (("Dense(40)(", "Dense(40, activation='sigmoid')("), PROBABILITIES),
    },
    "TensorFlow": {
        "logits and targets swapped": (
            (BLOCKS["TensorFlow"][1], "criterion(model(x), y); model.fit(x, y"),
            (*SWAPPED, "as targets are"),
        ),
        "a list": (
            (BLOCKS["TensorFlow"][1], "criterion([[0] * 40], np.zeros((1, 40), 'float32')); model.fit(x, y"),
            ("targets must be a TensorFlow tensor or NumPy array, got list: use np.asarray(targets)",),
        ),
        "-1 for missing, compiled": ((BLOCKS["TensorFlow"][1], "model.fit(x, y * 2 - 1"), RANGE),
        "probabilities": (("Dense(40)", "Dense(40, activation='sigmoid')"), PROBABILITIES),
    },
}
TABLE = {block: {**rows_of(block), **rows} for block, rows in ROWS.items()} | {"Mining": MINING}

RUN = """
import json, sys, warnings
answers = {{}}
for name, source in {sources!r}.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(compile(source, name, "exec"), {{"__name__": "__main__"}})
            words = []
        except Exception as error:
            words = [str(error)]
    answers[name] = "\\n".join(words + [str(warning.message) for warning in caught])
print("ANSWERS", json.dumps(answers))
"""


def changed(block, change):
    """The block of the README, with each of the replacements of a change; each must occur in it."""
    marker, call = BLOCKS[block]
    source = next(
        source for _, source in examples((ROOT / "README.md").read_text()) if marker in source and call in source
    )
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert source.count(old) == 1, f"the block of {block} has {old!r} {source.count(old)} times"
        source = source.replace(old, new)
    return source


@cache
def answers_of(process):
    """What each row of the blocks of one process says, by block and row."""
    sources = {
        f"{block}: {row}": changed(block, change)
        for block in PROCESSES[process]
        for row, (change, _) in {**TABLE[block], "as it is": ((), ())}.items()
    }
    with tempfile.TemporaryDirectory() as folder:  # where Lightning leaves checkpoints
        variables = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "adapters")])}
        told = run_python(RUN.format(sources=sources), cwd=Path(folder), environment=variables)
    return json.loads(told.partition("ANSWERS ")[2])


@pytest.mark.parametrize(
    ("process", "block", "row"),
    [(process, block, row) for process, blocks in PROCESSES.items() for block in blocks for row in TABLE[block]],
)
def test_a_wrong_paste_is_told_what_to_do(process, block, row):
    answer = answers_of(process)[f"{block}: {row}"]
    expected = TABLE[block][row][1]
    assert [words for words in expected if words not in answer] == [], answer
    if expected == SILENT:
        assert "targets must" not in answer, "there is a message now: this row and the page can say so"
    if expected in SAID_IN_DOCS:
        page, words = SAID_IN_DOCS[expected]
        assert words in " ".join((ROOT / page).read_text().split())


@pytest.mark.parametrize(
    ("process", "block"), [(process, block) for process in PROCESSES for block in PROCESSES[process]]
)
def test_the_block_itself_is_told_nothing(process, block):
    answer = answers_of(process)[f"{block}: as it is"]
    assert not any(words in answer for words in ("targets must", "label_names must", *PROBABILITIES)), answer
