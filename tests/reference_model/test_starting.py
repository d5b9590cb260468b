"""Weights to start from, learning rates of their own, frozen nets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import NetConfig, OptimConfig, RunConfig, WeightsConfig
from reference_model.engine.module import StageModule, build_net
from reference_model.engine.origins import describe_origins, origin_of, origins
from reference_model.engine.schedule import make_optimizer
from reference_model.engine.starting import pretrained_parameters, start_from_weights
from reference_model.nets import FaceNet
from reference_model.nets.weights import save_weights
from reference_model.stages.attributes import STAGE, attribute_groups
from reference_model.stages.stage import Targets

NET = NetConfig(nets=("net_0", "net_1"), width=0.05, strides=(1, 1), frozen=("net_1",))
TARGETS = Targets(values=torch.empty(0).numpy(), names=CELEBA_ATTRIBUTES, details={"groups": attribute_groups()})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The weights of a face-level net."""
    path = tmp_path / "net.safetensors"
    save_weights(path, FaceNet(width=0.05, strides=(1, 1), norm="bn"), {})
    return path


def config(weights: Path, *, lr_pretrained: float | None = None) -> RunConfig:
    return RunConfig(
        net=NET, weights=WeightsConfig(net_0=weights), optim=OptimConfig(lr=0.1, lr_pretrained=lr_pretrained)
    )


def test_loaded_layers_have_a_learning_rate_of_their_own(weights: Path) -> None:
    settings = config(weights, lr_pretrained=0.01)
    model = build_net(STAGE, TARGETS, settings)
    accounts, text = start_from_weights(model, settings, TARGETS)
    assert list(accounts) == ["net_0"]
    assert "loaded" in text
    optimizer = make_optimizer(model, settings.optim, pretrained_parameters(model, accounts))
    rates = {id(parameter): group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in model.named_parameters():
        assert rates[id(parameter)] == (0.01 if name.startswith("face.nets.net_0.") else 0.1), name
    same = make_optimizer(model, config(weights).optim, pretrained_parameters(model, accounts))
    assert {group["lr"] for group in same.param_groups} == {0.1}


def test_frozen_nets_are_not_trained_and_stay_in_evaluation_mode(weights: Path) -> None:
    module = StageModule(STAGE, TARGETS, config(weights), total_steps=1)
    module.train()
    frozen = {name for name, part in module.named_modules() if not part.training}
    assert "model.face.nets.net_1.features.1" in frozen
    assert all(name.startswith("model.face.nets.net_1") for name in frozen)
    optimizer: Any = module.configure_optimizers()["optimizer"]  # type: ignore[index, call-overload]
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in module.model.named_parameters():
        assert (id(parameter) in trained) == (not name.startswith("face.nets.net_1.")), name


def test_weights_that_no_net_takes_are_refused(weights: Path) -> None:
    with pytest.raises(ValueError, match="net_3"):
        start_from_weights(
            build_net(STAGE, TARGETS, RunConfig(net=NET)),
            RunConfig(net=NET, weights=WeightsConfig(net_3=weights)),
            TARGETS,
        )


def test_a_file_of_weights_says_where_its_own_weights_come_from(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{name}.safetensors" for name in ("first", "second", "third"))
    net = FaceNet(width=0.05, strides=(1, 1), norm="bn")
    save_weights(first, net, {"stage": "pretrain", "data": "imagenet"})
    accounts: dict[str, Any] = {"": {"origin": origin_of(first)}}
    save_weights(second, net, {"stage": "identity", "data": "casia", **describe_origins(accounts)})
    save_weights(third, net, {})
    settings = RunConfig(net=NET, weights=WeightsConfig(net_0=second, net_1=third))
    accounts_of_nets, _ = start_from_weights(build_net(STAGE, TARGETS, settings), settings, TARGETS)
    generic = {"stage": "pretrain", "data": "imagenet", "starts_from": {}}
    assert origins(accounts_of_nets) == {
        "net_0": {"stage": "identity", "data": "casia", "starts_from": {"": generic}},
        "net_1": {"stage": None, "data": None, "starts_from": {}},
    }
    assert describe_origins({}) == {}
