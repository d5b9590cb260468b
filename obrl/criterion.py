"""What the two NumPy losses share: settings, the relation, and how a call moves it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from obrl.algebra import PairLaplacians
from obrl.arrays import as_array, as_labels
from obrl.errors import (
    REDUCTIONS,
    check_batch,
    check_choice,
    check_impl,
    check_label_names,
    check_num_labels,
    metadata,
    resolve_update,
)
from obrl.labels import Labels, read_labels
from obrl.namespace import NUMPY
from obrl.online import RelationState, state_laplacians
from obrl.pairs import Pairs, active_pairs, describe
from obrl.relation import FloatArray, OnlineBatchRelation, loaded_relation, starting_relation, updated_state
from obrl.settings import Settings
from obrl.storage import save_relation

Reduced = float | FloatArray
"""A loss: a float, or (batch,) with `reduction="none"`."""


def as_number(value: Any) -> Any:
    """A scalar array as a float; any other as it is."""
    return float(value) if np.ndim(value) == 0 else value


class Batch(NamedTuple):
    """A checked batch in float64."""

    logits: FloatArray
    labels: Labels
    sample_weight: FloatArray | None


class RelationCriterion:
    """What the two losses share: settings, the relation, and how a call moves it."""

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        reduction: str,
        label_names: Sequence[str] | None,
        relation: Any,
        freeze: bool,
        impl: str,
    ) -> None:
        self.num_labels = check_num_labels(num_labels)
        self.settings = settings
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl, has_kernels=False)
        self.reduction = reduction
        self.impl = impl
        self.freeze = bool(freeze)
        names = check_label_names(label_names, self.num_labels)
        self._online = starting_relation(relation, settings, self.num_labels, names, freeze=self.freeze)

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names of the labels, if any were given."""
        return self._online.label_names

    @property
    def relation(self) -> FloatArray:
        """R_g, (num_labels, num_labels) float64, NaN where there is no evidence; a copy."""
        return self._online.relation

    @property
    def relation_sum(self) -> FloatArray:
        """R_sb of Eq. 1; a copy."""
        return self._online.relation_sum

    @property
    def relation_weight(self) -> FloatArray:
        """S of Eq. 1, a number a pair: (num_labels, num_labels); a copy."""
        return self._online.relation_weight

    def pairs(self) -> Pairs:
        """The pairs that the loss acts on now; printing them gives a table, or says that there is none."""
        return active_pairs(self._online.state, self.settings, self.label_names)

    def to_numpy(self) -> OnlineBatchRelation:
        """The relation, copied."""
        return self._online.to_numpy()

    def save_relation(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._online.state, self.settings, self.label_names)

    def load_relation(self, path: str | os.PathLike[str]) -> None:
        """Put the relation of a file in place of the present one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        self._online = loaded_relation(path, self.settings, self.num_labels, self.label_names)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        self._online.reset()

    def check(self, logits: Any, targets: Any, observed: Any, sample_weight: Any) -> Batch:
        """Refuse a bad batch, or give it in float64."""
        y, mask = as_labels(targets, observed)
        x = as_array("logits", logits)
        weight = None if sample_weight is None else as_array("sample_weight", sample_weight)
        check_batch(
            metadata(x),
            metadata(y),
            None if mask is None else metadata(mask),
            None if weight is None else metadata(weight),
            num_labels=self.num_labels,
        )
        labels = read_labels(y, mask)
        return Batch(
            logits=x.astype(np.float64),
            labels=labels._replace(targets=labels.targets.astype(np.float64)),
            sample_weight=None if weight is None else weight.astype(np.float64)[:, np.newaxis],
        )

    def next_state(self, batch: Batch, update: bool | None) -> RelationState:
        """The state after this batch."""
        if resolve_update(update, default=True, freeze=self.freeze):
            return updated_state(self._online.state, self.settings, batch.labels)
        return self._online.state

    def laplacians(self, state: RelationState) -> PairLaplacians:
        """The pair weights that the algebra needs."""
        return state_laplacians(NUMPY, state, self.settings, num_labels=self.num_labels, like=state.relation_weight)

    def commit(self, state: RelationState) -> None:
        """Take over a new state, once nothing can fail any more."""
        self._online = OnlineBatchRelation.from_state(state, self.settings, self.label_names)

    def describe(self, **options: Any) -> str:
        """The settings that differ from their defaults, and what the thresholds mean, for `repr`."""
        options |= {"reduction": self.reduction, "freeze": self.freeze, "impl": self.impl}
        return f"{type(self).__name__}({describe(self.num_labels, self.settings, **options)})"
