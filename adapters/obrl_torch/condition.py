"""Labels that follow from known ones, as `condition` in NumPy, in operations that torch compiles and exports."""

from __future__ import annotations

import copy
import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from obrl.conditional import (
    CONDITION_SHRINKAGE,
    VARIANCE_FLOOR,
    check_probabilities,
    check_probability_range,
    shrunk,
)
from obrl.errors import check_device, check_label_names, check_labels
from obrl.start import known_correlations
from obrl_torch.inputs import may_read_values, metadata, optional_metadata, split_targets, to_host, without_autocast
from obrl_torch.precision import FullPrecisionModule

MOST_LABELS = 64
"""Each label adds some eight operations to an exported graph, and each row needs num_labels^2 numbers."""
OPSET = 20
NEEDED = ("onnx", "onnxscript")


class Condition(FullPrecisionModule):
    r"""Probabilities of the unknown labels, after looking at the known ones of the same row: to compile and to export.

    What `condition` of a relation computes in NumPy, by solving a linear system for each set of known labels,

        p_u <- p_u + s_u R'_uo R'_oo^-1 (y_o - p_o) / s_o,    s = sqrt(p (1 - p) + 0.01),    R' = 0.7 R + 0.3 I,

    this module computes for a batch in which each row knows other labels, by sums and products alone: it takes in one
    label after another, and passes over those that a row does not know. So it needs no solver, which ONNX does not
    have, and no matrix product, which a GPU may round to TF32. In float32 it agrees with NumPy to 1e-5.

    Args:
        relation: an OnlineBatchRelation or a loss of any framework, a RelationMiner, the path of a relation's .npz, or
            the correlations phi as a (num_labels, num_labels) matrix, NaN where undefined.
        label_names: one distinct name a label, which an exported file then holds; None takes those of the relation.

    Attributes:
        correlations: R', (num_labels, num_labels) float32, or float64 after `.double()`; the only state.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError, ValueError: no relation that phi follows from, or more than 64 labels: their graph would be large
            and slow. Call `condition` of the relation then, which runs in NumPy.

    Example:
        >>> import torch
        >>> condition = Condition([[1.0, 0.8], [0.8, 1.0]])
        >>> condition(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, float("nan")]])).round(decimals=2)
        tensor([[1.0000, 0.7800]])
    """

    __module__ = "obrl.torch"

    correlations: Tensor

    def __init__(self, relation: Any, *, label_names: Sequence[str] | None = None) -> None:
        super().__init__()
        phi, names = known_correlations(to_host("relation", relation))
        self.num_labels = len(phi)
        if self.num_labels > MOST_LABELS:
            raise ValueError(
                f"relation must have at most {MOST_LABELS} labels to be unrolled in a graph, got {self.num_labels}; "
                "call condition(probabilities, targets) of the relation, which runs in NumPy with any number"
            )
        self.label_names = check_label_names(label_names, self.num_labels) or names
        self.register_buffer("correlations", torch.from_numpy(shrunk(phi, CONDITION_SHRINKAGE)).float())

    def forward(self, probabilities: Tensor, targets: Tensor, observed: Tensor | None = None) -> Tensor:
        """Condition a batch.

        Args:
            probabilities: (batch, num_labels) floating point in [0, 1], a model's.
            targets: (batch, num_labels), bool, integer or floating point in [0, 1], the known labels; NaN is unknown.
            observed: (batch, num_labels), bool; False marks an unknown label, whatever `targets` holds.

        Returns:
            (batch, num_labels) in [0, 1], in the dtype of `correlations`; known labels equal their targets. It can be
            differentiated.

        Raises:
            TypeError, ValueError: wrong dtypes, shapes or devices. On a CPU, and where nothing records the operations,
                also probabilities or known targets outside [0, 1]; an exported graph does not look.
        """
        label_data, probability_data = metadata("targets", targets), metadata("probabilities", probabilities)
        check_labels(label_data, optional_metadata("observed", observed), num_labels=self.num_labels)
        check_probabilities(probability_data, label_data)
        for name, data in (("targets", label_data), ("probabilities", probability_data)):
            check_device(name, data, "the module", metadata("correlations", self.correlations))
        read_values = may_read_values(None, targets)
        if read_values and len(probabilities):
            check_probability_range(*(float(value) for value in probabilities.detach().aminmax()))
        labels = split_targets(targets, observed, read_values=read_values)
        with without_autocast(targets.device.type):
            dtype = self.correlations.dtype
            p, y = probabilities.to(dtype), labels.targets.to(dtype)
            known = torch.ones_like(y, dtype=torch.bool) if labels.observed is None else labels.observed
            return torch.where(known, y, self._conditioned(p, y, known.to(dtype)).clamp(0, 1))

    def _conditioned(self, p: Tensor, y: Tensor, known: Tensor) -> Tensor:
        """The conditional means of a Gaussian, (batch, num_labels), which may leave [0, 1].

        Each row sweeps the matrix [R' | d], where d starts as -(y - p) / s for its known labels and as 0 for others.
        A step takes in label j: it subtracts (column j) (row j) / (pivot), so that the rest is conditioned on j; for a
        row that does not know j it subtracts 0. In the end d is the mean of the unknown labels in units of s. A pivot
        is a conditional variance under R', and so at least 0.3.
        """
        scale = torch.sqrt(p * (1 - p) + VARIANCE_FLOOR)
        start = known * (p - y) / scale
        swept = torch.cat([self.correlations.expand(p.shape[0], -1, -1), start.unsqueeze(2)], 2)
        for j, takes_in in enumerate(known.unsqueeze(2).split(1, 1)):
            row = swept.narrow(1, j, 1)
            swept = swept - swept.narrow(2, j, 1) * (takes_in / row.narrow(2, j, 1)) * row
        return p + scale * swept.select(2, -1)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write this module as an ONNX file for batches of any size, which no code of obrl is needed to run.

        The file takes `probabilities` and `targets`, float32, and `observed`, bool, all (batch, num_labels), and gives
        `conditioned`, float32. Where the module has label names, the file's metadata has them under `label_names`, as
        JSON. A model that ends in this module is exported with `torch.onnx.export` in the same way.

        Args:
            path: the file; one that exists is replaced. With 64 labels it has less than 500 kB.

        Raises:
            ImportError: onnx or onnxscript is missing: `pip install "obrl[torch,export]"`.
            OSError: the file cannot be written.
        """
        absent = [name for name in NEEDED if find_spec(name) is None]
        if absent:
            raise ImportError(
                f'to_onnx needs {", ".join(absent)}, not installed here: pip install "obrl[torch,export]"'
            )
        module = copy.deepcopy(self).float()
        device = module.correlations.device
        shape = (2, self.num_labels)
        # Two tensors, since one that is passed twice becomes one input.
        numbers = [torch.full(shape, 0.5, device=device) for _ in range(2)]
        batch = {0: torch.export.Dim("batch")}
        with _quiet():
            program: Any = torch.onnx.export(
                module,
                (*numbers, torch.ones(shape, dtype=torch.bool, device=device)),
                dynamo=True,
                opset_version=OPSET,
                input_names=["probabilities", "targets", "observed"],
                output_names=["conditioned"],
                dynamic_shapes=(batch, batch, batch),
                verbose=False,
            )
        if self.label_names is not None:
            program.model.metadata_props["label_names"] = json.dumps(self.label_names, ensure_ascii=False)
        program.save(path)

    def extra_repr(self) -> str:
        """The number of labels."""
        return str(self.num_labels)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's warnings of training mode, which changes nothing here, and of its own internals."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*in training mode")
            warnings.filterwarnings("ignore", message=".*The axis name: batch will not be used")
            warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\)", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
