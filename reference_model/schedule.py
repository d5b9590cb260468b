"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from reference_model.config import OptimConfig


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return the optimiser; biases and the scales of normalisation have no weight decay.

    Args:
        model: Its parameters are optimised.
        config: The settings.

    Returns:
        SGD with momentum, or AdamW.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim > 1 and not name.endswith("bias")
        (decayed if matrix else free).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)


def learning_rate_factor(step: int, config: OptimConfig, *, total_steps: int) -> float:
    """Return what the learning rate of a step is multiplied by.

    Args:
        step: The step, from 0 on.
        config: The settings.
        total_steps: Steps of the whole run.

    Returns:
        A number in (0, 1]: rising linearly over the warm-up, then as ``config.schedule`` says.
    """
    warmup = math.ceil(config.warmup * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return float(10.0 ** -sum(step >= point * total_steps for point in config.step_at))
    progress = (step - warmup) / max(total_steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def make_scheduler(optimizer: torch.optim.Optimizer, config: OptimConfig, *, total_steps: int) -> LambdaLR:
    """Return the schedule of `learning_rate_factor`, to be stepped once a training step."""
    return LambdaLR(optimizer, lambda step: learning_rate_factor(step, config, total_steps=total_steps))
