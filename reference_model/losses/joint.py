"""The loss of a run: the cross-entropy of Eq. 4 alone, or obrl's joint loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from obrl import OnlineBatchRelation
from obrl.torch import OBRLoss
from reference_model.config import RelationConfig


class JointTerms(Protocol):
    """A loss and its parts, as ``obrl.torch`` names them."""

    @property
    def total(self) -> Tensor: ...  # noqa: D102 - named after the loss
    @property
    def cross_entropy(self) -> Tensor: ...  # noqa: D102
    @property
    def relation_loss(self) -> Tensor: ...  # noqa: D102


class CrossEntropyTerms(NamedTuple):
    """The parts of a loss without relations; ``relation_loss`` is zero."""

    total: Tensor
    cross_entropy: Tensor
    relation_loss: Tensor


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Eq. 4: the sum over the attributes and the mean over the batch; missing (NaN) labels are left out.

    Args:
        logits: (batch, num_labels).
        targets: (batch, num_labels) in [0, 1], NaN where missing.

    Returns:
        A scalar.
    """
    observed = ~targets.isnan()
    known = torch.where(observed, targets, 0.0)
    # Eq. 4; a sum over the attributes, so that one learning rate serves this loss and the joint one.
    return functional.binary_cross_entropy_with_logits(
        logits, known, weight=observed.to(logits.dtype), reduction="sum"
    ) / len(logits)


class CrossEntropyLoss(nn.Module):
    """Eq. 4 by torch's binary cross-entropy, with the calling convention of ``obrl.torch.OBRLoss``."""

    def terms(self, logits: Tensor, targets: Tensor) -> JointTerms:
        """Return the loss and its parts; see `cross_entropy`."""
        loss = cross_entropy(logits, targets)
        return CrossEntropyTerms(loss, loss.detach(), torch.zeros_like(loss))


def build_criterion(
    loss: str, config: RelationConfig, names: Sequence[str], start: OnlineBatchRelation | None = None
) -> CrossEntropyLoss | OBRLoss:
    """Build the loss called ``loss``.

    Args:
        loss: ``"ce"`` or ``"obrl"``.
        config: Settings of the relation loss.
        names: Names of the attributes, in the order of the columns.
        start: What the relation starts from; needed for sources other than ``"online"``, unless a checkpoint is loaded.

    Returns:
        A module with a ``terms(logits, targets)`` method.
    """
    if loss == "ce":
        return CrossEntropyLoss()
    criterion = OBRLoss(len(names), **config.of_loss(), label_names=tuple(names), relation=start)
    criterion.freeze = config.source != "online"
    return criterion
