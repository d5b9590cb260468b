"""Bad inputs, and the error of each: its type, what it says was expected, and what it says it got.

One table for every framework. Constructors of losses refuse `ARGUMENTS`; calls refuse `CALLS` before the state moves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
        actual: part of it that says what the argument is.
    """

    name: str
    change: dict[str, Any]
    error: type[Exception]
    expected: str
    actual: str

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    @property
    def relation_loss(self) -> bool:
        """Whether `RelationLoss` takes the argument too."""
        return not {"alpha", "pos_weight", "cross_entropy"} & set(self.change)


def _value(name: str, expected: str, actual: str, **change: Any) -> BadInput:
    return BadInput(name, change, ValueError, expected, actual)


def _type(name: str, expected: str, actual: str, **change: Any) -> BadInput:
    return BadInput(name, change, TypeError, expected, actual)


_CROSSED = "negative_threshold must be below positive_threshold"
_IN_RANGE = "targets must lie in [0, 1]"
_ONES = GOOD_TARGETS > 0

ARGUMENTS = (
    _value("decay 0", "decay must be in (0, 1]", "got 0.0", decay=0.0),
    _value("decay above 1", "decay must be in (0, 1]", "got 1.01", decay=1.01),
    _value("decay NaN", "decay must be in (0, 1]", "got nan", decay=float("nan")),
    _type("decay a word", "decay must be a real number", "got '0.9'", decay="0.9"),
    _value("alpha negative", "alpha must be", "got -1.0", alpha=-1.0),
    _value("alpha infinite", "finite", "got inf", alpha=float("inf")),
    *(
        _value(
            f"thresholds that {how}",
            _CROSSED,
            f"negative_threshold={low} and positive_threshold={high}",
            positive_threshold=high,
            negative_threshold=low,
        )
        for how, low, high in (("cross", 0.8, 0.2), ("are equal", 0.5, 0.5))
    ),
    _value("threshold NaN", _CROSSED, "positive_threshold=nan", positive_threshold=float("nan")),
    _value("unknown measure", "'unit_pearson'", "got 'kendall'", measure="kendall"),
    _value("unknown estimator", "'batch', 'counts'", "got 'mean'", estimator="mean"),
    _value("unknown normalization", "'all_pairs'", "got 'pairs'", normalization="pairs"),
    _value("unknown reduction", "'mean', 'sum', 'none'", "got 'avg'", reduction="avg"),
    _value("unknown impl", "'auto', 'plain', 'fused'", "got 'triton'", impl="triton"),
    _value("pos_weight of another length", "(3,)", "got (4,)", pos_weight=np.ones(4)),
    _value("pos_weight a matrix", "pos_weight must have shape (num_labels,)", "(1, 3)", pos_weight=np.ones((1, 3))),
    _value("pos_weight negative", "non-negative", "-2", pos_weight=np.array([1.0, -2.0, 1.0])),
    _value("pos_weight NaN", "finite", "nan", pos_weight=np.array([1.0, np.nan, 1.0])),
    _value("an unknown cross_entropy", 'cross_entropy must be "bce"', "got 'focal'", cross_entropy="focal"),
    _type("a class as cross_entropy", "got the class dict", "give an object of it", cross_entropy=dict),
    _type("a cross_entropy that is no function", "a function of (logits, targets)", "got 0.5", cross_entropy=0.5),
    _value(
        "pos_weight beside a function",
        "give it to your function",
        "beside a function for cross_entropy",
        cross_entropy=max,
        pos_weight=np.ones(3),
    ),
    *(_value(f"ignore_index {label}", "no label", f"got {label}", ignore_index=label) for label in (0, 1)),
    *(
        _type(f"ignore_index {mark!r}", "whole number", f"got {mark!r}", ignore_index=mark)
        for mark in (-1.0, True, "-1")
    ),
    _value("too few label names", "label_names must hold 3 names", "got 2", label_names=["a", "b"]),
    _value("a label name twice", "must be distinct", "a more than once", label_names=["a", "b", "a"]),
    _type("label names in one word", "sequence of 3 strings", "'abc'", label_names="abc"),
    _type("label names that are numbers", "strings", "got 1", label_names=[1, 2, 3]),
    _value("a matrix of another size", "relation must have shape (3, 3)", "(4, 4)", relation=np.eye(4)),
    _value("a matrix out of range", "relation must lie in [0, 1]", "-0.5", relation=np.full((3, 3), -0.5)),
    _value(
        "a matrix that is not symmetric", "relation must be symmetric", "that is not", relation=np.triu(np.ones((3, 3)))
    ),
    _value("a matrix for counts", 'estimator="batch"', "got a matrix", relation=np.eye(3), estimator="counts"),
)

