"""What losses and relations offer in every framework whose objects hold a state: they show, save and load it.

A framework says how its state is copied to the host and how it is written; JAX, whose state is an argument, has these
methods with one argument more.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from obrl.conditioning import Conditioning, relation_phi, state_rates
from obrl.online import RelationState
from obrl.pairs import Pairs, active_pairs
from obrl.relation import OnlineBatchRelation
from obrl.settings import Settings, with_thresholds
from obrl.start import loaded_relation
from obrl.storage import save_relation

FRAMEWORKS = ("obrl", "obrl.torch", "obrl.jax", "obrl.keras", "obrl.tensorflow")


def public_name(kind: type) -> str:
    """The public name of a class of obrl, of a subclass that of the class of obrl.

    Example:
        >>> from obrl import OBRLoss
        >>> public_name(OBRLoss)
        'obrl.OBRLoss'
    """
    public = next(base for base in kind.__mro__ if base.__module__ in FRAMEWORKS)
    return f"{public.__module__}.{public.__name__}"


def public_module(kind: type) -> str:
    """The module from which users import a class of obrl, such as `"obrl.torch"`."""
    return public_name(kind).rpartition(".")[0]


class RelationHolder(Conditioning):
    """Something with a relation.

    Attributes:
        num_labels: M.
        settings: of the relation, and of its loss where there is one.
        label_names: one name a label, or None.
    """

    num_labels: int
    settings: Settings
    label_names: tuple[str, ...] | None

    def _host_state(self) -> RelationState:
        """The accumulators as NumPy arrays, in the dtype in which they are held; copies, if need be."""
        raise NotImplementedError

    def _write(self, state: RelationState) -> None:
        """Replace the accumulators by NumPy arrays."""
        raise NotImplementedError

    def _phi_and_rates(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64] | None]:
        """Copies the state to the host."""
        relation = self.to_numpy()
        return relation_phi(relation.state, relation.settings), state_rates(relation.state, relation.settings)

    def to_numpy(self) -> OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        state, ignore_index = self._host_state(), self.ignore_index
        return OnlineBatchRelation.from_state(state, self.settings, self.label_names, ignore_index=ignore_index)


class LossWithRelation(RelationHolder):
    """A loss, or a layer that adds one."""

    _joint = True  # whether L_E is part of it
    _name_in_code = "criterion"  # in the examples of the docs, and in the code of a report

    def pairs(self) -> Pairs:
        """The pairs that the loss acts on now; printing them gives a table, or says that there is none.

        Copies the state to the host.
        """
        return active_pairs(self._host_state(), self.settings, self.label_names)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML file on what the loss has learnt: findings in words, the matrix, the pairs that it acts on.

        Copies the state to the host. The page loads nothing, and shows no row of any table.

        Raises:
            OSError: the file cannot be written; one that exists stays as it was.
        """
        saved = f"{self._name_in_code}.save_relation({{file}})"
        self.to_numpy()._write_report(path, self.settings, saved=saved, loss=public_name(type(self)))

    def save_relation(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._host_state(), self.settings, self.label_names)

    def load_relation(self, path: str | os.PathLike[str]) -> None:
        """Replace the relation by that of a file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        start = loaded_relation(path, self.settings, self.num_labels, self.label_names)
        self._write(start.state)
        self.label_names = start.label_names


class RelationAlone(RelationHolder):
    """An `OnlineBatchRelation` of a framework, built from `num_labels`, its settings and `relation=`."""

    def pairs(self, *, positive_threshold: float = 0.8, negative_threshold: float = 0.2) -> Pairs:
        """The active pairs under these thresholds; printing them gives a table, or says that there is none.

        Copies the state to the host.
        """
        settings = replace(self.settings, positive_threshold=positive_threshold, negative_threshold=negative_threshold)
        return active_pairs(self._host_state(), settings, self.label_names)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        positive_threshold: float | None = None,
        negative_threshold: float | None = None,
    ) -> None:
        """Write one HTML file on the relation, and on the pairs that a loss with these thresholds would act on.

        Copies the state to the host. The page loads nothing, and shows no row of any table. A threshold that is None
        lies at 0.8, the negative one at 0.2, of the measure's range.

        Raises:
            TypeError, ValueError: thresholds that are no numbers, or in the wrong order.
            OSError: the file cannot be written; one that exists stays as it was.
        """
        settings = with_thresholds(self.settings, positive_threshold, negative_threshold)
        self.to_numpy()._write_report(path, settings, loss=f"{public_module(type(self))}.OBRLoss")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._host_state(), with_thresholds(self.settings), self.label_names)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Make a relation from a file that any framework wrote, with the settings and label names of the file.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no relation, is damaged, or has a newer format.
        """
        return cls._from_numpy(OnlineBatchRelation.load(path))

    @classmethod
    def _from_numpy(cls, relation: OnlineBatchRelation, **options: Any) -> Self:
        """A relation of this class with the state, settings and names of NumPy's."""
        settings = relation.settings
        return cls(
            relation.num_labels,
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            relation=relation,
            ignore_index=relation.ignore_index,
            **options,
        )  # type: ignore[call-arg]
