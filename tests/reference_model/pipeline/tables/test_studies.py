"""Tables that ask what pre-training, missing labels and a change of data do."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference_model.config import PoolConfig, RunConfig, SyntheticConfig
from reference_model.data.synthetic.pool import open_pool
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.tables.command import parse_tables
from reference_model.pipeline.tables.partial import parse_shares, partial_cells
from reference_model.pipeline.tables.pretraining import WAYS, pretraining_cells
from reference_model.pipeline.tables.pretraining_content import CONTROLS, PRETRAINED, SCRATCH, verdict
from reference_model.pipeline.tables.shift import FIRST, SETTINGS, shift_cells
from reference_model.pipeline.tables.shift import WAYS as SHIFT_WAYS
from reference_model.pipeline.tables.statistics import Interval
from reference_model.settings.plain import SettingsError
from reference_model.tables import main
from tests.reference_model.pipeline.tables.commands import check_made_again

TINY = {
    "preset": "demo",
    "images.size": 32,
    "images.crop_padding": 2,
    "net.width": 0.05,
    "net.strides": "[1,1]",
    "net.group_channels": 4,
    "net.group_hidden": 8,
    "train.batch_size": 8,
    "train.influence_every": 1,
    "train.threads": 1,
    "train.device": "cpu",
}
PEOPLE = PoolConfig(people=24, valid_people=2, test_people=2, pictures_per_person=4, objects=2, scenes=6)
ONE_EPOCH = ("--train.epochs=1", "--fusions=net_1")


def words(table: str, *more: object) -> list[str]:
    """Return the arguments of a table with settings that need seconds."""
    return [table, *(f"--{name}={value}" for name, value in TINY.items()), *map(str, more)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn people in the layouts of CelebA and LFWA."""
    return open_pool(replace(SyntheticConfig(), seed=5), tmp_path_factory.mktemp("studies") / "pool", PEOPLE)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cells_in(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((out / "cells-done").glob("*.json"))]


def by_column(cells: list[Cell], *names: str) -> dict[tuple[str, ...], Cell]:
    return {tuple(cell.columns[name] for name in names): cell for cell in cells}


def test_partial_has_both_losses_at_every_share(sets: Path, tmp_path: Path) -> None:
    out = tmp_path / "partial"
    arguments = words("partial", "--data=celeba", f"--root={sets / 'celeba'}", f"--out={out}", "--shares=100,25")
    assert main([*arguments, *ONE_EPOCH, "--seeds=2"]) == 0
    figures = rows_of(out / "partial.csv")
    assert [(row["labels, %"], row["loss"]) for row in figures] == [
        (share, loss) for share in ("100", "25") for loss in ("cross-entropy", "joint loss")
    ]
    assert {row["seeds"] for row in figures} == {"2"}
    differences = rows_of(out / "partial-differences.csv")
    assert [row["labels, %"] for row in differences] == ["100", "25"]
    precision = [float(row["average precision"]) for row in figures]
    assert float(differences[1]["mAP difference"]) == pytest.approx(precision[3] - precision[2])
    low, mean, high = (float(differences[1][f"mAP {end}"]) for end in ("from", "difference", "to"))
    assert low <= mean <= high
    assert [(row["labels, %"], row["over, %"]) for row in rows_of(out / "partial-costs.csv")] == [("25", "100")] * 2
    cells = cells_in(out)
    assert len(cells) == 8
    shares = [cell["settings"].get("read.label_share", 1.0) for cell in cells]
    assert sorted(shares) == [0.25] * 4 + [1.0] * 4
    assert len({cell["key"] for cell in cells}) == 8
    check_made_again("partial", out)


def test_the_shares_are_checked(sets: Path) -> None:
    root = f"--root={sets / 'celeba'}"
    options = parse_tables(words("partial", "--data=celeba", root)).options
    assert parse_shares(options) == (100, 50, 25, 10)
    assert len(partial_cells(options)) == 8
    for text in ("10,100", "0", "110", "50,50", "half"):
        with pytest.raises(SettingsError, match="--shares must be falling numbers"):
            parse_shares(replace(options, words={"shares": text}))


