"""Softmax with cross-entropy, and the Euclidean loss of a number."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class SoftmaxTerms(NamedTuple):
    """The loss of a batch and what it is read beside, scalars.

    Attributes:
        total: The cross-entropy.
        uniform_loss: ln C, that of a net that has learnt nothing.
    """

    total: Tensor
    uniform_loss: Tensor


class SoftmaxLoss(nn.Module):
    """Cross-entropy of the softmax over C classes: the mean over the pictures whose class is known.

    Example:
        >>> terms = SoftmaxLoss().terms(torch.zeros(4, 10), torch.tensor([0, 3, 9, -1]))
        >>> bool(terms.total == terms.uniform_loss)
        True
    """

    def terms(self, outputs: Tensor, targets: Tensor) -> SoftmaxTerms:
        """Return the loss of a batch.

        Args:
            outputs: Logits (batch, C).
            targets: (batch,) int64 classes, -1 where missing.
        """
        number = (targets >= 0).sum().clamp(min=1)
        loss = functional.cross_entropy(outputs.float(), targets, ignore_index=-1, reduction="sum") / number
        return SoftmaxTerms(loss, loss.new_tensor(math.log(outputs.shape[1])).detach())


class EuclideanTerms(NamedTuple):
    """The loss of a batch.

    Attributes:
        total: The Euclidean loss, a scalar.
    """

    total: Tensor


class EuclideanLoss(nn.Module):
    """Half the mean of the squared differences, as Caffe's EuclideanLoss: ``1 / (2 m) sum_i (output_i - target_i)^2``.

    Example:
        >>> EuclideanLoss().terms(torch.tensor([0.5, 0.25, 9.0]), torch.tensor([0.25, 0.25, float("nan")])).total
        tensor(0.0156)
    """

    def terms(self, outputs: Tensor, targets: Tensor) -> EuclideanTerms:
        """Return the loss of a batch.

        Args:
            outputs: (batch,) numbers.
            targets: (batch,) numbers, NaN where missing; m counts the others.
        """
        known = ~targets.isnan()
        difference = outputs.float() - torch.where(known, targets, 0.0)
        return EuclideanTerms(0.5 * (difference.square() * known).sum() / known.sum().clamp(min=1))
