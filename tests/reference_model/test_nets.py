"""The nets: sizes as published, fusion along channels, nine branches that are what nine separate ones would be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from reference_model.cli import parse_command
from reference_model.config import NetConfig
from reference_model.losses.joint import build_criterion
from reference_model.nets import AttributeModel, AttributeNet, FaceNet, FusedFaceNets, build_seeded
from reference_model.nets.face_net import CaffeLocalResponseNorm
from reference_model.nets.model import scale_pixels
from reference_model.settings.sizes import feature_size
from reference_model.stages.attributes import attribute_groups
from tests.reference_model.compare import assert_rounded

GROUPS = [(0, 3), (1,), (2, 4, 5)]


def build_model(size: int, groups: Sequence[Sequence[int]], config: NetConfig, *, seed: int) -> AttributeModel:
    model = build_seeded(lambda: AttributeModel(size, groups, config), seed=seed)
    assert isinstance(model, AttributeModel)
    return model


def test_cnn_m_has_the_published_sizes() -> None:
    net = FaceNet().to("meta")
    sizes, maps = [], torch.zeros(1, 3, 224, 224, device="meta")
    for layer in net.features:
        maps = layer(maps)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(96, 109, 109), (96, 54, 54), (256, 26, 26), (256, 13, 13), *[(512, 13, 13)] * 3]
    weights = sum(module.weight.numel() for module in net.modules() if isinstance(module, nn.Conv2d))
    assert weights == 96 * 3 * 49 + 256 * 96 * 25 + 512 * 256 * 9 + 2 * 512 * 512 * 9


@pytest.mark.parametrize("strides", [(2, 2), (2, 1), (1, 1)])
def test_feature_size_is_what_the_net_gives(strides: tuple[int, int]) -> None:
    net = FaceNet(width=0.05, depth=1, strides=strides).to("meta")
    for size in range(24, 226, 3):
        predicted = feature_size(size, strides=strides)
        if predicted >= 1:
            assert net(torch.zeros(1, 3, size, size, device="meta")).shape[-1] == predicted


def test_local_response_normalisation_is_the_formula() -> None:
    torch.manual_seed(0)
    maps = torch.rand(2, 7, 3, 3, dtype=torch.float64)
    expected = torch.empty_like(maps)
    for channel in range(7):
        window = maps[:, max(channel - 2, 0) : channel + 3]
        expected[:, channel] = maps[:, channel] / (2 + 5e-4 / 5 * window.square().sum(1)) ** 0.75
    assert_rounded("normalised", CaffeLocalResponseNorm()(maps), expected, terms=5)


@pytest.mark.parametrize("norm", ["lrn", "bn", "none"])
def test_norms_keep_shape_and_layout(norm: str) -> None:
    net = FaceNet(width=0.1, strides=(1, 1), norm=norm)  # type: ignore[arg-type]
    images = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    maps = net(images)
    assert maps.shape == (2, net.out_channels, 5, 5)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    kinds = {type(module) for module in net.modules()}
    assert (nn.BatchNorm2d in kinds) == (norm == "bn")
    assert (CaffeLocalResponseNorm in kinds) == (norm == "lrn")


def test_fusion_puts_the_nets_side_by_side() -> None:
    fused = FusedFaceNets(["net_3", "net_1"], width=0.1, strides=(1, 1))
    images = torch.randn(2, 3, 32, 32)
    parts = [fused.nets["net_3"](images), fused.nets["net_1"](images)]
    assert torch.equal(fused(images), torch.cat(parts, dim=1))
    assert not torch.equal(parts[0], parts[1])
    assert FusedFaceNets(["net_1", "net_2", "net_3"]).out_channels == 1536


@pytest.mark.parametrize("names", [[], ["net_4"], ["net_1", "net_1"]])
def test_fusion_refuses_other_names(names: list[str]) -> None:
    with pytest.raises(ValueError, match="net_0, net_1, net_2, net_3"):
        FusedFaceNets(names)


def separate_branches(net: AttributeNet, features: Tensor, groups: list[tuple[int, ...]]) -> Tensor:
    """Compute every group's branch by itself."""
    logits = torch.empty(len(features), sum(len(columns) for columns in groups), dtype=features.dtype)
    for group, columns in enumerate(groups):
        channels = slice(group * net.channels, (group + 1) * net.channels)
        assert net.convolution.bias is not None
        maps = functional.conv2d(features, net.convolution.weight[channels], net.convolution.bias[channels], padding=1)
        maps = functional.max_pool2d(maps.relu(), 3, stride=2, padding=1)
        hidden = (maps.flatten(1) @ net.hidden_weight[group] + net.hidden_bias[group]).relu()
        for column in columns:
            logits[:, column] = hidden @ net.output_weight[column] + net.output_bias[column]
    return logits


