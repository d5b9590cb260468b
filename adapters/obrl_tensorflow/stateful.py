"""A loss of Keras with a relation: what it holds, and how that is held still, saved, copied and shown."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

import keras
import tensorflow as tf

import obrl
from obrl.cross_entropy import CrossEntropy, checked_cross_entropy
from obrl.errors import (
    REDUCTIONS,
    check_choice,
    check_ignore_index,
    check_impl,
    check_label_names,
    check_num_labels,
    checked_pos_weight,
)
from obrl.holders import LossWithRelation
from obrl.online import RelationState
from obrl.pairs import describe
from obrl.settings import Settings
from obrl.start import starting_relation
from obrl_keras.saving import saved_function, warn_of_unsaved, with_function
from obrl_tensorflow.inputs import on_host
from obrl_tensorflow.namespace import Tensor
from obrl_tensorflow.relation import OnlineBatchRelation, assign, clear, host_state


class StatefulLoss(LossWithRelation, keras.losses.Loss):
    """The settings, the relation and the flags that hold it still; a subclass computes the loss.

    The arguments are those of `OBRLoss`.
    """

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
        impl: str = "auto",
        validate: bool | None = None,
        name: str | None = None,
    ) -> None:
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        _check_backend(type(self).__name__, freeze=freeze, impl=impl)
        super().__init__(name=name, reduction=reduction)
        self.num_labels = check_num_labels(num_labels)
        self.settings = Settings(
            decay=decay,
            alpha=alpha,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
        )
        names = check_label_names(label_names, self.num_labels)
        self.online = OnlineBatchRelation(
            self.num_labels,
            decay=decay,
            measure=measure,
            estimator=estimator,
            relation=starting_relation(on_host(relation), self.settings, self.num_labels, names, freeze=bool(freeze)),
            validate=validate,
        )
        self.freeze = bool(freeze)
        self.impl = impl
        self.validate = validate
        self.cross_entropy = checked_cross_entropy(cross_entropy, pos_weight)
        warn_of_unsaved(self.cross_entropy)
        self.ignore_index = check_ignore_index(ignore_index)
        self.pos_weight = checked_pos_weight(on_host(pos_weight), num_labels=self.num_labels)
        self._paused, self._validating = (
            tf.Variable(False, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            for name in ("paused", "validating")
        )

    def pause(self, paused: bool = True) -> None:
        """Hold the relation still, also in graphs traced before; `pause(False)` lets it move again.

        A call with `update=True` moves it nevertheless.
        """
        self._paused.assign(paused)

    def set_validating(self, validating: bool) -> None:
        """Hold the relation still during a validation, whatever `pause` says; `OBRLossCallback` calls it."""
        self._validating.assign(validating)

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The names of the labels, if there are any."""
        return self.online.label_names

    @label_names.setter
    def label_names(self, names: tuple[str, ...] | None) -> None:
        self.online.label_names = names

    @property
    def relation_sum(self) -> tf.Variable:
        """R_sb of Eq. 1."""
        return self.online.relation_sum

    @property
    def relation_weight(self) -> tf.Variable:
        """S of Eq. 1, a number a pair: (num_labels, num_labels)."""
        return self.online.relation_weight

    @property
    def relation(self) -> Tensor:
        """R_g, (num_labels, num_labels) float32, NaN where there is no evidence."""
        return self.online.relation

    def _host_state(self) -> RelationState:
        return host_state(self.online.accumulators)

    def _write(self, state: RelationState) -> None:
        assign(self.online.accumulators, state)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        clear(self.online.accumulators)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A loss with these settings and an empty relation; warns where it is frozen and so could never learn."""
        config = with_function(config)
        if not config.get("freeze"):
            return cls(**config)
        warnings.warn(
            f"a frozen {cls.__name__} was built from its settings, which hold no relation: its relation loss is "
            "without any pair until load_relation(path) gives it one",
            stacklevel=2,
        )
        accumulation = {name: config[name] for name in ("decay", "measure", "estimator") if name in config}
        return cls(**config, relation=obrl.OnlineBatchRelation(config["num_labels"], **accumulation))

    def get_config(self) -> dict[str, Any]:
        """The settings. The relation is not among them: `save_relation` and `load_relation` keep it."""
        return {**self._arguments(), "cross_entropy": saved_function(self.cross_entropy)}

    def _arguments(self) -> dict[str, Any]:
        """What the constructor gets, except for where the relation starts."""
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            **asdict(self.settings),
            "pos_weight": None if self.pos_weight is None else list(self.pos_weight),
            "cross_entropy": self.cross_entropy,
            "ignore_index": self.ignore_index,
            "label_names": None if self.label_names is None else list(self.label_names),
            "freeze": self.freeze,
            "impl": self.impl,
            "validate": self.validate,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras pickles and copies a loss by its settings, which would lose the relation.
        return _copy_of, (type(self), self._arguments(), self.to_numpy(), bool(self._paused.numpy()))

    def __repr__(self) -> str:
        names = ("reduction", "pos_weight", "cross_entropy", "ignore_index", "freeze", "impl", "validate")
        options = {name: getattr(self, name) for name in names}
        return f"{type(self).__name__}({describe(self.num_labels, self.settings, **options)})"


def _copy_of(kind: type[StatefulLoss], config: dict[str, Any], relation: obrl.OnlineBatchRelation, paused: bool) -> Any:
    """A loss with these settings and this relation, as pickle and `copy.deepcopy` need."""
    loss = kind(**config, relation=relation)
    loss.pause(paused)
    return loss


def _check_backend(name: str, *, freeze: bool, impl: str) -> None:
    """Raise where Keras's backend cannot move the relation, or cannot run native code."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return
    if not freeze:
        raise RuntimeError(
            f"{name} learns with Keras's TensorFlow backend alone, got the {backend} backend, which never moves the "
            "state of a loss: use obrl.keras.OBRLossLayer, or freeze=True with a relation"
        )
    if impl == "fused":
        raise ValueError(
            f'impl="fused" of {name} runs in TensorFlow, got the {backend} backend of Keras; "auto" runs on any'
        )
