"""Bad inputs, with the error that each must give: what was expected, and what came.

One table for every framework. `ARGUMENTS` are refused when a loss is made; `CALLS` when it is called, before its state
moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

NUM_LABELS = 3
GOOD_TARGETS = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 0]])
GOOD_LOGITS = np.array([[2.0, 1, -1], [-1, 0.5, 1], [0, 3, 0.25], [-2, -1, 1], [1, 1, 1]])


@dataclass(frozen=True)
class BadInput:
    """One mistake.

    Attributes:
        name: what is wrong.
        change: the arguments that are wrong; arrays are NumPy's, for the framework to convert.
        error: the type of the exception.
        expected: part of the message that says what was expected.
        came: part of it that says what came.
        relation_loss: whether `RelationLoss` takes the argument too.
    """

    name: str
    change: dict[str, Any]
    error: type[Exception]
    expected: str
    came: str
    relation_loss: bool = field(default=True)

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


ARGUMENTS = (
    BadInput("decay 0", {"decay": 0.0}, ValueError, "decay must be in (0, 1]", "got 0.0"),
    BadInput("decay above 1", {"decay": 1.01}, ValueError, "decay must be in (0, 1]", "got 1.01"),
    BadInput("decay NaN", {"decay": float("nan")}, ValueError, "decay must be in (0, 1]", "got nan"),
    BadInput("decay a word", {"decay": "0.9"}, TypeError, "decay must be a real number", "got '0.9'"),
    BadInput("alpha negative", {"alpha": -1.0}, ValueError, "alpha must be", "got -1.0", relation_loss=False),
    BadInput("alpha infinite", {"alpha": float("inf")}, ValueError, "finite", "got inf", relation_loss=False),
    BadInput(
        "thresholds that cross",
        {"positive_threshold": 0.2, "negative_threshold": 0.8},
        ValueError,
        "negative_threshold must be below positive_threshold",
        "negative_threshold=0.8 and positive_threshold=0.2",
    ),
    BadInput(
        "thresholds that are equal",
        {"positive_threshold": 0.5, "negative_threshold": 0.5},
        ValueError,
        "negative_threshold must be below positive_threshold",
        "negative_threshold=0.5 and positive_threshold=0.5",
    ),
    BadInput(
        "threshold NaN",
        {"positive_threshold": float("nan")},
        ValueError,
        "negative_threshold must be below positive_threshold",
        "positive_threshold=nan",
    ),
    BadInput("unknown measure", {"measure": "kendall"}, ValueError, "'unit_pearson'", "got 'kendall'"),
    BadInput("unknown estimator", {"estimator": "mean"}, ValueError, "'batch', 'counts'", "got 'mean'"),
    BadInput("unknown normalization", {"normalization": "pairs"}, ValueError, "'all_pairs'", "got 'pairs'"),
    BadInput("unknown reduction", {"reduction": "avg"}, ValueError, "'mean', 'sum', 'none'", "got 'avg'"),
    BadInput("unknown impl", {"impl": "triton"}, ValueError, "'auto', 'plain', 'fused'", "got 'triton'"),
    BadInput(
        "pos_weight of another length",
        {"pos_weight": np.ones(4)},
        ValueError,
        "(3,)",
        "got (4,)",
        relation_loss=False,
    ),
    BadInput(
        "pos_weight a matrix",
        {"pos_weight": np.ones((1, 3))},
        ValueError,
        "pos_weight must have shape (num_labels,)",
        "(1, 3)",
        relation_loss=False,
    ),
    BadInput(
        "pos_weight negative",
        {"pos_weight": np.array([1.0, -2.0, 1.0])},
        ValueError,
        "non-negative",
        "-2",
        relation_loss=False,
    ),
    BadInput(
        "pos_weight NaN",
        {"pos_weight": np.array([1.0, np.nan, 1.0])},
        ValueError,
        "finite",
        "nan",
        relation_loss=False,
    ),
    BadInput("too few label names", {"label_names": ["a", "b"]}, ValueError, "label_names must hold 3 names", "got 2"),
    BadInput(
        "a label name twice", {"label_names": ["a", "b", "a"]}, ValueError, "must be distinct", "a more than once"
    ),
    BadInput("label names in one word", {"label_names": "abc"}, TypeError, "sequence of 3 strings", "'abc'"),
    BadInput("label names that are numbers", {"label_names": [1, 2, 3]}, TypeError, "strings", "got 1"),
    BadInput(
        "a matrix of another size", {"relation": np.eye(4)}, ValueError, "relation must have shape (3, 3)", "(4, 4)"
    ),
    BadInput(
        "a matrix out of range",
        {"relation": np.full((3, 3), -0.5)},
        ValueError,
        "relation must lie in [0, 1]",
        "-0.5",
    ),
    BadInput(
        "a matrix that is not symmetric",
        {"relation": np.triu(np.ones((3, 3)))},
        ValueError,
        "relation must be symmetric",
        "that is not",
    ),
    BadInput(
        "a matrix for counts",
        {"relation": np.eye(3), "estimator": "counts"},
        ValueError,
        'estimator="batch"',
        "got a matrix",
    ),
)

CALLS = (
    BadInput(
        "logits of rank 1", {"logits": GOOD_LOGITS[0]}, ValueError, "logits must have shape (batch, num_labels)", "(3,)"
    ),
    BadInput(
        "logits of rank 3",
        {"logits": GOOD_LOGITS[None], "targets": GOOD_TARGETS[None]},
        ValueError,
        "logits must have shape (batch, num_labels)",
        "(1, 5, 3)",
    ),
    BadInput(
        "too many labels",
        {"logits": np.zeros((5, 4)), "targets": np.zeros((5, 4))},
        ValueError,
        "num_labels = 3",
        "(5, 4)",
    ),
    BadInput("targets of another batch size", {"targets": GOOD_TARGETS[:4]}, ValueError, "(5, 3)", "got (4, 3)"),
    BadInput("targets as class indices", {"targets": np.zeros(5, np.int64)}, ValueError, "(batch, num_labels)", "(5,)"),
    BadInput("integer logits", {"logits": GOOD_TARGETS}, TypeError, "logits must be floating point", "int64"),
    BadInput("complex logits", {"logits": GOOD_LOGITS + 0j}, TypeError, "logits must be floating point", "complex128"),
    BadInput(
        "complex targets", {"targets": GOOD_TARGETS + 0j}, TypeError, "targets must be bool, integer", "complex128"
    ),
    BadInput("targets in -1 and 1", {"targets": 2 * GOOD_TARGETS - 1}, ValueError, "targets must lie in [0, 1]", "-1"),
    BadInput("targets above 1", {"targets": GOOD_TARGETS * 1.5}, ValueError, "targets must lie in [0, 1]", "1.5"),
    BadInput(
        "an infinite target",
        {"targets": np.where(GOOD_TARGETS > 0, np.inf, 0.0)},
        ValueError,
        "targets must lie in [0, 1]",
        "inf",
    ),
    BadInput(
        "a bad target beside a missing one",
        {"targets": np.where(GOOD_TARGETS > 0, 2.0, np.nan)},
        ValueError,
        "targets must lie in [0, 1]",
        "2",
    ),
    BadInput("observed as numbers", {"observed": np.ones((5, 3))}, TypeError, "observed must be bool", "float64"),
    BadInput(
        "observed of another shape",
        {"observed": np.ones((5, 1), bool)},
        ValueError,
        "observed must have shape (batch, num_labels) = (5, 3)",
        "got (5, 1)",
    ),
    BadInput(
        "sample weights of another length",
        {"sample_weight": np.ones(4)},
        ValueError,
        "sample_weight must have shape (batch,) = (5,)",
        "got (4,)",
    ),
    BadInput(
        "sample weights a column",
        {"sample_weight": np.ones((5, 1))},
        ValueError,
        "sample_weight must have shape (batch,)",
        "(5, 1)",
    ),
    BadInput(
        "complex sample weights",
        {"sample_weight": np.ones(5) + 0j},
        TypeError,
        "sample_weight must be",
        "complex128",
    ),
    BadInput("update a number", {"update": 1}, TypeError, "update must be True, False or None", "got 1"),
)

UPDATE_ARGUMENTS = ("targets", "observed")


WITHOUT_KERNELS = BadInput(
    "fused kernels where there are none",
    {"impl": "fused"},
    ValueError,
    "obrl has no kernels of its own",
    'impl="fused"',
)
"""An argument too, of NumPy's losses."""


def good_call(change: dict[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    """The arguments of a call that works, but for `change`, with arrays of the framework."""
    arguments: dict[str, Any] = {"logits": GOOD_LOGITS, "targets": GOOD_TARGETS} | change
    return {name: convert(value) if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


@contextmanager
def refused(bad: BadInput) -> Iterator[None]:
    """Expect the error of an entry."""
    with pytest.raises(bad.error, match=re.escape(bad.expected)) as caught:
        yield
    if bad.came not in str(caught.value):
        raise AssertionError(f"{bad.name}: the message does not say what came ({bad.came}): {caught.value}")
