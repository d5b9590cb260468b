"""What obrl.tensorflow is compared with: the paper's formula, written the plain way, as in `benchmarks.peers`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


class PlainLoss:
    """Eq. 1 to 4 with variables R_sb and the scalar S, and a (batch, num_labels, num_labels) tensor of differences.

    Args:
        num_labels: M.
        decay: lambda of Eq. 1.
        alpha: weight of L_B.
        positive_threshold: r_p of Eq. 3.
        negative_threshold: r_n of Eq. 3.
    """

    def __init__(
        self,
        num_labels: int,
        *,
        decay: float = 0.99,
        alpha: float = 0.5,
        positive_threshold: float = 0.8,
        negative_threshold: float = 0.2,
    ) -> None:
        self.decay = decay
        self.alpha = alpha
        self.positive_threshold = positive_threshold
        self.negative_threshold = negative_threshold
        self.relation_sum = tf.Variable(tf.zeros((num_labels, num_labels)), trainable=False)
        self.relation_weight = tf.Variable(0.0, trainable=False)

    @property
    def relation(self) -> Tensor:
        """R_g = R_sb / S."""
        return self.relation_sum / self.relation_weight

    def __call__(self, targets: Tensor, logits: Tensor) -> Tensor:
        """Update the relation from the targets (Eq. 1), then L = L_E + alpha L_B."""
        self.relation_sum.assign(self.decay * self.relation_sum + batch_unit_pearson(targets))
        self.relation_weight.assign(self.decay * self.relation_weight + 1.0)
        batch = logits.shape[0]
        cross_entropy = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)) / batch
        return cross_entropy + self.alpha * self.relation_loss(logits)

    def relation_loss(self, logits: Tensor) -> Tensor:
        """L_B of Eq. 2, with the pairs i = j left out."""
        batch, num_labels = logits.shape
        relation, different = self.relation, ~tf.eye(num_labels, dtype=tf.bool)
        positive = tf.cast((relation >= self.positive_threshold) & different, tf.float32)  # f_p, Eq. 3
        negative = tf.cast((relation <= self.negative_threshold) & different, tf.float32)  # f_n, Eq. 3
        probabilities = tf.sigmoid(logits)
        squared = (probabilities[:, :, None] - probabilities[:, None, :]) ** 2
        pairs = positive * squared + negative * (1 - squared) ** 2
        return tf.reduce_sum(pairs) / (2 * batch * num_labels**2)


def batch_unit_pearson(targets: Tensor) -> Tensor:
    """R_b: (1 + phi) / 2 between the columns of `targets` (batch, num_labels); 1/2 where phi is undefined."""
    centred = targets - tf.reduce_mean(targets, axis=0)
    covariance = tf.matmul(centred, centred, transpose_a=True)
    deviation = tf.sqrt(tf.linalg.diag_part(covariance))
    return (1 + tf.math.divide_no_nan(covariance, deviation[:, None] * deviation)) / 2
