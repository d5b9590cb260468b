"""Sums of an epoch that is stopped in its middle, in one process and in two."""

from __future__ import annotations

import pytest
import torch

from reference_model.engine import figures
from reference_model.engine.figures import EpochFigures
from reference_model.losses.plain import EuclideanTerms
from reference_model.metrics import LabelCounts
from reference_model.stages.attributes import AttributeMetrics
from reference_model.stages.stage import Targets

LOGITS, TARGETS = torch.tensor([[2.0, -1.0], [1.0, 3.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
EXPECTED = ({"loss": 0.75}, {"accuracy": 0.25, "balanced_accuracy": 0.25})


def begun() -> EpochFigures:
    """Return the figures of a batch."""
    epoch = EpochFigures(AttributeMetrics(Targets(torch.empty(0).numpy(), ("a", "b"))))
    epoch.add(EuclideanTerms(torch.tensor(0.75)), LOGITS, TARGETS)
    return epoch


def counts(epoch: EpochFigures) -> torch.Tensor:
    part = epoch.module.get_submodule("counts")
    assert isinstance(part, LabelCounts)
    return part.counts.clone()


def test_an_epoch_goes_on_where_it_was_and_a_finished_one_from_nothing() -> None:
    whole, resumed = begun(), begun()
    resumed.load_state_dict(whole.state_dict())
    assert resumed.close() == whole.close() == EXPECTED
    assert whole.state_dict()["weight"] == 0
    resumed.load_state_dict(whole.state_dict())
    assert not counts(resumed).any()


def test_the_sums_of_two_processes_go_on_in_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, single = begun(), begun().state_dict()
    monkeypatch.setattr(figures.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(figures.dist, "all_reduce", lambda part: part.mul_(2))  # the other process saw the same
    state = epoch.state_dict()
    assert state["weight"] == 2 * single["weight"]
    assert float(state["sums"]["total"]) == 2 * float(single["sums"]["total"])
    alone = counts(epoch)
    for rank, times in ((0, 2), (1, 0)):
        monkeypatch.setattr(figures.dist, "get_rank", lambda rank=rank: rank)
        resumed = begun()
        resumed.load_state_dict(state)
        torch.testing.assert_close(counts(resumed), times * alone)
    monkeypatch.setattr(figures.dist, "all_reduce", lambda part: None)  # the other process has nothing
    monkeypatch.setattr(figures.dist, "get_rank", lambda: 0)
    resumed.load_state_dict(state)
    assert resumed.close() == EXPECTED
