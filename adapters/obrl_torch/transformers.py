"""The loss for the Trainer of Hugging Face Transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from obrl_torch.loss import Criterion

NOT_COUNTED = -100
"""The label that Trainer leaves out of `num_items_in_batch`."""


def trainer_loss(model: nn.Module, criterion: Criterion) -> Callable[..., Tensor]:
    """Make a criterion part of a model, and give the `compute_loss_func` of a `Trainer` that calls it.

        loss of one micro-batch = L * (labels in the micro-batch) / num_items_in_batch

    `model.criterion = criterion` is what makes it a part. So the model's checkpoints hold the relation, resuming and
    `load_best_model_at_end` bring it back, and it moves to the device of the model.

    L is a mean over rows. Trainer adds up what the micro-batches of an optimizer step give and, with a
    `compute_loss_func`, divides by nothing; it passes `num_items_in_batch`, the number of labels in all of them, over
    all processes. The factor makes the sum the mean over all their rows, also where the last micro-batch is smaller.
    A missing label counts as a label there. Only -100 would not, and so is refused as `ignore_index`: micro-batches
    would then weigh by their known labels, and a step without any would divide 0 by 0.

    Args:
        model: what the Trainer gets. Its outputs are a mapping with `"logits"`, (batch, num_labels), as those of
            Transformers are, or a tuple that starts with them.
        criterion: an `OBRLoss` or `RelationLoss` with `reduction="mean"`.

    Returns:
        A function of `(outputs, labels, num_items_in_batch)`, the names that Trainer uses, which gives a scalar.
        `labels` is the field of that name in the data set, (batch, num_labels). It raises a ValueError if there is
        none.

    Raises:
        TypeError: `model` is no module, or `criterion` no criterion of obrl.torch.
        ValueError: the model has another attribute `criterion`, or the criterion another reduction, or -100 as its
            `ignore_index`.

    Example:
        >>> import torch
        >>> from obrl.torch import OBRLoss
        >>> from obrl.torch.transformers import trainer_loss
        >>> model, criterion = torch.nn.Linear(4, 3), OBRLoss(3)
        >>> compute_loss = trainer_loss(model, criterion)
        >>> sorted(model.state_dict())
        ['bias', 'criterion.relation_sum', 'criterion.relation_weight', 'weight']
        >>> outputs, labels = {"logits": torch.zeros(2, 3)}, torch.ones(2, 3)
        >>> loss = compute_loss(outputs, labels, num_items_in_batch=12)  # 2 of the step's 4 rows: half of 3 log 2
        >>> round(loss.item(), 4)
        1.0397
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    if not isinstance(criterion, Criterion):
        raise TypeError(f"criterion must be an OBRLoss or RelationLoss of obrl.torch, got {type(criterion).__name__}")
    if criterion.reduction != "mean":
        raise ValueError(
            f"criterion must have reduction='mean', which Trainer's steps need, got {criterion.reduction!r}"
        )
    if criterion.ignore_index == NOT_COUNTED:
        raise ValueError(
            f"criterion must mark missing labels by another number than {NOT_COUNTED}, which Trainer does not count as "
            "a label: use ignore_index=-1, or NaN in labels that are floating point"
        )
    if getattr(model, "criterion", criterion) is not criterion:
        raise ValueError(
            f"{type(model).__name__} has another attribute 'criterion': pass that one if it is obrl's, else rename it"
        )
    model.criterion = criterion

    def compute_loss(outputs: Any, labels: Tensor | None, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        if labels is None:
            raise ValueError("expected labels in the batch, got none: name that column of the data set 'labels'")
        loss: Tensor = criterion(outputs["logits"] if isinstance(outputs, dict) else outputs[0], labels)
        if num_items_in_batch is None:
            return loss
        return loss * labels.numel() / num_items_in_batch

    return compute_loss
