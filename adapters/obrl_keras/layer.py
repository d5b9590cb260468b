"""The joint loss as the last layer of a model, on every backend of Keras 3."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import keras
from keras import ops

from obrl.arrays import unmask_labels
from obrl.labels import Labels, known_targets
from obrl.online import RelationState, state_laplacians
from obrl_keras.functions import computation_dtype, function_losses, loss_terms
from obrl_keras.graphs import (
    after,
    check_scope,
    keep_added_losses,
    next_state,
    replica_context,
    tensorflow_backend,
    with_rows_of,
    with_shape,
    with_value_checks,
)
from obrl_keras.inputs import (
    check_metadata,
    check_tensor,
    may_read_values,
    on_host,
    row_count,
    split_labels,
    warn_of_logits,
)
from obrl_keras.namespace import KERAS, Tensor
from obrl_keras.stateful import StatefulLayer


@keras.saving.register_keras_serializable(package="obrl")
class OBRLossLayer(StatefulLayer):
    """L = L_E + alpha L_B as the endpoint of a model: it takes logits and targets, adds the loss, and gives the logits.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone: no
    gradient flows through it. In training it is updated first, then used; in validation it stands still. Missing
    targets leave L_E and the relation; L_B acts on every prediction.

    Its state is two weights of the model, never trained and never narrower than float32, whatever the policy:
    `relation_sum` and `relation_weight`. They are saved in `.keras` and weight files. Without targets (`predict`, an
    exported model) the layer gives the logits and nothing else. Keras's `fit` drops the masks of NumPy masked arrays:
    give it NaN.

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
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, tensors
            (batch, num_labels) in float32 (float64 for float64 logits), it returns the loss of each label in the same
            shape and dtype, which is differentiated. obrl masks the missing labels, sums over labels, weighs the
            samples and reduces. A missing target is 0. Not beside `pos_weight`. To be
            saved with the model it must be registered by `keras.saving.register_keras_serializable`.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix. It is not
            part of the layer's configuration: a saved model holds the state itself.
        freeze: never update the relation; requires `relation=`.
        validate: whether to check the values of targets: None does on the CPU, in graphs of TensorFlow if no GPU is
            visible; True does on every device, where it makes the host wait; False never does. Shapes and dtypes are
            always checked. Logits that lie in [0, 1] give a warning where values are read.
        trainable: whether the relation may move; as that of every layer, it can be changed later.
        name: of the layer.
        dtype: the policy of the layer; the loss is computed in float32, or float64 for float64 logits.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range, or `freeze=True` without a relation.

    Warns:
        UserWarning: a threshold outside of the range of the measure.

    Source: Wang, Su and Zhao, Eq. 1 to 4.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> inputs, targets = keras.Input((2,)), keras.Input((3,))
        >>> logits = keras.layers.Dense(3, kernel_initializer="zeros")(inputs)
        >>> model = keras.Model([inputs, targets], OBRLossLayer(3)(logits, targets))
        >>> model.compile("sgd")
        >>> y = np.tile([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], (4, 1))
        >>> history = model.fit([np.ones((8, 2)), y], verbose=0)
        >>> round(history.history["loss"][0], 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906
    """

    __module__ = "obrl.keras"
    _name_in_code = "layer"

    def __call__(
        self,
        logits: Tensor,
        targets: Tensor | None = None,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """As `call`; before Keras converts them, masks of NumPy arrays become missing targets."""
        targets, observed = unmask_labels(targets, observed)
        options = {"observed": observed, "sample_weight": sample_weight}
        for name, value in {"logits": logits, "targets": targets, **options}.items():
            check_tensor(name, value)
        return super().__call__(logits, targets, **options, training=training)

    def call(
        self,
        logits: Tensor,
        targets: Tensor | None = None,
        *,
        observed: Tensor | None = None,
        sample_weight: Tensor | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Update the relation in training, add L to the model's losses, and give the logits as they came.

        Args:
            logits: x, (batch, num_labels), float16, bfloat16, float32 or float64.
            targets: y, (batch, num_labels), bool, integer or floating point in [0, 1]; the relation counts at least
                0.5 as 1. NaN, and what a NumPy masked array masks, is missing. None, which is refused in training, adds
                no loss.
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
        warn_of_logits(logits, self.validate)
        targets = with_value_checks(tensorflow_backend(), targets, observed, self.ignore_index, self.validate)
        read_values = may_read_values(self.validate, targets, observed)
        observed = known_targets(targets, observed, self.ignore_index, on_host=on_host if read_values else None)
        labels = split_labels(targets, observed, read_values=read_values)
        x, function = ops.cast(logits, computation_dtype(logits)), self.cross_entropy
        losses = function_losses(function, x, labels) if callable(function) else None
        state = self._state()
        if training and self.trainable and not self.freeze:
            with after(tensorflow_backend(), logits, targets, observed, sample_weight, losses):
                state = self._advance(state, labels)
        like = ops.zeros((), computation_dtype(x))
        pairs = state_laplacians(KERAS, state, self.settings, num_labels=self.num_labels, like=like)
        how: dict[str, Any] = {"alpha": self.settings.alpha, "reduction": self.reduction, "losses": losses}
        terms = loss_terms(x, labels, sample_weight, self.pos_weight, pairs, **how)
        self.add_loss(terms.total)
        if self._see is not None:  # a monitor sees no batch that an error has stopped, as the relation does not
            self._see(logits, targets, observed, sample_weight)
        return logits

    def compute_output_spec(
        self,
        logits: Any,
        targets: Any = None,
        *,
        observed: Any = None,
        sample_weight: Any = None,
        training: bool | None = None,
    ) -> Any:
        """The logits, unchanged; what else is given is checked."""
        if targets is not None:
            self._check(logits, targets, observed, sample_weight)
            warn_of_logits(logits, self.validate)
        return keras.KerasTensor(logits.shape, dtype=logits.dtype)

    def _checked(self, *batch: Tensor | None) -> tuple[Any, ...]:
        """The batch, with shapes that a graph did not know; raises TypeError or ValueError where one is wrong."""
        tensorflow, width = tensorflow_backend(), (None, self.num_labels)
        if tensorflow is not None:
            shapes = (width, width, width, (None,))
            batch = tuple(
                None if part is None else with_shape(tensorflow, part, shape)
                for part, shape in zip(batch, shapes, strict=True)
            )
        self._check(*batch)
        if tensorflow is not None:
            others = (None if part is None else with_rows_of(tensorflow, part, batch[0]) for part in batch[1:])
            batch = (batch[0], *others)
        return batch

    def _check(self, *batch: Any) -> None:
        check_metadata(*batch, num_labels=self.num_labels, ignore_index=self.ignore_index)

    def _advance(self, state: RelationState, labels: Labels) -> RelationState:
        """Eq. 1 for one batch."""
        tensorflow = tensorflow_backend()
        context = replica_context(tensorflow)
        if context is not None:
            check_scope(context, self.relation_sum.value)
        rows = row_count(labels.positive, labels.positive)
        with nullcontext() if context is None else keep_added_losses(self):
            state = next_state(KERAS, state, labels, rows, self.settings, tensorflow=tensorflow, context=context)
            self._write(state)
        return state