def test_shift_goes_on_from_the_net_and_the_relation_of_the_first_set(sets: Path, tmp_path: Path) -> None:
    out = tmp_path / "shift"
    places = [f"--roots.{name}={sets / name}" for name in ("celeba", "lfwa")]
    assert main(words("shift", "--from=celeba", "--to=lfwa", *places, f"--out={out}", *ONE_EPOCH)) == 0
    figures = rows_of(out / "shift.csv")
    assert len(figures) == len(SETTINGS) * (1 + len(SHIFT_WAYS))
    assert {row["tested on"] for row in figures[:1]} == {"celeba"}
    assert {row["tested on"] for row in figures[1 : 1 + len(SHIFT_WAYS)]} == {"lfwa"}
    costs = rows_of(out / "shift-costs.csv")
    assert all(float(row["relation of all rows, s"]) > 0 and float(row["epoch, s"]) > 0 for row in costs)
    assert len(rows_of(out / "shift-differences.csv")) == 6 * len(SETTINGS)
    for cell in cells_in(out):
        run = out / "cells" / cell["key"]
        if cell["columns"]["way"] == FIRST:
            assert cell["sources"] == {}
            continue
        start = out / "cells" / cell["sources"]["weights.model"]
        account = json.loads((run / "weights.json").read_text())["model"]
        assert account["fresh"] == account["unused"] == []
        assert account["file"] == str(start / "model.safetensors")
        assert cell["origins"] == {"net_1": "stage attributes on drawn pictures"}
        if cell["columns"]["way"] == "frozen":
            relation = cell["report"]["relation"]
            assert (relation["source"], relation["file"]) == ("file", "relation.npz")
            with np.load(run / "relation.npz") as ours, np.load(start / "relation.npz") as theirs:
                assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    check_made_again("shift", out)


