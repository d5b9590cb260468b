"""A whole attribute net that is tuned further."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import NetConfig, RunConfig, WeightsConfig
from reference_model.engine.module import build_net
from reference_model.engine.results import save_model
from reference_model.engine.schedule import make_optimizer
from reference_model.engine.starting import pretrained_parameters, start_from_weights
from reference_model.nets.weights import read_weights
from reference_model.stages.attributes import STAGE, attribute_groups
from reference_model.stages.stage import Targets

NET = NetConfig(nets=("net_0", "net_1"), width=0.05, strides=(1, 1), group_channels=4, group_hidden=8)
TARGETS = Targets(values=torch.empty(0).numpy(), names=CELEBA_ATTRIBUTES, details={"groups": attribute_groups()})
CONFIG = RunConfig(seed=1, net=NET)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The model.safetensors of a run."""
    path = tmp_path / "model.safetensors"
    save_model(path, build_net(STAGE, TARGETS, replace(CONFIG, seed=7)), TARGETS, CONFIG, {})
    return path


def tuned(path: Path, net: NetConfig = NET) -> RunConfig:
    return replace(CONFIG, net=net, weights=WeightsConfig(model=path))


def test_every_tensor_is_loaded(trained: Path) -> None:
    config = tuned(trained)
    model = build_net(STAGE, TARGETS, config)
    accounts, text = start_from_weights(model, config, TARGETS)
    stored = load_file(trained)
    assert set(accounts["model"]["loaded"]) == set(stored) == set(model.state_dict())
    assert all(torch.equal(tensor, stored[name]) for name, tensor in model.state_dict().items())
    assert accounts["model"]["fresh"] == accounts["model"]["unused"] == ()
    assert text.startswith(f"the net starts from {trained}:\nloaded: ")


def test_every_layer_has_the_learning_rate_of_loaded_ones(trained: Path) -> None:
    config = replace(tuned(trained), optim=replace(CONFIG.optim, lr=0.1, lr_pretrained=0.01))
    model = build_net(STAGE, TARGETS, config)
    accounts, _ = start_from_weights(model, config, TARGETS)
    optimizer = make_optimizer(model, config.optim, pretrained_parameters(model, accounts))
    assert {group["lr"] for group in optimizer.param_groups if group["params"]} == {0.01}


def test_missing_and_further_tensors_are_named_in_the_account(trained: Path) -> None:
    stored, metadata = read_weights(trained)
    name = next(name for name in stored if name.startswith("attributes."))
    stored["further"] = stored.pop(name)
    save_file(stored, trained, metadata=metadata)
    accounts, text = start_from_weights(build_net(STAGE, TARGETS, CONFIG), tuned(trained), TARGETS)
    assert accounts["model"]["fresh"] == (name,)
    assert accounts["model"]["unused"] == ("further",)
    assert f"fresh: 1 tensor ({name})" in text


def test_other_shapes_name_the_tensors_and_change_nothing(trained: Path) -> None:
    config = tuned(trained, replace(NET, group_hidden=6))
    model = build_net(STAGE, TARGETS, config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"shapes of \d+ tensors \(attributes\..*\) in the file, .*\) here"):
        start_from_weights(model, config, TARGETS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_other_nets_are_named(trained: Path) -> None:
    config = tuned(trained, replace(NET, nets=("net_0", "net_2")))
    with pytest.raises(ValueError, match=r"net.nets \['net_0', 'net_1'\] in the file, \['net_0', 'net_2'\] here"):
        start_from_weights(build_net(STAGE, TARGETS, config), config, TARGETS)


def test_other_attributes_are_named(trained: Path) -> None:
    names = ("Unheard_Of", *CELEBA_ATTRIBUTES[1:])
    with pytest.raises(ValueError, match=rf"lacks Unheard_Of; it also has {CELEBA_ATTRIBUTES[0]}"):
        start_from_weights(build_net(STAGE, TARGETS, CONFIG), tuned(trained), replace(TARGETS, names=names))
    turned = (CELEBA_ATTRIBUTES[1], CELEBA_ATTRIBUTES[0], *CELEBA_ATTRIBUTES[2:])
    with pytest.raises(ValueError, match="their order is another"):
        start_from_weights(build_net(STAGE, TARGETS, CONFIG), tuned(trained), replace(TARGETS, names=turned))


def test_other_groups_are_refused(trained: Path) -> None:
    columns = list(range(len(CELEBA_ATTRIBUTES)))
    with pytest.raises(ValueError, match="other groups: 9 there, 1 here"):
        targets = replace(TARGETS, details={"groups": {"all": columns}})
        start_from_weights(build_net(STAGE, targets, CONFIG), tuned(trained), targets)


def test_a_face_level_net_is_no_whole_model(trained: Path) -> None:
    stored, _ = read_weights(trained)
    save_file(stored, trained, metadata={"stage": "identity"})
    with pytest.raises(ValueError, match=r"does not say which attributes it predicts; weights\.model takes the model"):
        start_from_weights(build_net(STAGE, TARGETS, CONFIG), tuned(trained), TARGETS)


def test_weights_that_are_not_finite_are_refused(trained: Path) -> None:
    stored, metadata = read_weights(trained)
    name = next(iter(stored))
    stored[name] = torch.full_like(stored[name].float(), float("nan"))
    save_file(stored, trained, metadata=metadata)
    with pytest.raises(ValueError, match=rf"1 tensor \({name}\) hold values that are not finite"):
        start_from_weights(build_net(STAGE, TARGETS, CONFIG), tuned(trained), TARGETS)


def test_settings_that_contradict_a_whole_model_are_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match=r"weights\.model holds every net; leave out weights\.net_0"):
        replace(CONFIG, weights=WeightsConfig(model=trained, net_0=trained))
    with pytest.raises(ValueError, match=r"the stage race trains one net, from weights\.init"):
        RunConfig(stage="race", weights=WeightsConfig(model=trained))
