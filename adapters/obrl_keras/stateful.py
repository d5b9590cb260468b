"""A layer of Keras with a relation: its two weights, and how they are read, saved and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Self

import keras
import numpy as np
from keras import ops

import obrl
from obrl.cross_entropy import CrossEntropy, checked_cross_entropy
from obrl.errors import check_choice, check_ignore_index, check_label_names, check_num_labels, checked_pos_weight
from obrl.holders import LossWithRelation
from obrl.online import RelationState, known_relation
from obrl.pairs import describe
from obrl.settings import Settings
from obrl.start import starting_relation
from obrl_keras.inputs import on_host
from obrl_keras.namespace import KERAS, Tensor
from obrl_keras.saving import saved_function, warn_of_unsaved, with_function

LAYER_REDUCTIONS = ("mean", "sum")
"""`add_loss` takes a scalar."""


class StatefulLayer(LossWithRelation, keras.layers.Layer):
    """The settings and the relation of a loss; a subclass computes it. The arguments are those of `OBRLossLayer`."""

    _see: Callable[..., None] | None = None  # what `OBRMonitor` sets for a prediction

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        alpha: float = 0.5,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        pos_weight: Any = None,
        cross_entropy: CrossEntropy = "bce",
        ignore_index: int | None = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        validate: bool | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        settings = Settings(
            decay=decay,
            alpha=alpha,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        check_choice("reduction", reduction, LAYER_REDUCTIONS)
        count = check_num_labels(num_labels)
        names = check_label_names(label_names, count)
        start = starting_relation(_to_host(relation), settings, count, names, freeze=bool(freeze))
        weights = checked_pos_weight(_to_host(pos_weight), num_labels=count)
        function, ignored = checked_cross_entropy(cross_entropy, pos_weight), check_ignore_index(ignore_index)
        super().__init__(trainable=trainable, name=name, dtype=dtype, autocast=False)
        warn_of_unsaved(function)
        self.num_labels = count
        self.settings = settings
        self.reduction = reduction
        self.pos_weight = weights
        self.cross_entropy = function
        self.ignore_index = ignored
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

    def _write(self, state: RelationState) -> None:
        self.relation_sum.assign(state.relation_sum)
        self.relation_weight.assign(state.relation_weight)

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) float32, NaN where there is no evidence."""
        value, known = known_relation(KERAS, self._state(), self.settings)
        return ops.where(known, value, float("nan"))

    def load_own_variables(self, store: Any) -> None:
        """Read the state from a file of weights; as with `load_relation`, one that is not finite raises ValueError."""
        names = store.keys()  # a store has no iterator
        if not all(np.isfinite(np.asarray(store[name])).all() for name in names):
            raise ValueError("the accumulators of a relation must be finite, got NaN or infinity in a file of weights")
        super().load_own_variables(store)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        self._write(RelationState(*(np.zeros(part.shape, np.float32) for part in self._state())))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer with these settings; where it is frozen, its relation is empty until its weights are loaded."""
        if config.get("freeze"):
            accumulation = {name: config[name] for name in ("decay", "measure", "estimator") if name in config}
            config = {**config, "relation": obrl.OnlineBatchRelation(config["num_labels"], **accumulation)}
        layer: Self = super().from_config(with_function(config))
        return layer

    def get_config(self) -> dict[str, Any]:
        """The settings; the state is in the weights."""
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            **asdict(self.settings),
            "reduction": self.reduction,
            "pos_weight": None if self.pos_weight is None else list(self.pos_weight),
            "cross_entropy": saved_function(self.cross_entropy),
            "ignore_index": self.ignore_index,
            "label_names": None if self.label_names is None else list(self.label_names),
            "freeze": self.freeze,
            "validate": self.validate,
        }

    def __repr__(self) -> str:
        names = ("reduction", "pos_weight", "cross_entropy", "ignore_index", "freeze", "validate")
        options = {name: getattr(self, name) for name in names}
        return f"OBRLossLayer({describe(self.num_labels, self.settings, **options)})"


def _to_host(value: Any) -> Any:
    return on_host(value) if ops.is_tensor(value) else value
