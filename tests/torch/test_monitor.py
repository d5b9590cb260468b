"""The monitor in a training loop of torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import obrl
from obrl.monitor import Measurement, Monitor
from obrl.torch import OBRLoss
from tests.support.shared_training import ALPHA, LABELS, RATE, data


def run(monitor: Monitor | None, dtype: torch.dtype) -> tuple[list[Tensor], OBRLoss, list[Measurement | None]]:
    features, targets, start = map(torch.from_numpy, data())
    criterion, weights = OBRLoss(LABELS, alpha=ALPHA), start.clone().requires_grad_()
    optimizer, measured = torch.optim.SGD([weights], RATE), []
    for step, (x, y) in enumerate(zip(features, targets, strict=True), start=1):
        logits = (x @ weights).to(dtype)
        loss = criterion(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if monitor is not None:
            measured.append(monitor.log(step, criterion, logits=logits, targets=y))
    return [weights.detach(), criterion.relation_sum, criterion.relation_weight], criterion, measured


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_logs_and_changes_no_number_of_the_training(dtype: torch.dtype, tmp_path: Path) -> None:
    plain, _, _ = run(None, dtype)
    with Monitor(tmp_path / "relation.csv", every=2) as monitor:
        watched, criterion, measured = run(monitor, dtype)
    for first, second in zip(plain, watched, strict=True):
        assert torch.equal(first, second)
    rows = [row for row in measured if row is not None]
    assert len(rows) == len(measured) // 2
    signs = [pair.sign for pair in criterion.pairs()]
    assert (rows[-1].pairs_together, rows[-1].pairs_apart) == (signs.count(1), signs.count(-1))


def test_the_shares_are_those_of_numpy() -> None:
    features, targets, start = data()
    criterion = OBRLoss(LABELS, alpha=ALPHA, pos_weight=[2.0] * LABELS)
    logits, y = torch.from_numpy(features[0] @ start), torch.from_numpy(targets[0])
    weight = torch.arange(len(y), dtype=torch.float32)
    criterion(logits, y, sample_weight=weight)
    measured = Monitor([], every=1).log(1, criterion, logits=logits, targets=y, sample_weight=weight)
    numpy = obrl.OBRLoss(LABELS, alpha=ALPHA, pos_weight=[2.0] * LABELS, relation=criterion.to_numpy(), freeze=True)
    terms = numpy.terms(logits.numpy(), targets[0], sample_weight=np.arange(len(y)))
    assert measured is not None
    assert measured.share_of_loss == pytest.approx(ALPHA * terms.relation_loss / terms.total)