@pytest.mark.parametrize("size", [2, 5, 6])
def test_branches_together_are_branches_apart(size: int) -> None:
    torch.manual_seed(size)
    net = AttributeNet(6, size, GROUPS, channels=3, hidden=4).double()
    nn.init.normal_(net.hidden_bias)
    nn.init.normal_(net.output_bias)
    features = torch.randn(5, 6, size, size, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    expected = separate_branches(net, features, GROUPS)
    assert_rounded("logits", net(features), expected, terms=6 * 9 * net.hidden_weight[0].numel())


def test_branches_share_nothing() -> None:
    net = AttributeNet(6, 4, GROUPS, channels=3, hidden=4)
    net(torch.randn(2, 6, 4, 4))[:, list(GROUPS[0])].sum().backward()
    assert net.hidden_weight.grad is not None
    assert net.convolution.weight.grad is not None
    assert net.hidden_weight.grad[0].abs().sum() > 0
    assert net.hidden_weight.grad[1:].abs().sum() == 0
    assert net.convolution.weight.grad[3:].abs().sum() == 0


@pytest.mark.parametrize("groups", [[], [()], [(0,), ()], [(0, 1), (1, 2)], [(0,), (2,)], [(1, 2)]])
def test_groups_must_cover_the_columns(groups: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        AttributeNet(6, 4, groups, channels=3, hidden=4)


def test_pixels_are_centred() -> None:
    scaled = scale_pixels(torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2))
    assert scaled.flatten().tolist() == [-127.5 / 128, -0.5 / 128, 0.5 / 128, 127.5 / 128]


def test_weights_depend_on_the_seed_alone() -> None:
    config = NetConfig(width=0.05, strides=(1, 1))
    torch.manual_seed(1)
    first = build_model(32, GROUPS, config, seed=7)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), after), "building a model must not use up the global generator"
    second, other = build_model(32, GROUPS, config, seed=7), build_model(32, GROUPS, config, seed=8)
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, second.state_dict()[name])
    assert not torch.equal(first.attributes.output_weight, other.attributes.output_weight)


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="smaller strides"):
        AttributeModel(32, GROUPS, NetConfig(strides=(2, 2)))


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_preset_has_the_published_sizes() -> None:
    config = parse_command(["--preset=paper"]).config
    with torch.device("meta"):
        model = AttributeModel(config.images.size, list(attribute_groups().values()), config.net)
    assert [count_parameters(net) for net in model.face.face_nets()] == [6_528_640] * 3
    assert model.face.out_channels == 1536
    assert count_parameters(model.attributes) == 22_439_016
    assert count_parameters(model) == 42_024_936


def test_an_exported_net_takes_batches_of_any_size() -> None:
    model = build_model(32, GROUPS, NetConfig(width=0.05, strides=(1, 1)), seed=0).eval()
    images = torch.randint(0, 256, (7, 3, 32, 32), dtype=torch.uint8)
    exported = torch.export.export(model, (images[:3],), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    for batch in (1, 2, 7):
        assert_rounded(f"batch of {batch}", exported(images[:batch]), model(images[:batch]), terms=1)


def test_a_step_of_the_paper_preset() -> None:
    """CNN-M at 224 pixels, three nets fused, nine groups, the paper's loss: forward and backward."""
    config = parse_command(["--preset=paper"]).config
    assert (config.images.size, config.net.width, config.net.depth, config.net.norm) == (224, 1.0, 3, "lrn")
    model = build_model(config.images.size, list(attribute_groups().values()), config.net, seed=0)
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    targets = torch.randint(0, 2, (2, 40)).float()
    logits = model(images)
    assert logits.shape == (2, 40)
    build_criterion("obrl", config.relation, list(map(str, range(40)))).terms(logits, targets).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


PAPER_STEP = """
import resource, torch
from reference_model.cli import parse_command
from reference_model.nets.model import AttributeModel
from reference_model.losses.joint import build_criterion
from reference_model.stages.attributes import attribute_groups
config = parse_command(["--preset=paper"]).config
model = AttributeModel(config.images.size, list(attribute_groups().values()), config.net)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
images = torch.randint(0, 256, (config.train.batch_size, 3, 224, 224), dtype=torch.uint8)
targets = torch.randint(0, 2, (config.train.batch_size, 40)).float()
criterion = build_criterion("obrl", config.relation, [str(name) for name in range(40)])
criterion.terms(model(images), targets).total.backward()
optimizer.step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_step_of_the_paper_preset_needs_less_than_12_gib() -> None:
    done = subprocess.run([sys.executable, "-c", PAPER_STEP], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 12 * 2**20, "KiB"
