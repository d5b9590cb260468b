"""The file of a whole net says all that is needed to use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.engine.model_file import load_model
from reference_model.engine.trained import load_trained
from reference_model.nets.weights import WeightError, read_weights
from reference_model.reports.cutoffs import CUTOFF_METRICS
from reference_model.runs import read_figures
from reference_model.stages.registry import load_stage


def test_the_net_is_that_of_the_run(finished: dict[str, Path]) -> None:
    loaded = load_model(finished["obrl"] / "model.safetensors")
    assert (loaded.stage, loaded.data, loaded.size) == (load_stage("attributes"), "celeba", 32)
    assert loaded.names == CELEBA_ATTRIBUTES and not loaded.model.training
    pixels = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(loaded.model(pixels), load_trained(finished["obrl"]).module.model(pixels))


def test_names_details_and_cutoffs_are_those_of_the_run(finished: dict[str, Path]) -> None:
    loaded = load_model(finished["ce"] / "model.safetensors")
    labels = read_figures(finished["ce"] / "labels.json")
    assert {name: loaded.details[name] for name in labels["details"]} == labels["details"]
    assert loaded.calibration == labels["calibration"]
    assert loaded.calibration["pictures"] == 32
    assert loaded.calibration["cutoffs"].keys() == set(CUTOFF_METRICS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": None, "head": None}, "does not say its net, head; a run's model.safetensors does"),
        ({"scaling": "x / 255"}, "pixels are scaled as x / 255, and only"),
        ({"stage": "hair"}, "unknown stage 'hair'; the stages are pretrain, face"),
        ({"net": '{"widht": 1}'}, "describes a net that this version cannot build: .*widht"),
        ({"names": "[1"}, "describes a net that this version cannot build"),
        ({"size": "3"}, "describes a net that this version cannot build"),
        ({"groups": '{"all": [0, 1, 2]}'}, "holds other tensors than the net that it describes"),
    ],
)
def test_a_file_that_does_not_describe_its_net_is_refused(
    finished: dict[str, Path], tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    tensors, metadata = read_weights(finished["ce"] / "model.safetensors")
    changed = {name: value for name, value in {**metadata, **changes}.items() if value is not None}
    save_file(tensors, tmp_path / "changed.safetensors", changed)
    with pytest.raises(WeightError, match=message):
        load_model(tmp_path / "changed.safetensors")


def test_text_that_other_programs_added_is_passed_over(finished: dict[str, Path], tmp_path: Path) -> None:
    path = finished["ce"] / "model.safetensors"
    metadata = {**read_weights(path)[1], "format": "pt", "obrl_version": "0.1.0"}
    save_file(load_file(path), tmp_path / "other.safetensors", metadata)
    other = load_model(tmp_path / "other.safetensors")
    assert "format" not in other.details and other.names == tuple(json.loads(metadata["names"]))
