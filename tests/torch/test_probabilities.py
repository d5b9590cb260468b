"""Probabilities in place of logits are noticed, from autograd's graph and from values."""

import warnings

import pytest
import torch

from obrl.torch import OBRLoss, RelationLoss

LOGITS = torch.linspace(-4, 4, 128).reshape(32, 4)
TARGETS = torch.zeros(32, 4)


def messages(criterion, logits):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        criterion(logits, TARGETS)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("kind", [OBRLoss, RelationLoss])
@pytest.mark.parametrize("function", ["sigmoid", "softmax"])
def test_the_graph_shows_where_they_come_from(kind, function):
    """On any device: `validate=False` reads no value."""
    logits = LOGITS.clone().requires_grad_()
    probabilities = logits.sigmoid() if function == "sigmoid" else logits.softmax(1)
    (message,) = messages(kind(4, validate=False), probabilities)
    assert message.startswith(f"the logits come from {function}, so they are probabilities")


def test_values_show_it_where_they_are_read():
    (message,) = messages(OBRLoss(4), LOGITS.sigmoid())
    assert "lie in [0, 1]" in message
    assert messages(OBRLoss(4, validate=False), LOGITS.sigmoid()) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_logits_are_told_nothing(dtype):
    assert messages(OBRLoss(4), LOGITS.to(dtype).requires_grad_() * 2) == []


def test_a_list_of_labels_says_how_to_join_them():
    with pytest.raises(TypeError, match=r"torch\.stack\(targets, dim=1\)"):
        OBRLoss(4)(LOGITS, list(TARGETS.T))
