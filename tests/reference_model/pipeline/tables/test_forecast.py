"""How long cells that are not trained yet are said to take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from reference_model.config import RunConfig
from reference_model.engine.module import StageModule
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.running import Planned
from reference_model.pipeline.tables import forecast as module
from reference_model.pipeline.tables.command import parse_tables
from reference_model.pipeline.tables.forecast import forecast
from tests.reference_model.pipeline.tables.commands import arguments


@pytest.fixture
def config(table_faces: Path, tmp_path: Path) -> RunConfig:
    """Settings of cells on a few faces."""
    base = parse_tables(arguments("table2", table_faces, tmp_path)).options.base
    return replace(base, net=replace(base.net, nets=("net_1",)))


def planned(config: RunConfig, key: str, seconds: float | None = None) -> Planned:
    content = None if seconds is None else {"sittings": 1, "seconds": seconds}
    return Planned(Cell({}, config), key, content)


def test_steps_are_timed_on_the_device_of_the_cells(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    devices: set[str] = set()

    def choose(setting: str) -> torch.device:
        asked.append(setting)
        return torch.device("meta")  # computes nothing, and refuses to meet a CPU's tensors

    def terms(outputs: torch.Tensor, targets: torch.Tensor) -> object:
        devices.update((outputs.device.type, targets.device.type))
        return real(outputs, targets)

    real = None
    to = StageModule.to

    def moved(self: StageModule, device: torch.device) -> StageModule:
        nonlocal real
        there = to(self, device)
        real = there.criterion.terms
        monkeypatch.setattr(there.criterion, "terms", terms)
        return there

    monkeypatch.setattr(module, "choose_device", choose)
    monkeypatch.setattr(StageModule, "to", moved)
    assert "Expected time for 1 cells" in forecast([planned(config, "a")])
    assert asked == ["cpu"] and devices == {"meta"}


def test_mixed_precision_is_timed_as_it_is_trained(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed: list[bool] = []
    build = module.StageModule

    def watched(*words: object, **more: object) -> StageModule:
        built = build(*words, **more)  # type: ignore[arg-type]
        built.model.register_forward_hook(lambda *_: mixed.append(torch.is_autocast_enabled("cpu")))
        return built

    monkeypatch.setattr(module, "StageModule", watched)
    for precision in ("32", "bf16"):
        mixed.clear()
        forecast([planned(replace(config, train=replace(config.train, precision=precision)), "a")])
        assert set(mixed) == {precision == "bf16"}


def test_a_relation_that_is_not_there_yet_is_not_read(config: RunConfig, tmp_path: Path) -> None:
    relation = replace(config.relation, source="file", file=tmp_path / "of-another-cell.npz")
    assert "without the relation loss" in forecast([planned(replace(config, relation=relation), "a")])


def test_finished_cells_speak_for_those_of_their_kind_alone(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[RunConfig] = []

    def measure(settings: RunConfig) -> float:
        timed.append(settings)
        return 1.0

    monkeypatch.setattr(module, "_measure", measure)
    config = replace(config, net=replace(config.net, frozen=config.net.nets))
    others = {
        "cached": replace(config, features=replace(config.features, cache=True)),
        "strides": replace(config, net=replace(config.net, strides=(2, 1))),
        "cross-entropy": replace(config, loss="ce"),
    }
    cells = [planned(config, "done", 70.0), planned(replace(config, seed=1), "alike")]
    text = forecast([*cells, *(planned(other, key) for key, other in others.items())])
    assert "Expected time for 4 cells: 73 s (1 as long as the finished cells of their kind; 3 by timing" in text
    assert len(timed) == 3 and {settings.loss for settings in timed} == {"ce"}
