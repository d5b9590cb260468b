"""The training run that every framework repeats."""

import torch

from obrl.torch import OBRLoss
from tests.support.shared_training import ALPHA, LABELS, RATE, assert_same_run, data


def test_the_run_is_that_of_numpy() -> None:
    features, targets, start = map(torch.from_numpy, data())
    criterion, weights = OBRLoss(LABELS, alpha=ALPHA), start.clone().requires_grad_()
    optimizer, losses = torch.optim.SGD([weights], RATE), []
    for x, y in zip(features, targets, strict=True):
        loss = criterion(x @ weights, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert_same_run(losses, criterion.relation)
