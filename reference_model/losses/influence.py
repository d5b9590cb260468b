"""The influence of the relation loss: its share in the loss and in the gradient, measured while training."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from reference_model.losses.joint import JointTerms

DEFINITIONS = {
    "share_in_loss": "alpha L_B / (L_E + alpha L_B), mean over the measured training batches",
    "share_in_gradient": (
        "|alpha dL_B/dx| / (|dL_E/dx| + |alpha dL_B/dx|) with the Euclidean norm over a batch's logits x, mean over "
        "the measured training batches"
    ),
}
INACTIVE_BELOW = 0.001


class InfluenceMeter:
    """Sums of the two shares over the whole run and over the current epoch.

    The state is plain numbers, so that a checkpoint holds it and a resumed run reports what an uninterrupted one does.
    """

    def __init__(self) -> None:
        self._run = [0.0, 0.0, 0.0]  # share in loss, share in gradient, measurements
        self._epoch = [0.0, 0.0, 0.0]
        self._last_epoch = [0.0, 0.0, 0.0]

    def add(self, share_in_loss: float, share_in_gradient: float) -> None:
        """Add one measured batch."""
        for sums in (self._run, self._epoch):
            for place, value in enumerate((share_in_loss, share_in_gradient, 1.0)):
                sums[place] += value

    def end_epoch(self) -> None:
        """Start the next epoch; an epoch without a measurement does not replace the last one."""
        if self._epoch[2]:
            self._last_epoch = self._epoch
        self._epoch = [0.0, 0.0, 0.0]

    def summary(self) -> dict[str, Any]:
        """Return the mean shares over the run and over the last epoch, None where there is no measurement."""
        return {
            name: {"run": _mean(self._run, place), "last_epoch": _mean(self._last_epoch, place)}
            for place, name in enumerate(DEFINITIONS)
        } | {"measured_batches": int(self._run[2])}

    def state_dict(self) -> dict[str, list[float]]:
        """Return the sums."""
        return {"run": list(self._run), "epoch": list(self._epoch), "last_epoch": list(self._last_epoch)}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        """Restore the sums of `state_dict`."""
        self._run, self._epoch = list(state["run"]), list(state["epoch"])
        self._last_epoch = list(state["last_epoch"])


def measure_shares(terms: JointTerms, logits: Tensor, *, alpha: float) -> tuple[float, float]:
    """Measure the relation loss's shares on one batch, and leave the graph for the training step's backward pass.

    Of several processes each must call it; they measure the batch that they have together.

    Args:
        terms: The loss of the batch and its parts.
        logits: (batch, num_labels), what ``terms`` was computed from.
        alpha: Weight of the relation loss.

    Returns:
        The share in the loss and the share in the gradient; see ``DEFINITIONS``. 0 where both parts are 0, NaN where
        one is.
    """
    (entropy_gradient,) = torch.autograd.grad(terms.cross_entropy, logits, retain_graph=True)
    (relation_gradient,) = torch.autograd.grad(terms.relation_loss, logits, retain_graph=True)
    parts = torch.stack([terms.relation_loss.detach(), terms.cross_entropy.detach()])
    norms = torch.stack([relation_gradient.norm(), entropy_gradient.norm()])
    if dist.is_available() and dist.is_initialized():
        parts, norms = _of_all_processes(parts, norms, len(logits))
    relation, entropy, relation_norm, entropy_norm = torch.cat([parts, norms]).tolist()
    return _share(alpha * relation, entropy), _share(alpha * relation_norm, entropy_norm)


def _of_all_processes(parts: Tensor, norms: Tensor, pictures: int) -> tuple[Tensor, Tensor]:
    """Return the parts of the loss, and the norms of their gradients, of the batch that all processes have together.

    A part is a mean over pictures, so its gradient at the logits of a process of n pictures of N is n / N times that of
    the process's own mean.
    """
    sums = torch.cat([pictures * parts.double(), (pictures * norms.double()).square(), parts.new_tensor([pictures])])
    dist.all_reduce(sums)
    return sums[:2] / sums[4], sums[2:4].sqrt() / sums[4]


def _share(part: float, rest: float) -> float:
    return 0.0 if part + rest == 0 else part / (part + rest)


def _mean(sums: list[float], place: int) -> float | None:
    return sums[place] / sums[2] if sums[2] else None
