"""Exporting a finished run: the file, its comparison with torch, the model card, and what is refused."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from reference_model import export
from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.config import HeadConfig, ImagesConfig, NetConfig, RunConfig, StageName
from reference_model.engine import formats
from reference_model.engine.finished import OUTPUTS, Finished, describe_interface, load_finished
from reference_model.engine.formats import compare_onnx, write_onnx
from reference_model.engine.module import build_net
from reference_model.runs import RunError, RunFolder
from reference_model.stages.registry import load_stage
from reference_model.stages.stage import Targets
from tests.project.helpers import ROOT


def run_export(*arguments: str | Path) -> int:
    return export.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def exported(finished: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    assert run_export(finished["obrl"], "--onnx", folder, "--safetensors", folder / "net.safetensors") == 0
    return folder


def test_a_folder_gets_a_file_named_after_the_stage_and_a_card_beside_each(exported: Path) -> None:
    files = ["attributes.onnx", "attributes.onnx.md", "net.safetensors", "net.safetensors.md"]
    assert sorted(path.name for path in exported.iterdir()) == files


def test_the_onnx_file_answers_as_torch_does_for_any_batch(exported: Path, finished: dict[str, Path]) -> None:
    model = load_finished(finished["obrl"]).model
    session = onnxruntime.InferenceSession(exported / "attributes.onnx", providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape[1:]) == ("pixels", "tensor(uint8)", [3, 32, 32])
    for batch in (1, 2, 7, 12):
        pictures = torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8)
        (logits,) = session.run(["logits"], {"pixels": pictures.numpy()})
        with torch.no_grad():
            expected = model(pictures).numpy()
        assert logits.shape == (batch, 40)
        np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_the_onnx_file_says_what_goes_in_and_what_comes_out(exported: Path, finished: dict[str, Path]) -> None:
    props = {entry.key: entry.value for entry in onnx.load(exported / "attributes.onnx").metadata_props}
    labels = json.loads((finished["obrl"] / "labels.json").read_text())
    assert json.loads(props["names"]) == labels["names"]
    assert props["scaling"] == "(x - 127.5) / 128"
    assert "uint8 RGB (batch, 3, 32, 32)" in props["input"]
    assert list(json.loads(props["outputs"])) == ["logits"]
    assert props["stage"] == "attributes"


def test_the_program_of_the_documentation_reads_the_file(
    exported: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(
        r"```\{code-block\} python\n(.*?)```", (ROOT / "docs/reference_model/export.md").read_text(), re.DOTALL
    )
    shutil.copy(exported / "attributes.onnx", tmp_path / "faces.onnx")
    shutil.copy(next(faces.rglob("*.jpg")), tmp_path / "face.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/reference_model/export.md", "exec"), {})
    answers = ast.literal_eval(capsys.readouterr().out)
    assert list(answers) == list(CELEBA_ATTRIBUTES)
    assert all(0 <= probability <= 1 for probability in answers.values())


def test_safetensors_holds_the_weights_of_the_run(exported: Path, finished: dict[str, Path]) -> None:
    stored, weights = load_file(exported / "net.safetensors"), load_file(finished["obrl"] / "model.safetensors")
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)
    with safe_open(exported / "net.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["outputs"]).keys() == {"logits"}


def test_the_card_is_of_this_run(exported: Path, finished: dict[str, Path]) -> None:
    card = (exported / "attributes.onnx.md").read_text()
    report = json.loads((finished["obrl"] / "report.json").read_text())
    assert card.startswith("# Model card: attributes on CelebA\n")
    assert f"{100 * report['mean_balanced_accuracy']:.2f} %" in card
    assert "All weights started at random, by the seed 0." in card
    assert "- `net.group_hidden`: 8" in card
    assert "/tmp" not in card
    assert str(finished["obrl"]) not in card
    assert "onnxruntime" in card
    assert "onnxruntime" not in (exported / "net.safetensors.md").read_text()


def test_the_result_of_the_comparison_is_printed(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_export(finished["ce"], "--safetensors", tmp_path / "a" / "b.safetensors") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.search(r"0\.0e\+00 at batch size 1, 0\.0e\+00 at batch size 2, 0\.0e\+00 at batch size 7", first)
    assert second == f"{tmp_path / 'a' / 'b.safetensors.md'}: the model card"


def test_a_file_that_does_not_answer_as_torch_does_never_gets_its_name(
    finished: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def disturbed(path: Path, net: Finished) -> Any:
        assert isinstance(net.model.attributes, nn.Module)
        net.model.attributes.output_bias.data += 2e-4  # after the file was written
        return compare_onnx(path, net)

    monkeypatch.setattr(formats, "compare_onnx", disturbed)
    assert run_export(finished["obrl"], "--onnx", tmp_path / "net.onnx") == 2
    message = capsys.readouterr().err
    assert "largest difference to torch 2.0e-04 at batch size 1" in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def of_stage(stage: StageName, targets: Targets) -> Finished:
    config = RunConfig(
        stage=stage,
        images=ImagesConfig(size=32, crop_padding=0),
        net=NetConfig(width=0.05, strides=(1, 1), norm="lrn"),
        head=HeadConfig(hidden=(12,), embedding=6),
    )
    declared = load_stage(stage)
    model = build_net(declared, targets, config).eval()
    return Finished(RunFolder(Path()), config, declared, model, {}, describe_interface(config))


@pytest.mark.parametrize("stage", ["identity", "age"])
def test_every_output_of_a_net_with_a_head_is_exported(stage: StageName, tmp_path: Path) -> None:
    details: dict[str, Any] = {"train_mean": 37.0, "train_median": 36.0, "train_counts": [3, 2, 5]}
    names = ("age",) if stage == "age" else ("ann", "bob", "eve")
    net = of_stage(stage, Targets(np.zeros(3), names, details))
    differences = write_onnx(tmp_path / "net.onnx", net)
    assert [difference.batch for difference in differences] == [1, 2, 7]
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == [output.name for output in OUTPUTS[stage]]


def without(name: str) -> Callable[[str], object]:
    return lambda module: None if module == name else object()


def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    finished: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export, "find_spec", without("onnxruntime"))
    assert run_export(finished["obrl"], "--onnx", tmp_path / "net.onnx") == 2
    message = capsys.readouterr().err
    assert message == ('error: --onnx needs onnxruntime, not installed here: pip install "obrl[reference,export]"\n')
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused_before_anything_is_written(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unfinished, pipeline, out = tmp_path / "unfinished", tmp_path / "pipeline", tmp_path / "out"
    shutil.copytree(finished["obrl"], unfinished)
    (unfinished / "report.json").unlink()
    pipeline.mkdir()
    (pipeline / "pipeline.yaml").touch()
    shutil.copytree(finished["obrl"], pipeline / "6-attributes")
    cases = {
        tmp_path / "nothing": "is no run",
        unfinished: f"--resume {unfinished}",
        pipeline: "choose one of its finished runs: 6-attributes",
    }
    for run, words in cases.items():
        assert run_export(run, "--safetensors", out) == 2
        message = capsys.readouterr().err
        assert words in message
        assert message.count("\n") == 1
    assert not out.exists()
    assert run_export(finished["obrl"], "--safetensors", finished["obrl"] / "model.safetensors") == 2
    assert "exists; delete it" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run_export(finished["obrl"])
    assert stop.value.code == 2


def test_weights_of_another_net_are_refused(
    finished: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished["obrl"], run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("group_hidden: 8", "group_hidden: 9"))
    assert run_export(run, "--safetensors", tmp_path / "net.safetensors") == 2
    assert "holds another net than the run's settings describe" in capsys.readouterr().err
    with pytest.raises(RunError, match="another net"):
        load_finished(run)
