"""The optimiser and the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from reference_model.config import OptimConfig


def make_optimizer(
    model: nn.Module, config: OptimConfig, pretrained: Collection[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """Return the optimiser; biases and the scales of normalisation have no weight decay.

    Args:
        model: Its parameters are optimised, but for those that ask for no gradient.
        config: The settings.
        pretrained: Parameters that start from weights and have the learning rate ``config.lr_pretrained``.

    Returns:
        SGD with momentum, or AdamW. Its first group is one of new parameters.

    Raises:
        ValueError: If there is no parameter to train.
    """
    own_rate = {id(parameter) for parameter in pretrained} if config.lr_pretrained is not None else set()
    sorted_out: dict[tuple[bool, bool], list[nn.Parameter]] = {
        (False, True): [],
        (False, False): [],
        (True, True): [],
        (True, False): [],
    }
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim > 1 and not name.endswith("bias")
            sorted_out[id(parameter) in own_rate, decayed].append(parameter)
    if not any(sorted_out.values()):
        raise ValueError("no part of the net is trained: net.frozen names all of it")
    groups = [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decayed else 0.0,
            "lr": config.lr_pretrained if slow else config.lr,
        }
        for (slow, decayed), parameters in sorted_out.items()
        if parameters or not slow
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
