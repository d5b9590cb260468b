"""Where the relation comes from: the batches, all training labels at once, or the file of another run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from obrl import OnlineBatchRelation
from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.cli import parse_command
from reference_model.config import RelationConfig
from reference_model.engine.loader import epoch_order
from reference_model.engine.module import StageModule
from reference_model.engine.sources import open_data
from reference_model.evaluating import evaluate
from reference_model.losses import start
from reference_model.losses.start import EpochClock, mine_relation, read_relation, start_relation
from reference_model.settings.files import load_config
from reference_model.stages.registry import load_stage
from tests.reference_model.training.commands import tiny_arguments, train
from tests.reference_model.training.test_resume import assert_same, checkpoint

NAMES = ("first", "second", "third")
LABELS = np.array([[1, 1, 0], [0, 0, np.nan], [1, 0, 1], [0, np.nan, 1], [1, 1, 1]])
TIMES = ("mining_seconds", "epoch_seconds")


class BreakOffError(Exception):
    """Ends a training in the middle."""


def read_report(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "report.json").read_text())
    return content


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    relation = {name: value for name, value in report["relation"].items() if name not in TIMES}
    return {**report, "relation": relation}


@pytest.fixture(scope="module")
def mined(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run whose relation was measured at once."""
    run = tmp_path_factory.mktemp("mined") / "run"
    assert train(*tiny_arguments(faces, run), "--relation.source=global") == 0
    return run


def training_labels(run: Path) -> Any:
    return open_data(load_config(run / "config.yaml"), load_stage("attributes")).values("train")


@pytest.mark.parametrize("estimator", ["batch", "counts"])
def test_a_mined_relation_is_that_of_the_pairs_that_are_known(estimator: Any) -> None:
    config = RelationConfig(source="global", estimator=estimator, measure="pearson", decay=0.5)
    relation = mine_relation(LABELS, NAMES, config)
    for first in range(3):
        for second in range(3):
            known = ~np.isnan(LABELS[:, [first, second]]).any(axis=1)
            expected = np.corrcoef(LABELS[known, first], LABELS[known, second])[0, 1]
            np.testing.assert_allclose(relation.relation[first, second], expected, atol=1e-12)
    whole = OnlineBatchRelation(3, decay=1, measure="pearson", estimator=estimator).update(LABELS)
    np.testing.assert_array_equal(relation.relation, whole.relation)
    assert relation.label_names == NAMES


