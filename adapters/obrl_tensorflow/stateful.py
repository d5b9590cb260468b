"""A loss of Keras with a relation: what it holds, and how that is held still, saved, copied and shown."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self

import keras
import tensorflow as tf

import obrl
from obrl.errors import (
    REDUCTIONS,
    check_choice,
    check_impl,
    check_label_names,
    check_num_labels,
    checked_pos_weight,
)
from obrl.pairs import Pairs, active_pairs, describe
from obrl.relation import loaded_relation, starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_tensorflow.inputs import on_host
from obrl_tensorflow.namespace import Tensor
from obrl_tensorflow.relation import OnlineBatchRelation, assign, clear, host_state


class StatefulLoss(keras.losses.Loss):
    """The settings, the relation and the flags that hold it still; a subclass computes the loss."""

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
        impl: str,
        validate: bool | None,
        name: str | None,
    ) -> None:
        check_choice("reduction", reduction, REDUCTIONS)
        check_impl(impl)
        _check_backend(type(self).__name__, freeze=freeze, impl=impl)
        super().__init__(name=name, reduction=reduction)
        self.num_labels = check_num_labels(num_labels)
        self.settings = settings
        names = check_label_names(label_names, self.num_labels)
        self.online = OnlineBatchRelation(
            self.num_labels,
            decay=settings.decay,
            measure=settings.measure,
            estimator=settings.estimator,
            relation=starting_relation(on_host(relation), settings, self.num_labels, names, freeze=bool(freeze)),
            validate=validate,
        )
        self.freeze = bool(freeze)
        self.impl = impl
        self.validate = validate
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

    def pairs(self) -> Pairs:
        """The pairs that the loss acts on now; printing them gives a table, or says that there is none."""
        return active_pairs(host_state(self.online.accumulators), self.settings, self.label_names)

    def to_numpy(self) -> obrl.OnlineBatchRelation:
        """The relation as an `obrl.OnlineBatchRelation`, copied to the host in float64."""
        state = host_state(self.online.accumulators)
        return obrl.OnlineBatchRelation.from_state(state, self.settings, self.label_names)

    def save_relation(self, path: str | os.PathLike[str]) -> None:
        """Write the relation as an .npz (no pickle) that every framework of obrl can start from."""
        save_relation(path, host_state(self.online.accumulators), self.settings, self.label_names)

    def load_relation(self, path: str | os.PathLike[str]) -> None:
        """Put the relation of a file in place of the present one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: no relation of obrl, or one of another number of labels, other names, or another decay,
                measure or estimator. The state is then as it was.
        """
        start = loaded_relation(path, self.settings, self.num_labels, self.label_names)
        self.online.label_names = start.label_names
        assign(self.online.accumulators, start.state)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        clear(self.online.accumulators)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A loss with these settings and an empty relation; warns where it is frozen and so could never learn."""
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
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            **asdict(self.settings),
            "pos_weight": None if self.pos_weight is None else list(self.pos_weight),
            "label_names": None if self.label_names is None else list(self.label_names),
            "freeze": self.freeze,
            "impl": self.impl,
            "validate": self.validate,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # Keras pickles and copies a loss by its settings, which would lose the relation.
        return _copy_of, (type(self), self.get_config(), self.to_numpy(), bool(self._paused.numpy()))

    def __repr__(self) -> str:
        options: dict[str, Any] = {"reduction": self.reduction, "pos_weight": self.pos_weight, "freeze": self.freeze}
        words = describe(self.num_labels, self.settings, **options, impl=self.impl, validate=self.validate)
        return f"{type(self).__name__}({words})"


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
