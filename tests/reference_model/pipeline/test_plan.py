"""What is skipped, gone on with, refused and trained anew, and what is passed on; the trainer is a fake."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reference_model.pipeline.command import PipelineRequest, parse_pipeline
from reference_model.pipeline.overview import Outcome, format_summary
from reference_model.pipeline.plan import prepare_plan, run_plan
from reference_model.runs import RunError
from tests.reference_model.pipeline.fakes import FakeTrainer, Killed

STAGES = ["pretrain", "face", "identity", "age", "race", "attributes", "attributes"]
PLACES = ["begin", "start", "middle", "product", "end"]


def go(trainer: FakeTrainer, *arguments: str | Path) -> list[Outcome]:
    plan = prepare_plan(parse_pipeline([str(argument) for argument in arguments]), trainer)
    return run_plan(plan, trainer)


def go_on(request: PipelineRequest, trainer: FakeTrainer) -> list[Outcome]:
    return run_plan(prepare_plan(request, trainer), trainer)


def start(folder: Path, trainer: FakeTrainer, *arguments: str | Path) -> list[Outcome]:
    return go(trainer, "--stage=all", f"--out={folder}", *arguments)


def content(folder: Path) -> dict[str, str]:
    """Return every result of a pipeline: weights, reports, and what they were trained from."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".safetensors", ".json")
    }


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("complete") / "run"
    start(folder, FakeTrainer())
    return folder


def test_a_pipeline_is_ordinary_runs_and_their_products(complete: Path) -> None:
    names = {path.name for path in complete.iterdir()}
    assert names == {
        *("1-pretrain", "2-face", "3-identity", "4-age", "5-race", "6-attributes-celeba", "6-attributes-lfwa"),
        *(f"net_{number}.safetensors" for number in range(4)),
        *("pipeline.yaml", "README.md"),
    }
    inputs = json.loads((complete / "3-identity" / "inputs.json").read_text())
    assert inputs["data"] == "identity"
    assert inputs["settings"]["train.epochs"] > 0
    assert not {"out", "root", "weights.init"} & inputs["settings"].keys()
    readme = (complete / "README.md").read_text()
    assert "--redo identity" in readme
    assert "attributes-lfwa    trained" in readme


def test_each_net_starts_from_the_one_before(complete: Path) -> None:
    face = json.loads((complete / "2-face" / "inputs.json").read_text())["weights"]
    others = [
        json.loads((complete / name / "inputs.json").read_text())["weights"]
        for name in ("3-identity", "4-age", "5-race")
    ]
    assert others[0] == others[1] == others[2] != face
    assert (complete / "net_1.safetensors").read_text() == (complete / "3-identity/net_1.safetensors").read_text()
    last = json.loads((complete / "6-attributes-lfwa" / "inputs.json").read_text())["weights"]
    assert set(last) == {"net_1", "net_2", "net_3"}


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_it_ends_as_without(place: str, complete: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trainer = FakeTrainer(dies=[(stage, place) for stage in STAGES])
    request = parse_pipeline(["--stage=all", f"--out={run}"])
    with pytest.raises(Killed):
        go_on(request, trainer)
    request = replace(request, resume=True)
    for _ in STAGES[1:]:
        with pytest.raises(Killed):
            go_on(request, trainer)
    go_on(request, trainer)
    assert content(run) == content(complete)
    trainings = [stage for stage, _ in trainer.trained]
    assert trainings == STAGES if place == "end" else len(trainings) == 2 * len(STAGES)
    assert [resume for _, resume in trainer.trained[1:2]] == [place in ("middle", "product")]


def test_what_is_done_is_skipped(complete: Path) -> None:
    trainer, before = FakeTrainer(), content(complete)
    outcomes = go(trainer, "--resume", complete)
    assert trainer.trained == []
    assert {outcome.state for outcome in outcomes} == {"done before"}
    assert content(complete) == before


def test_what_is_stale_is_named_and_redo_trains_it_and_what_follows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, FakeTrainer())
    before = content(run)
    trainer, changed = FakeTrainer(), f"--race.train.epochs={99}"
    with pytest.raises(RunError, match=r"race: train\.epochs is \d+ there and 99 here.*--redo race"):
        go(trainer, "--resume", run, changed)
    with pytest.raises(RunError, match="race: train"):
        go(trainer, "--resume", run, changed, "--redo", "age")
    assert (trainer.trained, content(run)) == ([], before)
    go(trainer, "--resume", run, changed, "--redo", "race")
    assert [stage for stage, _ in trainer.trained] == ["race", "attributes", "attributes"]
    after = content(run)
    assert after["net_3.safetensors"] != before["net_3.safetensors"]
    assert after["net_2.safetensors"] == before["net_2.safetensors"]
    assert go(trainer, "--resume", run)[0].state == "done before"