def test_a_global_relation_is_that_of_all_training_labels_and_never_moves(mined: Path) -> None:
    expected = OnlineBatchRelation(40, decay=1).update(training_labels(mined))
    stored = OnlineBatchRelation.load(mined / "relation.npz")
    np.testing.assert_allclose(stored.relation, expected.relation, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(stored.relation_weight, expected.relation_weight)


def test_the_report_says_what_a_global_relation_costs(mined: Path) -> None:
    relation = read_report(mined)["relation"]
    assert (relation["source"], relation["rows"]) == ("global", 96)
    assert 0 < relation["mining_seconds"] < relation["epoch_seconds"] < 60
    text = (mined / "report.md").read_text()
    assert "measured once on the labels of 96 training pictures" in text
    assert f"took {relation['epoch_seconds']:.1f} s" in text


def test_a_global_run_that_breaks_off_ends_where_another_does(
    mined: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    step = StageModule.training_step

    def break_off(module: StageModule, batch: Any, number: int) -> Any:
        if module.global_step == 9:
            raise BreakOffError
        return step(module, batch, number)

    with monkeypatch.context() as patch, pytest.raises(BreakOffError):
        patch.setattr(StageModule, "training_step", break_off)
        train(*tiny_arguments(faces, run), "--relation.source=global")
    assert train("--resume", run) == 0
    ours, theirs = checkpoint(run), checkpoint(mined)
    for content in (ours, theirs):
        content["state_dict"]["criterion._extra_state"].pop("clock")
        content["state_dict"]["criterion._extra_state"]["origin"].pop("mining_seconds")
    assert_same(ours, theirs)
    assert without_times(read_report(run)) == without_times(read_report(mined))


def test_a_run_from_a_file_keeps_its_relation_and_names_it(mined: Path, faces: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "start.npz", tmp_path / "run"
    shutil.copy(mined / "relation.npz", file)
    one = [*tiny_arguments(faces, run), "--train.epochs=1", f"--relation.file={file}"]
    assert train(*one, "--relation.source=file", "--relation.decay=0.9") == 0
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    relation = read_report(run)["relation"]
    assert (relation["source"], relation["file"], relation["sha256"]) == ("file", str(file), digest)
    assert "never moved" in (run / "report.md").read_text()
    before, after = OnlineBatchRelation.load(file), OnlineBatchRelation.load(run / "relation.npz")
    np.testing.assert_array_equal(after.relation_sum, before.relation_sum)
    np.testing.assert_array_equal(after.relation_weight, before.relation_weight)
    assert relation["active_pairs"] == read_report(mined)["relation"]["active_pairs"]
    file.unlink()  # an evaluation needs the run only
    report, _ = evaluate(run, out=tmp_path / "again")
    assert report["relation"] == relation


def test_an_online_run_goes_on_from_a_file(finished: dict[str, Path], faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    file = finished["obrl"] / "relation.npz"
    assert train(*tiny_arguments(faces, run), "--train.epochs=1", f"--relation.file={file}") == 0
    relation, labels = OnlineBatchRelation.load(file), training_labels(run)
    order = epoch_order(len(labels), seed=0, epoch=0)
    for start_row in range(0, len(labels), 16):
        relation.update(labels[order[start_row : start_row + 16]])
    stored = OnlineBatchRelation.load(run / "relation.npz")
    np.testing.assert_allclose(stored.relation_weight, relation.relation_weight, rtol=1e-6)
    np.testing.assert_allclose(stored.relation, relation.relation, rtol=0, atol=1e-6)
    assert "moved on from there" in (run / "report.md").read_text()


def test_an_evaluation_repeats_the_report_of_a_global_run(mined: Path, tmp_path: Path) -> None:
    report, _ = evaluate(mined, out=tmp_path / "again")
    assert json.loads((tmp_path / "again" / "report.json").read_text()) == read_report(mined)
    assert report["relation"]["source"] == "global"


def test_cross_entropy_measures_nothing(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("nothing needs a relation")

    monkeypatch.setattr(start, "mine_relation", refuse)
    arguments = [*tiny_arguments(faces, tmp_path / "run"), "--train.epochs=1", "--loss=ce", "--relation.source=global"]
    assert train(*arguments) == 0


def test_by_default_nothing_but_the_source_is_added(finished: dict[str, Path]) -> None:
    relation = read_report(finished["obrl"])["relation"]
    assert relation["source"] == "online"
    assert not {"file", "sha256", "rows", *TIMES} & relation.keys()
    assert "source" not in relation["settings"]
    state = checkpoint(finished["obrl"])["state_dict"]["criterion._extra_state"]
    assert set(state) == {"run", "epoch", "last_epoch"}


def save(path: Path, names: tuple[str, ...] = CELEBA_ATTRIBUTES, **settings: Any) -> Path:
    OnlineBatchRelation(len(names), label_names=names, **settings).save(path)
    return path


@pytest.mark.parametrize(
    ("settings", "options", "words"),
    [
        (None, ["--relation.source=file"], "no such file; expected the relation.npz of a run"),
        ({}, ["--relation.source=file", "--relation.measure=pearson"], "give --relation.measure unit_pearson"),
        ({"estimator": "counts"}, ["--relation.source=file"], "give --relation.estimator counts"),
        ({"decay": 0.9}, [], "give --relation.decay 0.9"),
        ({"names": CELEBA_ATTRIBUTES[::-1]}, ["--relation.source=file"], "label 0 is 'Young' there"),
        ({"names": NAMES}, [], "relates 3 labels, and the data has 40"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(
    settings: dict[str, Any] | None,
    options: list[str],
    words: str,
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file, run = tmp_path / "relation.npz", tmp_path / "run"
    if settings is not None:
        save(file, **settings)
    assert train(*tiny_arguments(faces, run), f"--relation.file={file}", *options) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message
    assert not run.exists()


def test_what_is_no_relation_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "relation.npz"
    file.write_text("not a relation")
    with pytest.raises(ValueError, match=r"^relation.file: expected a relation written by obrl"):
        read_relation(RelationConfig(source="file", file=file))


def test_names_are_compared_in_their_normalised_spelling(tmp_path: Path) -> None:
    file = save(tmp_path / "relation.npz", ("Big Nose", "Bald"))
    config = RelationConfig(source="file", file=file)
    assert read_relation(config, ("big_nose", "bald")).label_names == ("big_nose", "bald")
    assert start_relation(config, LABELS, ("big_nose", "bald")).origin["file"] == str(file)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--relation.source=file"], "relation.file must be a run's relation.npz"),
        (["--relation.source=global", "--relation.file=some.npz"], "relation.file must be left out"),
    ],
)
def test_source_and_file_go_together(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=words):
        parse_command(options)


def test_the_clock_goes_on_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(start.time, "monotonic", lambda: now[0])
    clock = EpochClock()
    clock.start()
    now[0] = 107.0
    clock.start()
    state = clock.state_dict()
    resumed = EpochClock()
    resumed.load_state_dict(state)
    now[0] = 1000.0
    resumed.start()
    now[0] = 1002.0
    resumed.stop()
    assert resumed.seconds == 9.0
    assert resumed.state_dict() == {"epoch": 0.0, "last_epoch": 9.0}
