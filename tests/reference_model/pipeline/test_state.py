"""What a run is trained from: which settings matter, what weights are compared by, and what differs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from reference_model.config import RelationConfig, RunConfig, TrainConfig, WeightsConfig
from reference_model.pipeline.state import (
    INPUTS_FILE,
    Inputs,
    State,
    derive_inputs,
    differences,
    read_inputs,
    state_of,
    weights_digest,
    write_inputs,
)
from reference_model.runs import RunError


def test_places_and_what_the_console_shows_do_not_matter(tmp_path: Path) -> None:
    config = RunConfig(stage="age", train=TrainConfig(epochs=3))
    moved = replace(config, root=tmp_path, out=tmp_path, train=TrainConfig(epochs=3, progress="on", checkpoint_every=7))
    inputs = derive_inputs(config, data="d")
    assert inputs == derive_inputs(moved, data="d")
    longer = derive_inputs(replace(config, train=TrainConfig(epochs=4)), data="d")
    assert differences(inputs, longer) == ["train.epochs is 3 there and 4 here"]


def test_a_setting_that_an_earlier_version_did_not_write_has_its_default() -> None:
    config = RunConfig(stage="age")
    inputs = derive_inputs(config, data="d")
    earlier = {key: value for key, value in inputs.settings.items() if not key.startswith("read.")}
    assert differences(replace(inputs, settings=earlier), inputs) == []
    fewer = derive_inputs(replace(config, read=replace(config.read, train_rows=5)), data="d")
    assert differences(replace(inputs, settings=earlier), fewer) == ["read.train_rows is None there and 5 here"]


def test_weights_are_compared_by_content_where_they_exist(tmp_path: Path) -> None:
    file, copy = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    config = RunConfig(stage="age", weights=WeightsConfig(init=file))
    absent = derive_inputs(config, data="d")
    assert absent.weights == {"init": None}
    file.write_bytes(save({"w": np.zeros(3, np.float32)}))
    present = derive_inputs(config, data="d")
    assert differences(present, absent) == []  # not trained yet
    copy.write_bytes(file.read_bytes())
    assert derive_inputs(replace(config, weights=WeightsConfig(init=copy)), data="d") == present
    file.write_bytes(save({"w": np.array([0, 1e-45, 0], np.float32)}))
    assert differences(present, derive_inputs(config, data="d")) == ["it starts from other weights: init has changed"]
    assert differences(present, derive_inputs(replace(config, weights=WeightsConfig()), data="d"))


def test_the_order_of_a_header_does_not_change_the_digest(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    content = save({"w": np.arange(4, dtype=np.float32)}, metadata={"size": "32", "stage": "age"})
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    file.write_bytes(content)
    digest = weights_digest(file)
    turned = json.dumps(dict(reversed(header.items()))).encode()
    file.write_bytes(len(turned).to_bytes(8, "little") + turned + content[8 + size :])
    assert weights_digest(file) == digest
    header["__metadata__"]["size"] = "64"
    other = json.dumps(header).encode()
    file.write_bytes(len(other).to_bytes(8, "little") + other + content[8 + size :])
    assert weights_digest(file) != digest
    file.write_bytes(b"no safetensors at all")
    assert weights_digest(file) != digest


def test_the_state_follows_from_what_is_there(tmp_path: Path) -> None:
    inputs = Inputs({"seed": 0}, "d", {"init": "a"})
    assert state_of(tmp_path, inputs) == (State.START, [])
    write_inputs(tmp_path, inputs)
    assert read_inputs(tmp_path) == inputs
    assert state_of(tmp_path, inputs) == (State.RESUME, [])
    (tmp_path / "report.json").write_text("{}")
    assert state_of(tmp_path, inputs) == (State.DONE, [])
    assert state_of(tmp_path, replace(inputs, data="e"))[0] is State.STALE


@pytest.mark.parametrize("content", ["", "{}", '{"settings": 3, "data": "", "weights": {}}'])
def test_damaged_inputs_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / INPUTS_FILE).write_text(content)
    with pytest.raises(RunError, match=r"inputs\.json"):
        read_inputs(tmp_path)


def test_settings_that_are_newer_than_a_run_had_their_defaults() -> None:
    config = RunConfig(stage="attributes")
    inputs = derive_inputs(config, data="d")
    older = Inputs({key: value for key, value in inputs.settings.items() if key != "relation.source"}, "d", {})
    assert differences(older, inputs) == []
    mined = replace(config, relation=RelationConfig(source="global"))
    assert differences(older, derive_inputs(mined, data="d")) == ["relation.source is 'online' there and 'global' here"]


def test_a_relation_is_compared_by_content(tmp_path: Path) -> None:
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    here, there = (RunConfig(relation=RelationConfig(source="file", file=file)) for file in files)
    for file in files:
        file.write_bytes(b"the same")
    assert derive_inputs(here, data="d") == derive_inputs(there, data="d")
    files[1].write_bytes(b"another")
    phrases = differences(derive_inputs(here, data="d"), derive_inputs(there, data="d"))
    assert phrases == ["it starts from other weights: relation.file has changed"]
