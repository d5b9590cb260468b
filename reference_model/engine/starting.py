"""What a net starts from: weights trained earlier, and which parts of it are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from reference_model.config import FACE_NETS, RunConfig
from reference_model.engine.origins import origin_of
from reference_model.nets import AttributeModel, FaceNet
from reference_model.nets.weights import WeightAccount, load_model, load_weights
from reference_model.stages.stage import Targets

Account = Mapping[str, Mapping[str, Any]]
"""By part of the net: what became of every tensor of a file, as `reference_model.nets.weights.WeightAccount` has it;
and where the file comes from, as `reference_model.engine.origins.origin_of` has it."""


def weight_files(config: RunConfig, model: nn.Module) -> dict[str, Path]:
    """Return the files that the settings start the parts of a net from.

    The part ``""`` is the net of a stage that trains one, and ``"model"`` the whole of an attribute net.

    Raises:
        ValueError: If the settings name weights of a part that the net does not have.
    """
    stated = {name: path for name, path in vars(config.weights).items() if path is not None}
    if isinstance(model, AttributeModel):
        usable = {name: path for name, path in stated.items() if name in (*config.net.nets, "model")}
    else:
        usable = {"": stated["init"]} if "init" in stated else {}
    unused = sorted(stated.keys() - usable.keys() - ({"init"} if "" in usable else set()))
    if unused:
        raise ValueError(
            f"weights.{unused[0]} names a file that the net of the stage {config.stage} has no place for; leave it out"
            + (f", or add {unused[0]} to net.nets" if unused[0] != "init" else "")
        )
    return usable


def check_weights(config: RunConfig, files: Mapping[str, Path] | None = None) -> None:
    """Check that files of weights fit the convolutions of a run's nets, before its data are read or drawn.

    Args:
        config: The settings.
        files: Files of face-level nets, by the settings' names; by default those of ``config``.

    Raises:
        ValueError: If a file cannot be used.
    """
    net = config.net
    if files is None:
        stated = {name: getattr(config.weights, name) for name in ("init", *FACE_NETS)}
        files = {name: path for name, path in stated.items() if path is not None}
    for path in files.values():
        trunk = FaceNet(width=net.width, depth=net.depth, strides=net.strides, norm=net.norm)
        load_weights(trunk, path, net=net, size=config.images.size)


def start_from_weights(model: nn.Module, config: RunConfig, targets: Targets) -> tuple[Account, str]:
    """Load the weights that the settings name.

    Args:
        model: The net.
        config: The settings.
        targets: What the net predicts.

    Returns:
        What became of every tensor, as plain values, and the same as text for the console, empty without weights.

    Raises:
        ValueError: If a file cannot be used.
    """
    accounts: dict[str, dict[str, Any]] = {}
    lines = []
    for part, path in weight_files(config, model).items():
        account = _load(model, part, path, config, targets)
        accounts[part] = {"file": str(path), "origin": origin_of(path), **asdict(account)}
        lines.append(f"{part if part in FACE_NETS else 'the net'} starts from {path}:\n{account.describe()}")
    return accounts, "\n".join(lines)


def _load(model: nn.Module, part: str, path: Path, config: RunConfig, targets: Targets) -> WeightAccount:
    if part != "model":
        return load_weights(part_of(model, part), path, net=config.net, size=config.images.size)
    groups = list(targets.details["groups"].values())
    return load_model(model, path, names=targets.names, groups=groups, net=config.net, size=config.images.size)


def part_of(model: nn.Module, part: str) -> nn.Module:
    """Return a face-level net of fused ones by its name, or for any other part the whole net."""
    return model.face.nets[part] if part in FACE_NETS and isinstance(model, AttributeModel) else model


def pretrained_parameters(model: nn.Module, accounts: Account) -> list[nn.Parameter]:
    """Return the parameters that were loaded, which may have a learning rate of their own."""
    chosen: list[nn.Parameter] = []
    for part, account in accounts.items():
        loaded = set(account["loaded"])
        for name, parameter in part_of(model, part).named_parameters():
            if name.removeprefix("trunk.").removeprefix("head.") in loaded:
                chosen.append(parameter)
    return chosen


def freeze(model: nn.Module, names: tuple[str, ...]) -> list[FaceNet]:
    """Take the parameters of some face-level nets out of the training, and return these nets.

    Args:
        model: The net.
        names: The setting ``net.frozen``, which only fused nets may have.
    """
    nets = [part for name in names if isinstance(part := part_of(model, name), FaceNet)]
    for net in nets:
        net.requires_grad_(requires_grad=False)
    return nets
