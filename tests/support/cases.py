"""A case: settings and several batches, as NumPy arrays that every framework can take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYOUTS = ("rows", "columns", "strided")


@dataclass(frozen=True)
class Batch:
    """The arguments of one call. `logits` is float64; `targets` has the dtype that the call takes."""

    logits: NDArray[np.float64]
    targets: NDArray[Any]
    observed: NDArray[np.bool_] | None = None
    sample_weight: NDArray[np.float64] | None = None
    update: bool | None = None
    layout: str = "rows"

    @property
    def size(self) -> int:
        return len(self.logits)

    @property
    def moves(self) -> bool:
        """Whether the relation moves in training."""
        return self.update is not False


@dataclass(frozen=True)
class Case:
    """A loss and the batches it sees, in order."""

    num_labels: int
    batches: tuple[Batch, ...]
    decay: float = 0.99
    alpha: float = 0.5
    positive_threshold: float = 0.8
    negative_threshold: float = 0.2
    measure: str = "unit_pearson"
    estimator: str = "batch"
    normalization: str = "all_pairs"
    reduction: str = "mean"
    pos_weight: NDArray[np.float64] | None = field(default=None)
    cross_entropy: Any = "bce"
    ignore_index: int | None = None

    @property
    def accumulation(self) -> dict[str, Any]:
        """What `OnlineBatchRelation` takes."""
        return {"decay": self.decay, "measure": self.measure, "estimator": self.estimator}

    @property
    def thresholds(self) -> dict[str, float]:
        return {"positive_threshold": self.positive_threshold, "negative_threshold": self.negative_threshold}

    @property
    def relation_arguments(self) -> dict[str, Any]:
        """What `RelationLoss` takes."""
        return {
            **self.accumulation,
            **self.thresholds,
            "normalization": self.normalization,
            "reduction": self.reduction,
            **({} if self.ignore_index is None else {"ignore_index": self.ignore_index}),
        }

    @property
    def arguments(self) -> dict[str, Any]:
        """What `OBRLoss` takes."""
        function = {} if self.cross_entropy == "bce" else {"cross_entropy": self.cross_entropy}
        return {**self.relation_arguments, "alpha": self.alpha, "pos_weight": self.pos_weight, **function}

    def snippet(self, package: str = "obrl") -> str:
        """A program that repeats the case with `package`, one of obrl's."""
        framework = package.partition(".")[2]
        kind = "OBRLossLayer" if framework == "keras" else "OBRLoss"
        lines = ["import numpy as np", "from numpy import array, nan, inf, float16, float32, uint8  # noqa: F401"]
        lines += [*_IMPORTS.get(framework, ()), f"from {package} import {kind}"]
        arguments = ", ".join(f"{name}={_literal(value, framework)}" for name, value in self.arguments.items())
        lines.append(f"criterion = {kind}({self.num_labels}, {arguments})")
        lines += ["state = criterion.init()"] if framework == "jax" else []  # its state goes in and comes out
        for batch in self.batches:
            lines += _call(batch, framework)
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Case(\n{self.snippet()}\n)"


_IMPORTS = {"torch": ("import torch",), "jax": ("import jax.numpy as jnp",), "tensorflow": ("import tensorflow as tf",)}
_CONVERSIONS = {"torch": "torch.tensor({})", "jax": "jnp.asarray({})", "tensorflow": "tf.constant({})"}


def _call(batch: Batch, framework: str) -> list[str]:
    """The lines that give a batch to `criterion` and print the loss."""
    logits, targets = (_literal(array, framework) for array in (batch.logits, batch.targets))
    names = ("observed", "sample_weight") + (() if framework == "keras" else ("update",))
    rest = "".join(f", {name}={_literal(getattr(batch, name), framework)}" for name in names)
    if framework == "keras":
        return [f"criterion({logits}, {targets}{rest}, training={batch.moves})", "print(criterion.losses)"]
    if framework == "jax":
        return [f"loss, state = criterion({logits}, {targets}, state{rest})", "print(loss)"]
    if framework == "tensorflow":
        return [f"loss = criterion({targets}, {logits}{rest})", "print(loss)"]
    return [f"loss = criterion({logits}, {targets}{rest})", "print(loss)"]


def _literal(value: Any, framework: str) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    with np.printoptions(threshold=value.size + 1, floatmode="unique"):
        text = f"np.array({value.tolist()!r}, dtype='{value.dtype}').reshape({value.shape})"
    return _CONVERSIONS.get(framework, "{}").format(text)


def laid_out(array: NDArray[Any], layout: str) -> NDArray[Any]:
    """The same values, in another order of memory.

    Args:
        array: rank 2.
        layout: "rows" is contiguous, "columns" transposed, "strided" a view of every other element.
    """
    if layout == "rows":
        return np.ascontiguousarray(array)
    if layout == "columns":
        return np.asfortranarray(array)
    wide = np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)
    return wide[::2, ::2]