CALLS = (
    _value("logits of rank 1", "logits must have shape (batch, num_labels)", "(3,)", logits=GOOD_LOGITS[0]),
    _value(
        "logits of rank 3",
        "logits must have shape (batch, num_labels)",
        "(1, 5, 3)",
        logits=GOOD_LOGITS[None],
        targets=GOOD_TARGETS[None],
    ),
    _value("too many labels", "num_labels = 3", "(5, 4)", logits=np.zeros((5, 4)), targets=np.zeros((5, 4))),
    _value("targets of another batch size", "(5, 3)", "got (4, 3)", targets=GOOD_TARGETS[:4]),
    _value("targets as class indices", "(batch, num_labels)", "(5,)", targets=np.zeros(5, np.int64)),
    _type("integer logits", "logits must be floating point", "int64", logits=GOOD_TARGETS),
    _type("complex logits", "logits must be floating point", "complex128", logits=GOOD_LOGITS + 0j),
    _type("complex targets", "targets must be bool, integer", "complex128", targets=GOOD_TARGETS + 0j),
    _value("targets in -1 and 1", _IN_RANGE, "-1", targets=2 * GOOD_TARGETS - 1),
    _value("targets above 1", _IN_RANGE, "1.5", targets=GOOD_TARGETS * 1.5),
    _value("an infinite target", _IN_RANGE, "inf", targets=np.where(_ONES, np.inf, 0.0)),
    _value("a bad target beside a missing one", _IN_RANGE, "2", targets=np.where(_ONES, 2.0, np.nan)),
    _type("observed as numbers", "observed must be bool", "float64", observed=np.ones((5, 3))),
    _value(
        "observed of another shape",
        "observed must have shape (batch, num_labels) = (5, 3)",
        "got (5, 1)",
        observed=np.ones((5, 1), bool),
    ),
    _value(
        "sample weights of another length",
        "sample_weight must have shape (batch,) = (5,)",
        "got (4,)",
        sample_weight=np.ones(4),
    ),
    _value(
        "sample weights a column", "sample_weight must have shape (batch,)", "(5, 1)", sample_weight=np.ones((5, 1))
    ),
    _type("complex sample weights", "sample_weight must be", "complex128", sample_weight=np.ones(5) + 0j),
    _type("update a number", "update must be True, False or None", "got 1", update=1),
)

WITHOUT_KERNELS = _value(
    "fused code in NumPy",
    'impl="fused" needs obrl.torch, obrl.jax or obrl.tensorflow',
    'got impl="fused" in NumPy',
    impl="fused",
)
"""An argument that NumPy's losses alone refuse."""


def good_call(change: dict[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    """The arguments of a call that works, but for `change`, with arrays of the framework."""
    arguments: dict[str, Any] = {"logits": GOOD_LOGITS, "targets": GOOD_TARGETS} | change
    return {name: convert(value) if isinstance(value, np.ndarray) else value for name, value in arguments.items()}


@contextmanager
def refused(bad: BadInput) -> Iterator[None]:
    """Expect the error of a bad input."""
    with pytest.raises(bad.error, match=re.escape(bad.expected)) as caught:
        yield
    if bad.actual not in str(caught.value):
        raise AssertionError(
            f"{bad.name}: the message does not say what the argument is ({bad.actual}): {caught.value}"
        )
