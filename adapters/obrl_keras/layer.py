"""The joint loss as the last layer of a model, on every backend of Keras 3."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import ops

import obrl
from obrl.errors import check_choice, check_label_names, check_num_labels, checked_pos_weight
from obrl.online import RelationState, known_relation, state_laplacians
from obrl.pairs import Pairs, active_pairs, describe_criterion
from obrl.relation import starting_relation
from obrl.settings import Settings
from obrl.storage import save_relation
from obrl_keras.functions import computation_dtype, loss_terms
from obrl_keras.graphs import (
    after,
    check_scope,
    next_state,
    own_losses,
    replica_context,
    tensorflow_backend,
    with_rows_of,
    with_shape,
)
from obrl_keras.inputs import Labels, check_metadata, may_read_values, on_host, split_labels
from obrl_keras.namespace import KERAS, Tensor

LAYER_REDUCTIONS = ("mean", "sum")
"""`add_loss` takes a scalar."""


@keras.saving.register_keras_serializable(package="obrl")
class OBRLossLayer(keras.layers.Layer):
    """L = L_E + alpha L_B as the endpoint of a model: it takes logits and targets, adds the loss, and gives the logits.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone: no
    gradient flows through it. It is updated first, then used, in training, and stands still in validation. Missing
    targets leave L_E and the relation; L_B acts on every prediction.

    Its state is two weights of the model, never trained and never narrower than float32, whatever the policy:
    `relation_sum` and `relation_weight`. They are saved in `.keras` and weight files. Without targets (`predict`, an
    exported model) the layer gives the logits and nothing else.

    Under `tf.distribute` the counts of all replicas are summed; build the model within the scope of the strategy.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1, in (0, 1].
        alpha: weight of L_B.
        positive_threshold: r_p, on the scale of `measure`.
        negative_threshold: r_n, below it.
        measure: a key of `obrl.MEASURES`; `"unit_pearson"` is (1 + phi) / 2, `"pearson"` the formula as printed.
        estimator: `"batch"` (Eq. 1) or `"counts"`.
        normalization: `"all_pairs"` (Eq. 2) or `"active_pairs"`, which divides by the number of active ordered pairs
            in place of M^2.
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k) or `"sum"`.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix. It is not
            part of the layer's configuration: a saved model holds the state itself.
        freeze: never update the relation.
        validate: whether to check the values of targets: None does for eager tensors on the CPU; True does on every
            device, where it makes the host wait; False never does. Shapes and dtypes are always checked.
        trainable: whether the relation may move; as that of every layer, it can be changed later.
        name: of the layer.
        dtype: the policy of the layer; the loss is computed in float32, or float64 for float64 logits.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range.

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl.keras"

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
        start = starting_relation(_to_host(relation), settings, count, names)
        weights = None if pos_weight is None else checked_pos_weight(_to_host(pos_weight), num_labels=count)
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

    def call(
        self,
        logits: Tensor,
        targets: Tensor | None = None,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Update the relation in training, add L to the model's losses, and give the logits as they came.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; NaN is missing; the relation
                counts at least 0.5 as 1. None, which is refused in training, adds no loss.
            observed: (batch, num_labels), bool; False marks a missing target, whatever it holds.
            sample_weight: w, (batch,); multiplies each sample's loss and never touches the relation.
            training: whether the relation moves, unless the layer is frozen or not trainable; Keras sets it.

        Raises:
            TypeError, ValueError: what was expected and what came; the relation is then as it was.
        """
        if targets is None:
            if training:
                raise ValueError(
                    "targets must be given in training, as in layer(logits, targets) with a keras.Input of their own, "
                    "got None"
                )
            return logits
        logits, targets, observed, sample_weight = self._checked(logits, targets, observed, sample_weight)
        read_values = may_read_values(self.validate, targets, observed)
        labels = split_labels(targets, observed, read_values=read_values)
        state = self._state()
        if training and self.trainable and not self.freeze:
            with after(tensorflow_backend(), logits, targets, observed, sample_weight):
                state = self._advance(state, labels)
        like = ops.zeros((), computation_dtype(logits))
        pairs = state_laplacians(KERAS, state, self.settings, num_labels=self.num_labels, like=like)
        alpha, reduction = self.settings.alpha, self.reduction
        terms = loss_terms(logits, labels, sample_weight, self.pos_weight, pairs, alpha=alpha, reduction=reduction)
        self.add_loss(terms.total)
        return logits

    def compute_output_spec(
        self,
        logits: Any,
        targets: Any = None,
        observed: Any = None,
        sample_weight: Any = None,
        training: bool | None = None,
    ) -> Any:
        """The logits, unchanged; what else is given is checked."""
        if targets is not None:
            check_metadata(logits, targets, observed, sample_weight, num_labels=self.num_labels)
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def _checked(self, *batch: Tensor | None) -> tuple[Any, ...]:
        """The batch, if its shapes and dtypes are what they must be; else raise TypeError or ValueError."""
        tensorflow, width = tensorflow_backend(), (None, self.num_labels)
        if tensorflow is not None:
            shapes = (width, width, width, (None,))
            batch = tuple(
                None if part is None else with_shape(tensorflow, part, shape)
                for part, shape in zip(batch, shapes, strict=True)
            )
        check_metadata(*batch, num_labels=self.num_labels)
        if tensorflow is not None:
            others = (None if part is None else with_rows_of(tensorflow, part, batch[0]) for part in batch[1:])
            batch = (batch[0], *others)
        return batch

    def _advance(self, state: RelationState, labels: Labels) -> RelationState:
        """Eq. 1 for one batch."""
        tensorflow = tensorflow_backend()
        context = replica_context(tensorflow)
        if context is not None:
            check_scope(context, self.relation_sum.value)
        with nullcontext() if context is None else own_losses(self):
            state = next_state(KERAS, state, labels, self.settings, tensorflow=tensorflow, context=context)
            self._assign(state)
        return state

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
        start = starting_relation(os.fspath(path), self.settings, self.num_labels, self.label_names)
        self.label_names = start.label_names
        self._assign(start.state)

    def reset(self) -> None:
        """Forget all evidence, also what the relation started from."""
        self._assign(RelationState(*(np.zeros(part.shape, np.float32) for part in self._state())))

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
        words = describe_criterion(
            self._host_state(),
            self.settings,
            f"alpha={self.settings.alpha:g}",
            reduction=self.reduction,
            freeze=self.freeze,
        )
        return f"OBRLossLayer({words})"


def _to_host(value: Any) -> Any:
    return on_host(value) if ops.is_tensor(value) else value
