"""The few fixed shapes and settings that compiled implementations run on; hypothesis draws what is in the arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tests.support import oracle
from tests.support.cases import Batch, Case
from tests.support.strategies import arrays_of, fractions, label_arrays, logit_values, masks
from tests.support.tolerances import THRESHOLD_MARGIN


@dataclass(frozen=True)
class Template:
    """One shape and one set of settings.

    Attributes:
        name: of the test.
        dtype: of the logits.
        size: rows of every batch.
        num_labels: M.
        targets: the dtype of the targets.
        missing: whether there is a mask, and NaN where the targets can hold it.
        weighted: whether there are sample weights.
        settings: of the case.
    """

    name: str
    dtype: str
    size: int
    num_labels: int
    targets: str = "float32"
    missing: bool = False
    weighted: bool = False
    settings: dict[str, Any] = field(default_factory=dict)


_THRESHOLDS = {"positive_threshold": 0.83, "negative_threshold": 0.17}

TEMPLATES = (
    Template("defaults", "float32", 8, 4, settings=_THRESHOLDS),
    Template("missing", "float32", 7, 5, "float32", True, True, {**_THRESHOLDS, "reduction": "none", "decay": 0.9}),
    Template("empty", "float32", 0, 3, settings={"reduction": "sum"}),
    Template("conditional", "float32", 9, 4, "uint8", False, True, {**_THRESHOLDS, "measure": "conditional"}),
    Template(
        "counts",
        "float64",
        6,
        5,
        "float64",
        True,
        True,
        {
            **_THRESHOLDS,
            "estimator": "counts",
            "normalization": "active_pairs",
            "reduction": "none",
            "pos_weight": np.array([1, 2, 0.5, 1, 3]),
        },
    ),
    Template("float64", "float64", 5, 3, "int64", settings={**_THRESHOLDS, "alpha": 40.0, "decay": 1.0}),
    Template(
        "half", "float16", 8, 3, "bool", settings={**_THRESHOLDS, "measure": "cosine", "normalization": "active_pairs"}
    ),
    Template(
        "brain", "bfloat16", 8, 4, "float16", True, settings={**_THRESHOLDS, "measure": "phi_ratio", "reduction": "sum"}
    ),
)
"""At most eight: each is compiled once."""


@st.composite
def cases(draw: st.DrawFn, template: Template) -> Case:
    """Two batches of the template's shape, with relations away from the thresholds."""
    case = Case(
        num_labels=template.num_labels, batches=tuple(draw(_batches(template)) for _ in range(2)), **template.settings
    )
    attained = np.concatenate([relation[np.isfinite(relation)] for relation in oracle.relations(case)])
    for threshold in (case.positive_threshold, case.negative_threshold):
        assume(attained.size == 0 or np.abs(attained - threshold).min() >= THRESHOLD_MARGIN)
    return case


@st.composite
def _batches(draw: st.DrawFn, template: Template) -> Batch:
    shape = (template.size, template.num_labels)
    targets = draw(label_arrays(*shape)).astype(template.targets)
    if template.missing and targets.dtype.kind == "f":
        targets[~draw(masks(*shape))] = np.nan
    return Batch(
        logits=draw(arrays_of(shape, logit_values())),
        targets=targets,
        observed=draw(masks(*shape)) if template.missing else None,
        sample_weight=draw(arrays_of(shape[:1], fractions(0, 12, 4))) if template.weighted else None,
    )
