"""What stands behind the convolutions."""

import pytest
import torch

from reference_model.nets.face_net import FaceNet
from reference_model.nets.heads import ClassHead, EmbeddingHead, NumberHead


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_cnn_m_with_its_fully_connected_layers_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        net, head = FaceNet(), ClassHead(512, 13, 1000, hidden=(4096, 4096), dropout=0.5)
    assert parameters(net) == 6_528_640
    assert parameters(net) + parameters(head) == 102_908_520


def test_an_embedding_of_512_and_100000_people_add_what_is_expected() -> None:
    with torch.device("meta"):
        head = EmbeddingHead(512, 13, 100_000, embedding=512, hidden=(4096, 4096))
    assert parameters(head.embedding) == 2_097_664
    assert parameters(head.classes) == 51_200_000


@pytest.mark.parametrize("side", [2, 3, 4, 5, 6, 13])
@pytest.mark.parametrize("hidden", [(), (16,), (16, 8)])
def test_every_head_takes_maps_of_every_side(side: int, hidden: tuple[int, ...]) -> None:
    maps = torch.randn(3, 4, side, side)
    assert ClassHead(4, side, 6, hidden=hidden)(maps).shape == (3, 6)
    logits, embedding = EmbeddingHead(4, side, 6, embedding=5, hidden=hidden)(maps)
    assert logits.shape == (3, 6)
    assert embedding.shape == (3, 5)
    assert NumberHead(4, side, hidden=hidden)(maps).shape == (3,)


def test_maps_of_one_pixel_are_refused() -> None:
    with pytest.raises(ValueError, match="2 pixels or more a side, got 1"):
        ClassHead(4, 1, 6)


def test_dropout_is_for_training_only() -> None:
    head = ClassHead(4, 6, 6, hidden=(64,), dropout=0.5)
    maps = torch.rand(3, 4, 6, 6)
    assert not torch.equal(head(maps), head(maps))
    head.eval()
    assert torch.equal(head(maps), head(maps))


def test_training_starts_from_nearly_equal_probabilities() -> None:
    torch.manual_seed(0)
    maps = torch.rand(64, 32, 6, 6)
    probabilities = ClassHead(32, 6, 10, hidden=(64,))(maps).softmax(dim=1)
    assert probabilities.max() < 0.2
    logits, _ = EmbeddingHead(32, 6, 10, embedding=16, hidden=(64,))(maps)
    assert logits.softmax(dim=1).max() < 0.2
