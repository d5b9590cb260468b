"""Weights that one stage writes and another starts from."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from reference_model.config import NetConfig, ReadConfig, RunConfig
from reference_model.engine.origins import origin_of
from reference_model.nets.face_net import FaceNet
from reference_model.nets.heads import ClassHead, EmbeddingHead
from reference_model.nets.weights import WeightError, load_weights, product_metadata, read_weights, save_weights
from reference_model.settings.pictures import POOL_MARKER

CONFIG = RunConfig(net=NetConfig(width=0.05, depth=1, norm="bn"))


class StageNet(nn.Module):
    """A face-level net and a head, named as the engine names them."""

    def __init__(self, head: nn.Module, **settings: float) -> None:
        super().__init__()
        net = {"width": 0.05, "depth": 1, "norm": "bn", **settings}
        self.trunk = FaceNet(**net)  # type: ignore[arg-type]
        self.head = head


def class_net(classes: int = 3, hidden: tuple[int, ...] = (8,), **settings: float) -> StageNet:
    return StageNet(ClassHead(24, 6, classes, hidden=hidden), **settings)


@pytest.fixture
def product(tmp_path: Path) -> Path:
    path = tmp_path / "net_0.safetensors"
    torch.manual_seed(1)
    save_weights(path, class_net(), product_metadata(CONFIG))
    return path


def test_a_product_holds_convolutions_and_hidden_layers_under_the_face_nets_names(product: Path) -> None:
    tensors, metadata = read_weights(product)
    assert set(tensors) == {*FaceNet(width=0.05, depth=1, norm="bn").state_dict(), "hidden.0.weight", "hidden.0.bias"}
    assert metadata["size"] == "64"
    assert metadata["scaling"] == "(x - 127.5) / 128"
    assert metadata["stage"] == "attributes"


def test_a_product_names_every_data_set(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    face = RunConfig(stage="face", data="casia", root=tmp_path, read=ReadConfig(scenes=tmp_path))
    people = RunConfig(stage="identity", data="celeba_people", root=tmp_path, read=ReadConfig(shuffle_people=True))
    drawn = RunConfig(stage="face")
    pool = tmp_path / "pool" / "casia"
    pool.mkdir(parents=True)
    (tmp_path / "pool" / POOL_MARKER).write_text("{}")
    stated = []
    for config in (face, people, drawn, replace(face, root=pool)):
        save_weights(path, class_net(), product_metadata(config))
        stated.append(origin_of(path))
    assert stated == [
        {"stage": "face", "data": "casia", "scenes_data": "sun397", "starts_from": {}},
        {"stage": "identity", "data": "celeba_people", "shuffled": "true", "starts_from": {}},
        {"stage": "face", "data": "synthetic", "starts_from": {}},
        {"stage": "face", "data": "drawn pictures", "starts_from": {}},
    ]


@pytest.mark.skipif(os.name != "posix", reason="the umask is a thing of POSIX")
def test_a_product_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        save_weights(tmp_path / "net.safetensors", class_net(), {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.safetensors").stat().st_mode) == 0o644
    assert not list(tmp_path.glob("*.tmp"))


def test_the_next_stage_starts_from_all_but_the_classes(product: Path) -> None:
    net = class_net(classes=5)
    classes = net.head.classes.weight.detach().clone()
    account = load_weights(net, product, net=CONFIG.net, size=64)
    stored, _ = read_weights(product)
    for name, tensor in stored.items():
        part = net.trunk if name.startswith("features.") else net.head
        assert torch.equal(part.state_dict()[name], tensor)
    assert torch.equal(net.head.classes.weight, classes)
    assert set(account.loaded) == set(stored)
    assert account.fresh == ("classes.weight", "classes.bias")
    assert account.unused == ()
    assert account.notes == ()
    assert "fresh: 2 tensors (classes.weight, classes.bias)" in account.describe()


def test_hidden_layers_of_another_shape_start_anew(product: Path) -> None:
    net = StageNet(EmbeddingHead(24, 6, 5, embedding=4, hidden=(16,)))
    account = load_weights(net, product)
    assert {"hidden.0.weight", "hidden.0.bias"} <= set(account.unused)
    assert {"hidden.0.weight", "hidden.0.bias", "embedding.weight", "embedding.bias", "classes.weight"} == set(
        account.fresh
    )


def test_a_fused_net_takes_the_convolutions_only(product: Path) -> None:
    net = FaceNet(width=0.05, depth=1, norm="bn")
    account = load_weights(net, product)
    assert account.fresh == ()
    assert set(account.unused) == {"hidden.0.weight", "hidden.0.bias"}


def test_a_part_of_a_larger_file_may_be_taken(tmp_path: Path) -> None:
    net = FaceNet(width=0.05, depth=1)
    save_file({f"face.nets.net_2.{name}": t for name, t in net.state_dict().items()}, tmp_path / "model.safetensors")
    other = FaceNet(width=0.05, depth=1)
    account = load_weights(other, tmp_path / "model.safetensors", prefix="face.nets.net_2.")
    assert account.fresh == ()
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in net.state_dict().items())


def test_whole_models_of_a_stage_may_be_taken(tmp_path: Path) -> None:
    net = class_net()
    save_file(net.state_dict(), tmp_path / "model.safetensors")
    account = load_weights(class_net(), tmp_path / "model.safetensors")
    assert account.fresh == ("classes.weight", "classes.bias")
    assert set(account.unused) == {"head.classes.weight", "head.classes.bias"}


def test_convolutions_of_another_shape_are_named_with_both_shapes(product: Path) -> None:
    net = class_net(width=0.2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(WeightError, match=r"features.0.weight: \(8, 3, 7, 7\) in the file, \(16, 3, 7, 7\) here"):
        load_weights(net, product)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_another_net_is_named_by_its_settings(product: Path) -> None:
    with pytest.raises(WeightError, match=r"another net: net\.depth 1 in the file, 2 here"):
        load_weights(class_net(), product, net=replace(CONFIG.net, depth=2))


def test_another_size_and_other_strides_are_noted(product: Path) -> None:
    account = load_weights(class_net(), product, net=replace(CONFIG.net, strides=(1, 1)), size=32)
    assert account.notes == (
        "the weights were trained with net.strides [2, 1], here [1, 1]",
        "the weights were trained on pictures of 64 pixels, here 32",
    )


def test_another_scaling_is_noted(tmp_path: Path) -> None:
    save_weights(tmp_path / "a.safetensors", class_net(), {"scaling": "x / 255"})
    account = load_weights(class_net(), tmp_path / "a.safetensors")
    assert account.notes == ("the weights were trained with pixels scaled as x / 255, here (x - 127.5) / 128",)


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    save_file({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightError, match=r"nothing in it fits .* has 22 tensors .* it offers none under such names"):
        load_weights(class_net(), tmp_path / "other.safetensors")


def test_weights_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    net = class_net()
    with torch.no_grad():
        net.trunk.state_dict()["features.0.weight"].fill_(float("nan"))
    save_weights(tmp_path / "nan.safetensors", net, {})
    with pytest.raises(WeightError, match=r"features.0.weight\) hold values that are not finite"):
        load_weights(class_net(), tmp_path / "nan.safetensors")


def test_other_files_are_refused(tmp_path: Path, product: Path) -> None:
    torch.save(class_net().state_dict(), tmp_path / "model.pt")
    with pytest.raises(WeightError, match=r"model.pt: not a whole .safetensors file .* convert others"):
        load_weights(class_net(), tmp_path / "model.pt")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(product.read_bytes()[:-100])
    with pytest.raises(WeightError, match=r"cut.safetensors: not a whole"):
        load_weights(class_net(), cut)
    with pytest.raises(WeightError, match=r"absent.safetensors: no such file"):
        load_weights(class_net(), tmp_path / "absent.safetensors")