def test_the_ways_of_shift_differ_in_the_loss_alone(sets: Path) -> None:
    places = [f"--roots.{name}={sets / name}" for name in ("celeba", "lfwa")]
    cells = shift_cells(parse_tables(words("shift", "--from=celeba", "--to=lfwa", *places)).options)
    by_way = by_column(cells, "setting", "way")
    for setting, values in SETTINGS.items():
        start = by_way[setting, FIRST]
        assert {name: getattr(start.config.relation, name) for name in values} == dict(values)
        for way in SHIFT_WAYS:
            cell = by_way[setting, way]
            assert cell.sources["weights.model"] is start
            assert ("relation.file" in cell.sources) == (way == "frozen")
            same = replace(cell.config, loss="obrl", relation=start.config.relation)
            assert same == replace(start.config, data="lfwa", root=sets / "lfwa")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from=celeba"], "--to is missing"),
        (["--from=celeba", "--to=table"], "--to table needs the folder of that data set"),
        (["--from=celeba", "--to=celeba"], "both celeba"),
    ],
)
def test_shift_needs_two_sets(
    sets: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shift"
    places = [f"--roots.{name}={sets / name}" for name in ("celeba", "lfwa")]
    assert main(words("shift", *arguments, *places, f"--out={out}")) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


IDENTITY = ("--identity.train.epochs=2", "--identity.train.batch_size=8", "--identity.head.embedding=8")
IDENTITY_LAYERS = "--identity.head.hidden=[]"


def pretraining_words(sets: Path, *more: object) -> list[str]:
    place = ("--data=celeba", f"--root={sets / 'celeba'}")
    return words("pretraining", *place, *IDENTITY, IDENTITY_LAYERS, *more)


def test_pretraining_has_its_controls_and_a_verdict(sets: Path, tmp_path: Path) -> None:
    out = tmp_path / "pretraining"
    assert main(pretraining_words(sets, f"--out={out}", "--rows=16,all", "--steps=2")) == 0
    figures = rows_of(out / "pretraining.csv")
    assert [(row["rows"], row["way"]) for row in figures] == [(rows, way) for rows in ("16", "all") for way in WAYS]
    origins = {row["way"]: row["net from"] for row in figures}
    assert origins[PRETRAINED] == "stage identity on drawn pictures"
    assert origins["pre-trained on shuffled people"] == "stage identity on drawn pictures with shuffled people"
    assert origins[SCRATCH] == origins["random, frozen"] == "random"
    text = (out / "pretraining.md").read_text()
    assert text.count("- With 16 rows ") == text.count("- With all rows ") == 1
    assert text.count("In mean average precision it is ") == 2 and "points over scratch (one seed)" in text
    differences = rows_of(out / "pretraining-differences.csv")
    for row in differences:
        assert float(row["least accuracy difference of a seed"]) == pytest.approx(float(row["accuracy difference"]))
        assert row["mAP difference"] and row["mAP in words"] == "one seed" and not row["mAP to"]
    identities = rows_of(out / "pretraining-identities.csv")
    assert [row["pre-trained on"] for row in identities] == ["identities", "shuffled identities"]
    shuffled = [cell for cell in cells_in(out) if cell["settings"].get("read.shuffle_people")]
    assert len(shuffled) == 1
    assert any("SHUFFLED" in note for note in shuffled[0]["report"]["notes"])
    check_made_again("pretraining", out)


def test_the_ways_of_pretraining_have_the_steps_that_they_say(sets: Path) -> None:
    request = parse_tables(pretraining_words(sets, "--rows=16,all", "--steps=8"))
    options = request.table.with_pictures(request.options)
    cells = pretraining_cells(options)
    identity = next(cell for cell in cells if cell.config.stage == "identity")
    assert identity.config.data == "celeba_people"
    assert (identity.config.train.epochs, identity.config.head.hidden) == (2, ())
    assert identity.config.images == options.base.images
    before = int(identity.columns["steps"])
    assert before >= 2
    attributes = by_column([cell for cell in cells if cell.config.stage == "attributes"], "rows", "way")
    for way, settings in WAYS.items():
        cell = attributes["16", way]
        steps = 8 + (before if settings.long else 0)
        assert abs(int(cell.columns["steps"]) - steps) <= 1  # an epoch has two steps
        assert cell.config.train.epochs == int(cell.columns["steps"]) / 2
        assert cell.config.read.train_rows == 16
        assert cell.config.net.frozen == (("net_1",) if settings.frozen else ())
        assert set(cell.sources) == ({"weights.net_1"} if settings.people else set())
    assert attributes["all", SCRATCH].config.read.train_rows is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows=100000"], "--rows 100000: it must be from 8"),
        (["--rows=4"], "from 8, the pictures of a step"),
        (["--rows=16,16"], "names 16 twice"),
        (["--rows=few"], "--rows must be whole numbers"),
        (["--rows=16", "--steps=0"], "--steps must be a whole number"),
        (["--train.epochs=3"], "--train.epochs differs between the cells"),
        (["--identity.train.epochs=0"], "identity: train.epochs must be at least 1"),
        (["--identity.no.such=0"], "identity: unknown setting --no.such"),
        (["--identity.net.width=0.5"], "both have one net.width; got 0.5 for identity and 0.05 for the attributes"),
        (["--identity.net.strides=[2,1]"], "one net.strides; got [2, 1] for identity and [1, 1] for the attributes"),
        (["--identity.net.depth=2"], "leave --identity.net.depth out, or set --net.depth"),
        (["--identity.net.norm=lrn"], "one net.norm; got lrn"),
        (["--identity.stage=age"], "--identity.stage cannot be used"),
    ],
)
def test_mistakes_in_pretraining_are_named(
    sets: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pretraining"
    assert main(pretraining_words(sets, f"--out={out}", *arguments)) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_the_verdict_wants_every_seed_an_interval_above_zero_and_all_controls() -> None:
    better = dict.fromkeys(CONTROLS, 0.5)
    clear = Interval(1.0, 0.4, 1.6)
    helps = verdict("500", [1.2, 0.8, 1.0], better, clear)
    assert "helps by 1.00 points over scratch, in every one of 3 seeds" in helps
    assert "in the one seed, which says nothing of others" in verdict("500", [1.0], better, clear)
    for sentence in (
        verdict("500", [2.2, -0.2, 1.0], better, clear),
        verdict("500", [1.2, 0.8, 1.0], {**better, CONTROLS[0]: -0.1}, clear),
        verdict("500", [1.2, 0.8, 1.0], better, Interval(1.0, -0.1, 2.1)),
        verdict("500", [1.0], {**better, CONTROLS[1]: float("nan")}, clear),
    ):
        assert "it is not shown that pre-training helps (+1.00 points over scratch)" in sentence
    assert "it is above scratch in 2 of 3 seeds" in verdict("500", [2.2, -0.2, 1.0], better, clear)


def test_settings_that_choose_parts_say_so_in_the_name_of_the_data() -> None:
    identity = RunConfig(stage="identity")
    assert identity.data_in_words() == "synthetic"
    shuffled = replace(identity, read=replace(identity.read, shuffle_people=True))
    assert shuffled.data_in_words() == "synthetic with shuffled people"
