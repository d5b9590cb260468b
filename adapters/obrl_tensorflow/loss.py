"""The joint loss and the relation loss, as losses of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from obrl.algebra import LossTerms
from obrl_tensorflow.criterion import Criterion


@keras.saving.register_keras_serializable(package="obrl")
class OBRLoss(Criterion):
    """L = L_E + alpha L_B: cross-entropy, and agreement with the relation learnt online.

        L_E = -1/K sum_k sum_m [ y log p + (1 - y) log(1 - p) ]                                          (Eq. 4)
        L_B = 1/(2 K M^2) sum_k sum_ij [ f_p(R_ij) (p_ki - p_kj)^2 + f_n(R_ij) (1 - (p_ki - p_kj)^2)^2 ]  (Eq. 2)

    with p = sigmoid(logits), f_p(R) = 1 where R >= positive_threshold and f_n(R) = 1 where R <= negative_threshold
    (Eq. 3; the diagonal and pairs without evidence count for neither). The relation R comes from the targets alone:
    no gradient flows through it. It is updated first, then used. Missing targets leave L_E and the relation; L_B acts
    on every prediction.

    Keras calls a loss in validation too, and does not tell it so: `OBRLossCallback` holds the relation still there. The
    state is two variables, in `online`, a tf.Module that `tf.train.Checkpoint` saves. Keras saves no state of a loss,
    so a saved model lacks it: use `save_relation` and `load_relation`, or `obrl.keras.OBRLossLayer`, whose state is
    part of the model. Copies and pickles hold it. Keras's `fit` drops the masks of NumPy masked arrays: give it NaN.
    Under `tf.distribute` build the loss within the scope of the strategy, and train without jit_compile.

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
        reduction: `"mean"` (the paper: 1/K sum_k w_k L_k), `"sum"` or `"none"`. Under `tf.distribute` a call divides
            the mean by the number of replicas, as every loss of Keras does.
        pos_weight: (num_labels,), finite and non-negative; multiplies the positives' part of L_E.
        cross_entropy: `"bce"` (Eq. 4), or a function that takes its place: of logits and targets, tensors
            (batch, num_labels) in float32 (float64 for float64 logits), it returns the loss of each label in the same
            shape and dtype, which is differentiated. obrl masks the missing labels, sums over labels, weighs the
            samples and reduces. A missing target is 0. Not beside `pos_weight`. For
            `get_config` it must be registered by `keras.saving.register_keras_serializable`.
        ignore_index: a number such as -1 or 255 that marks missing targets, in the loss and in the relation; targets
            are then integers. Where values are read, targets coded -1 and 1 are refused with -1: a batch in which -1
            occurs and at least 32 labels are known, all of them 1.
        label_names: one distinct name a label, for `pairs`.
        relation: where to start: an OnlineBatchRelation, its .npz, or a (num_labels, num_labels) matrix.
        freeze: never update the relation; requires `relation=`. A frozen loss runs on every backend of Keras.
        impl: `"auto"` computes the gradient with the value, with respect to y_pred alone; `"plain"` leaves it to
            TensorFlow, with respect to y_true and sample_weight too; `"fused"` does as `"auto"` in native code, which
            a C++ compiler builds at the first call, on a CPU or a CUDA device. XLA cannot compile native code, so
            `"fused"` raises under `jit_compile=True`. In `model.compile` that is the default (`"auto"`) on machines
            with a GPU, unless a `tf.distribute` strategy is used: pass `jit_compile=False` there.
        validate: whether to check the values of targets: None does on the CPU, in graphs of TensorFlow if no GPU is
            visible; True does on every device, where it makes the host wait; False never does. Shapes and dtypes are
            always checked. Logits that lie in [0, 1] give a warning where values are read.
        name: of the loss.

    Raises:
        TypeError, ValueError: an argument of another type, shape or range, or `freeze=True` without a relation.
        RuntimeError: a loss that is not frozen, with another backend of Keras than TensorFlow.

    Warns:
        UserWarning: a threshold outside of the range of the measure.

    Example:
        >>> import tensorflow as tf
        >>> criterion = OBRLoss(3)
        >>> targets = tf.constant([[1, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 1]])
        >>> round(float(criterion(targets, tf.zeros((4, 3)))), 4)  # 3 log 2 + 0.5 * 4 / 18
        2.1906

    Source: Wang, Su and Zhao, Eq. 1 to 4.
    """

    __module__ = "obrl.tensorflow"

    def terms(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        *,
        observed: Any = None,
        update: bool | None = None,
    ) -> LossTerms:
        """As a call, with L_E and L_B (before alpha) beside the total; each can be differentiated.

        Under `tf.distribute` a replica's terms are not divided by the number of replicas.
        """
        return LossTerms(*self._terms(y_pred, y_true, observed, sample_weight, update, parts=True))


@keras.saving.register_keras_serializable(package="obrl")
class RelationLoss(Criterion):
    """L_B alone (Eq. 2) with its own relation, to add to any other loss.

    The arguments, the state and when it moves are those of `OBRLoss`, without alpha, pos_weight and
    cross_entropy.

    Example:
        >>> import tensorflow as tf
        >>> criterion = RelationLoss(2)
        >>> loss = criterion(tf.constant([[1, 1], [0, 0]]), tf.constant([[3.0, -3.0], [3.0, -3.0]]))
        >>> round(float(loss), 4)
        0.2048
    """

    __module__ = "obrl.tensorflow"
    _joint = False

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
        measure: str = "unit_pearson",
        estimator: str = "batch",
        normalization: str = "all_pairs",
        reduction: str = "mean",
        ignore_index: int | None = None,
        label_names: Sequence[str] | None = None,
        relation: Any = None,
        freeze: bool = False,
        impl: str = "auto",
        validate: bool | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            num_labels,
            decay=decay,
            positive_threshold=positive_threshold,
            negative_threshold=negative_threshold,
            measure=measure,
            estimator=estimator,
            normalization=normalization,
            reduction=reduction,
            ignore_index=ignore_index,
            label_names=label_names,
            relation=relation,
            freeze=freeze,
            impl=impl,
            validate=validate,
            name=name,
        )

    def _arguments(self) -> dict[str, Any]:
        others = ("alpha", "pos_weight", "cross_entropy")
        return {name: value for name, value in super()._arguments().items() if name not in others}

    def get_config(self) -> dict[str, Any]:
        """The settings. The relation is not among them: `save_relation` and `load_relation` keep it."""
        return self._arguments()
