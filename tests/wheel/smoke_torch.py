"""Use the installed wheel with PyTorch: smoke_torch.py ENVIRONMENT."""

import sys
from pathlib import Path

import torch

import obrl.torch
import obrl_torch


def check(condition: bool, what: str) -> None:
    """End the program unless the condition holds."""
    if not condition:
        sys.exit(f"failed: {what}")


def main() -> None:
    """Train a small model on labels of which two agree."""
    check(Path(obrl_torch.__file__).is_relative_to(sys.argv[1]), f"obrl_torch is not from {obrl_torch.__file__}")
    torch.manual_seed(0)
    features = torch.randn(256, 6)
    targets = (features @ torch.randn(6, 4) > 0).float()
    targets[:, 1] = targets[:, 0]
    model = torch.nn.Linear(6, 4)
    criterion = obrl.torch.OBRLoss(4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        loss = criterion(model(features), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    check(losses[-1] < losses[0] / 2, "the loss falls")
    check([(pair.i, pair.j) for pair in criterion.pairs()] == [(0, 1)], "the two equal labels are the one pair")
    native = obrl.torch.OBRLoss(4, impl="fused")
    difference = native(model(features), targets) - obrl.torch.OBRLoss(4)(model(features), targets)
    check(abs(difference.item()) < 1e-6, "the native code, built from the wheel's sources, gives the same loss")
    print(f"PyTorch works: {criterion}")


if __name__ == "__main__":
    main()