def test_redo_of_the_face_stage_trains_all_nets_from_it_and_one_attribute_set_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, FakeTrainer())
    for name, expected in (("face", STAGES[1:]), ("attributes-lfwa", STAGES[-1:]), ("attributes", STAGES[-2:])):
        trainer = FakeTrainer()
        go(trainer, "--out", run, "--redo", name)
        assert trainer.trained == [(stage, False) for stage in expected]


def test_other_data_is_stale(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, FakeTrainer())
    with pytest.raises(RunError, match="age: the data is not the same"):
        go(FakeTrainer(fingerprints={"age": "other"}), "--resume", run)


def test_weights_that_are_exchanged_are_noticed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, FakeTrainer())
    (run / "1-pretrain" / "pretrained.safetensors").write_text("exchanged")
    with pytest.raises(RunError, match="face: it starts from other weights: init has changed"):
        go(FakeTrainer(), "--resume", run)


def test_supplied_weights_take_the_place_of_their_stage(tmp_path: Path) -> None:
    run, mine = tmp_path / "run", tmp_path / "mine.safetensors"
    mine.write_text("mine")
    trainer = FakeTrainer()
    outcomes = start(run, trainer, f"--weights.net_0={mine}", f"--weights.net_3={mine}")
    assert [stage for stage, _ in trainer.trained] == ["identity", "age", "attributes", "attributes"]
    assert [(outcome.name, outcome.state) for outcome in outcomes[:2]] == [("net_0", "supplied"), ("net_3", "supplied")]
    mine.unlink()  # the pipeline has its own copy
    assert (run / "net_3.safetensors").read_text() == "mine"
    assert go(trainer, "--resume", run)[-1].state == "done before"
    mine.write_text("another")
    with pytest.raises(RunError, match="started with other weights"):
        go(trainer, "--resume", run)
    start(run, trainer, "--overwrite", f"--weights.net_3={mine}")
    assert (run / "net_3.safetensors").read_text() == "another"


def test_weights_are_looked_for_before_a_pipeline_is_replaced(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, FakeTrainer())
    before = content(run)
    for file, message in ((run / "net_3.safetensors", "lies in"), (tmp_path / "nowhere", "no such file")):
        with pytest.raises(RunError, match=message):
            start(run, FakeTrainer(), "--overwrite", f"--weights.net_3={file}")
    assert content(run) == before


def test_everything_is_checked_before_anything_is_trained_or_written(tmp_path: Path) -> None:
    run, mine = tmp_path / "run", tmp_path / "mine.safetensors"
    mine.write_text("unfit")
    trainer = FakeTrainer()
    with pytest.raises(ValueError, match="does not fit"):
        start(run, trainer, f"--weights.net_2={mine}")
    with pytest.raises(RunError, match="no such file"):
        start(run, trainer, f"--weights.net_2={tmp_path / 'nowhere'}")
    assert trainer.drawings == 0
    with pytest.raises(ValueError, match=r"age starts from the net of face, but net\.width is 0\.125 for face"):
        start(run, trainer, "--age.net.width=0.5")
    with pytest.raises(ValueError, match="data of race"):
        start(run, FakeTrainer(unreadable="race"))
    assert trainer.trained == []
    assert not run.exists()


def test_a_folder_that_is_there_is_refused_or_replaced(tmp_path: Path) -> None:
    run, other = tmp_path / "my run", tmp_path / "other"
    start(run, FakeTrainer())
    with pytest.raises(RunError, match=r"--resume '.*my run'"):
        start(run, FakeTrainer())
    trainer = FakeTrainer()
    start(run, trainer, "--overwrite", "--seed=1")
    assert [stage for stage, _ in trainer.trained] == STAGES
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    with pytest.raises(RunError, match="not a pipeline"):
        start(other, trainer, "--overwrite")
    assert (other / "thesis.tex").exists()


def test_the_summary_has_stage_state_figure_and_time() -> None:
    report = {"main": {"name": "AUC", "value": 0.98765}}
    undefined = {"main": {"name": "top-1", "value": None}}
    table = format_summary(
        [Outcome("face", "trained", report, 61.4), Outcome("pretrain", "done before", undefined, None)]
    )
    assert table.splitlines()[2:] == [
        "face      trained      AUC 0.9877       61 s",
        "pretrain  done before  top-1 undefined",
    ]
