"""A layer of Keras with a relation: its two weights, and how they are read, saved and shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

import keras
import numpy as np
from keras import ops

import obrl
from obrl.errors import check_choice, check_label_names, check_num_labels, checked_pos_weight
from obrl.online import RelationState, known_relation
from obrl.pairs import Pairs, active_pairs, describe
from obrl.relation import loaded_relation, starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_keras.inputs import on_host
from obrl_keras.namespace import KERAS, Tensor

LAYER_REDUCTIONS = ("mean", "sum")
"""`add_loss` takes a scalar."""


class StatefulLayer(keras.layers.Layer):
    """The settings and the relation of a loss; a subclass computes it."""

    def __init__(
        self,
        num_labels: int,
        settings: Settings,
        *,
        reduction: str,
        pos_weight: Any,
        label_names: Sequence[str] | None,
        relation: Any,
        freeze: bool,
        validate: bool | None,
        trainable: bool,
        name: str | None,
        dtype: Any,
    ) -> None:
        check_choice("reduction", reduction, LAYER_REDUCTIONS)
        count = check_num_labels(num_labels)
        names = check_label_names(label_names, count)
        start = starting_relation(_to_host(relation), settings, count, names, freeze=bool(freeze))
        weights = checked_pos_weight(_to_host(pos_weight), num_labels=count)
        super().__init__(trainable=trainable, name=name, dtype=dtype, autocast=False)
        self.num_labels = count
        self.settings = settings
        self.reduction = reduction
        self.pos_weight = weights
        self.label_names = start.label_names
        self.freeze = bool(freeze)
        self.validate = validate
        self.relation_sum = self._add_state("relation_sum", start.relation_sum)
        self.relation_weight = self._add_state("relation_weight", start.relation_weight)
        self.built = True

    def _add_state(self, name: str, start: np.ndarray[Any, Any]) -> Any:
        return self.add_weight(
            name=name,
            shape=start.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(start.astype(np.float32), dtype=dtype),
            dtype="float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def _state(self) -> RelationState:
        return RelationState(ops.convert_to_tensor(self.relation_sum), ops.convert_to_tensor(self.relation_weight))

    def _host_state(self) -> RelationState:
        return RelationState(*(on_host(part) for part in self._state()))

    def _assign(self, state: RelationState) -> None:
        self.relation_sum.assign(state.relation_sum)
        self.relation_weight.assign(state.relation_weight)

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) float32, NaN where there is no evidence."""
        value, known = known_relation(KERAS, self._state(), self.settings)
        return ops.where(known, value, float("nan"))

    def pairs(self) -> Pairs:
        """The active pairs; printing them gives a table, or says that there is none. Copies the state to the host."""
        return active_pairs(self._host_state(), self.settings, self.label_names)

    def to_numpy(self) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        return obrl.OnlineBatchRelation.from_state(self._host_state(), self.settings, self.label_names)

    def save_relation(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, self._host_state(), self.settings, self.label_names)

    def load_relation(self, path: str | os.PathLike[str]) -> None:
        """Put the relation of a file in place of the present one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        start = loaded_relation(path, self.settings, self.num_labels, self.label_names)
        self.label_names = start.label_names
        self._assign(start.state)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        self._assign(RelationState(*(np.zeros(part.shape, np.float32) for part in self._state())))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer with these settings; where it is frozen, its relation is empty until its weights are loaded."""
        if config.get("freeze"):
            accumulation = {name: config[name] for name in ("decay", "measure", "estimator") if name in config}
            config = {**config, "relation": obrl.OnlineBatchRelation(config["num_labels"], **accumulation)}
        layer: Self = super().from_config(config)
        return layer

    def get_config(self) -> dict[str, Any]:
        """The settings; the state is in the weights."""
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            **asdict(self.settings),
            "reduction": self.reduction,
            "pos_weight": None if self.pos_weight is None else list(self.pos_weight),
            "label_names": None if self.label_names is None else list(self.label_names),
            "freeze": self.freeze,
            "validate": self.validate,
        }

    def __repr__(self) -> str:
        options: dict[str, Any] = {"reduction": self.reduction, "pos_weight": self.pos_weight, "freeze": self.freeze}
        return f"OBRLossLayer({describe(self.num_labels, self.settings, **options, validate=self.validate)})"


def _to_host(value: Any) -> Any:
    return on_host(value) if ops.is_tensor(value) else value
