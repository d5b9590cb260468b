"""How predictions are written: columns of a table, and lines below a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from reference_model.reports.cutoffs import CUTOFF_METRICS
from reference_model.reports.implausible import ImplausiblePair, flag_implausible

TOP = 5

Values = npt.NDArray[np.float64]


class Wording(Protocol):
    """How the outputs of one stage are written; values are those of one picture."""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        ...

    def cells(self, values: Values) -> list[str]:
        """Return a picture's cells."""
        ...

    def lines(self, values: Values) -> list[str]:
        """Return what stands below a picture."""
        ...

    def warnings(self, values: Values) -> list[str]:
        """Return what in the values contradicts itself."""
        ...


@dataclass(frozen=True, eq=False)
class AttributeWording:
    """Probabilities of attributes, which of them count as present, and the implausible pairs among these.

    Args:
        names: The attributes.
        cutoffs: (num_labels,) probabilities from which on each counts as present.
        pairs: Pairs of values that the training labels all but exclude.
    """

    names: Sequence[str]
    cutoffs: Values
    pairs: Sequence[ImplausiblePair]

    @property
    def columns(self) -> list[str]:
        """A probability an attribute, whether it counts as present, and the implausible pairs."""
        return [*self.names, *(f"{name}_present" for name in self.names), "implausible"]

    def cells(self, values: Values) -> list[str]:
        """Return a picture's cells."""
        present = [str(int(value)) for value in values >= self.cutoffs]
        return [*(f"{value:.4f}" for value in values), *present, "; ".join(self.warnings(values))]

    def lines(self, values: Values) -> list[str]:
        """Return the likeliest attributes among those that count as present."""
        order = np.argsort(-values, kind="stable")
        present = [column for column in order.tolist() if values[column] >= self.cutoffs[column]]
        return [f"{self.names[column]} {values[column]:.2f}" for column in present[:TOP]] or ["nothing present"]

    def warnings(self, values: Values) -> list[str]:
        """Return the implausible pairs."""
        flags = flag_implausible((values >= self.cutoffs)[None], self.pairs)[0]
        return [pair.describe(self.names) for pair, flag in zip(self.pairs, flags, strict=True) if flag]


@dataclass(frozen=True, eq=False)
class ClassWording:
    """Probabilities of classes, and the likeliest.

    Args:
        title: What the classes are.
        names: The classes.
    """

    title: str
    names: Sequence[str]

    @property
    def columns(self) -> list[str]:
        """The likeliest class, and the probability of each."""
        return [self.title, *self.names]

    def cells(self, values: Values) -> list[str]:
        """Return a picture's cells."""
        return [self.names[int(values.argmax())], *(f"{value:.4f}" for value in values)]

    def lines(self, values: Values) -> list[str]:
        """Return the three likeliest classes."""
        best = np.argsort(-values, kind="stable")[:3].tolist()
        return [f"{self.names[column]} {values[column]:.2f}" for column in best]

    def warnings(self, values: Values) -> list[str]:
        """Return nothing: classes exclude each other."""
        return []


@dataclass(frozen=True)
class YearsWording:
    """An age in years."""

    @property
    def columns(self) -> list[str]:
        """The years."""
        return ["years"]

    def cells(self, values: Values) -> list[str]:
        """Return a picture's cell."""
        return [f"{values[0]:.1f}"]

    def lines(self, values: Values) -> list[str]:
        """Return the years."""
        return [f"{values[0]:.0f} years"]

    def warnings(self, values: Values) -> list[str]:
        """Return nothing."""
        return []


@dataclass(frozen=True)
class EmbeddingWording:
    """Embeddings, which are written to a file of their own."""

    @property
    def columns(self) -> list[str]:
        """None."""
        return []

    def cells(self, values: Values) -> list[str]:
        """Return nothing."""
        return []

    def lines(self, values: Values) -> list[str]:
        """Return nothing."""
        return []

    def warnings(self, values: Values) -> list[str]:
        """Return nothing."""
        return []


def cutoffs_for(chosen: str, calibration: Mapping[str, Any], count: int) -> Values:
    """Return the cut-offs that a user asks for.

    Args:
        chosen: ``"half"``, or what they shall be best for, one of `CUTOFF_METRICS`.
        calibration: What the file of weights has, as `reference_model.reports.cutoffs.calibrate_cutoffs` returned it.
        count: The number of attributes.

    Raises:
        ValueError: If the file has none.
    """
    if chosen == "half":
        return np.full(count, 0.5)
    if chosen not in calibration.get("cutoffs", {}):
        raise ValueError(
            f"the file of weights has no cut-offs for {chosen}: it was written by an earlier version; train anew, or "
            "use one half"
        )
    return np.asarray(calibration["cutoffs"][chosen], dtype=np.float64)


def describe_cutoffs(chosen: str, calibration: Mapping[str, Any]) -> str:
    """Return in words which cut-offs are used, and what they gave on the validation partition beside one half."""
    if chosen == "half":
        return "An attribute counts as present from a probability of one half on."
    titles = dict(zip(CUTOFF_METRICS, ("accuracy", "F1", "balanced accuracy"), strict=True))
    figures, half = calibration["figures"][chosen], calibration["figures"]["half"]
    compared = ", ".join(
        f"{titles[name]} {100 * figures[name]:.1f} % ({100 * half[name]:.1f} %)" for name in CUTOFF_METRICS
    )
    return (
        f"Cut-offs for {titles[chosen]}, chosen on the {calibration['pictures']} validation pictures; there they give "
        f"(one half in brackets) {compared}."
    )
