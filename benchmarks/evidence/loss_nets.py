"""A linear model and one hidden layer, trained by cross-entropy or by the joint loss on the same batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.evidence.condition_nets import DROPOUT, HELD_OUT, WEIGHT_DECAY, FloatArray
from benchmarks.evidence.loss_tables import Part
from obrl.torch import OBRLoss
from reference_model.pipeline.tables.relation_variants import VARIANTS

NETS = ("linear", "hidden")
HIDDEN = 128
BATCH = 128
STEPS, LOOK_EVERY, PATIENCE = 600, 25, 5
"""Steps at most; the held-out loss is looked at every 25, and training ends once 5 looks brought no gain."""
RATES = (1e-3, 3e-3, 1e-2)
LOSSES: dict[str, dict[str, Any] | None] = {
    "cross-entropy": None,
    "default": {},
    "strong": dict(VARIANTS["strong"].changes),
    "strong, counts": {**VARIANTS["strong"].changes, "estimator": "counts"},
}
"""Settings of `OBRLoss`; `strong` is that of the reference model's tables, which were measured on faces."""


class Fitted(NamedTuple):
    """A trained net.

    Attributes:
        layers: from features to logits.
        steps: how many led to the best held-out loss.
        active_pairs: of the loss at its last step.
        held_out_loss: the best cross-entropy of the held-out rows.
    """

    layers: nn.Module
    steps: int
    active_pairs: int
    held_out_loss: float

    def probabilities(self, features: FloatArray) -> FloatArray:
        """(rows, num_labels)."""
        self.layers.eval()
        with torch.no_grad():
            logits: Tensor = self.layers(torch.tensor(features, dtype=torch.float32))
        return logits.sigmoid().double().numpy()


def fit(part: Part, net: str, loss: str, *, rate: float, seed: int) -> Fitted:
    """Train on the known labels until held-out rows gain no more.

    The seed decides the initial weights, the held-out rows and the batches, which are the same for each loss. The
    held-out rows are judged by the cross-entropy of their known labels, whatever the loss.
    """
    x, y = (torch.tensor(values, dtype=torch.float32) for values in (part.features, part.targets))
    known = torch.tensor(part.known)
    torch.manual_seed(seed)
    layers = _layers(net, x.shape[1], y.shape[1])
    optimizer = torch.optim.Adam(layers.parameters(), lr=rate, weight_decay=WEIGHT_DECAY)
    settings = LOSSES[loss]
    criterion = None if settings is None else OBRLoss(y.shape[1], impl="fused", **settings)
    batches = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(x), generator=batches)
    held, rest = order[: int(HELD_OUT * len(x))], order[int(HELD_OUT * len(x)) :]
    best, best_step, state = float("inf"), 0, {}
    queue: list[Tensor] = []
    for step in range(1, STEPS + 1):
        if not queue:
            queue = [rows for rows in rest[torch.randperm(len(rest), generator=batches)].split(BATCH) if len(rows) > 1]
        rows = queue.pop()
        layers.train()
        optimizer.zero_grad()
        logits = layers(x[rows])
        if criterion is None:
            value = cross_entropy(logits, y[rows], known[rows])
        else:
            value = criterion(logits, y[rows], observed=known[rows])
        value.backward()
        optimizer.step()
        if step % LOOK_EVERY == 0:
            layers.eval()
            with torch.no_grad():
                now = float(cross_entropy(layers(x[held]), y[held], known[held]))
            if now < best:
                best, best_step = now, step
                state = {name: tensor.clone() for name, tensor in layers.state_dict().items()}
            if step - best_step >= PATIENCE * LOOK_EVERY:
                break
    layers.load_state_dict(state)
    return Fitted(layers, best_step, 0 if criterion is None else len(criterion.pairs()), best)


def cross_entropy(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Summed over the known labels of a row, the mean over rows: Eq. 4."""
    losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return torch.where(known, losses, 0.0).sum() / len(logits)


def chosen_rate(part: Part, net: str) -> float:
    """The learning rate under which cross-entropy has the lowest loss on held-out training rows, for every loss."""
    return min(RATES, key=lambda rate: fit(part, net, "cross-entropy", rate=rate, seed=0).held_out_loss)


def _layers(net: str, width: int, labels: int) -> nn.Module:
    if net == "linear":
        linear = nn.Linear(width, labels)
        nn.init.zeros_(linear.weight)  # random weights of many features would have to be unlearnt from few rows
        return linear
    return nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, labels))
