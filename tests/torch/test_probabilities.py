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


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.half(),
        lambda p: p[:, :4].reshape(4, -1).T[None].squeeze(0).contiguous()[:, :4],
        lambda p: p.view(-1, 4).clone(),
    ],
    ids=["a cast", "views", "a copy"],
)
def test_views_and_casts_do_not_hide_it(change):
    (message,) = messages(OBRLoss(4, validate=False), change(LOGITS.clone().requires_grad_().sigmoid()))
    assert "come from sigmoid" in message


def test_what_is_computed_from_probabilities_may_be_logits():
    probabilities = LOGITS.clone().requires_grad_().sigmoid()
    assert messages(OBRLoss(4, validate=False), (4 * probabilities)[:, :4]) == []


def test_other_batches_are_told_of_once_at_the_line_of_the_caller():
    criterion = OBRLoss(4)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for scale in (1, 0.9, 0.8):
            criterion(scale * LOGITS.sigmoid(), TARGETS)
    (warning,) = caught
    assert warning.filename == __file__


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
