"""The relation's settings as columns: names, their settings, and the table that compares them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from obrl import Settings
from reference_model.config import RelationConfig
from reference_model.data.synthetic import write_synthetic_faces
from reference_model.pipeline.cells import Cell
from reference_model.pipeline.tables.command import parse_tables
from reference_model.pipeline.tables.relation_variants import (
    DEFAULT_VARIANTS,
    VARIANTS,
    describe_variants,
    parse_variants,
    variant_of,
    with_variant,
)
from reference_model.pipeline.tables.relations import relations_cells
from reference_model.settings.plain import SettingsError
from reference_model.tables import main
from tests.reference_model.pipeline.tables.commands import check_made_again


@pytest.mark.parametrize("name", [*VARIANTS, *DEFAULT_VARIANTS])
def test_every_name_is_a_setting_that_obrl_takes(name: str) -> None:
    config = with_variant(RelationConfig(decay=0.9), name)
    assert config.decay == 0.9, "what a name does not speak of stays"
    Settings(**config.of_loss())
    assert variant_of(name).sentence in describe_variants([name])


def test_names_are_put_together_from_left_to_right() -> None:
    config = with_variant(RelationConfig(alpha=3.0, file=Path("a.npz")), "global+strong")
    assert (config.source, config.file, config.alpha) == ("global", None, 2.0)
    assert (config.positive_threshold, config.negative_threshold) == (0.7, 0.3)
    assert with_variant(RelationConfig(), "strong@8").alpha == 8.0
    assert with_variant(RelationConfig(), "pearson+unit_pearson") == RelationConfig()
    assert with_variant(RelationConfig(alpha=3.0), "active_pairs").alpha == 3.0
    assert parse_variants("online, strong@0.5", option="relations") == ("online", "strong@0.5")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onlin", "--relations: unknown relation 'onlin'.*did you mean online"),
        ("online,,global", "unknown relation ''"),
        ("strong@", "strong@: expected a number of at least 0 after @"),
        ("strong@-1", "expected a number"),
        ("strong@inf", "expected a number"),
        ("online,online", "names a relation twice"),
    ],
)
def test_unknown_names_are_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        parse_variants(text, option="relations")


def test_cells_are_one_a_relation_and_seed_beside_cross_entropy() -> None:
    request = parse_tables(["relations", "--seeds", "2", "--relations", "online,global@2", "--relation.decay", "0.9"])
    cells = relations_cells(request.options)
    assert [(cell.columns["relation"], cell.config.seed) for cell in cells] == [
        (name, seed) for seed in (0, 1) for name in ("cross-entropy", "online", "global@2")
    ]
    assert [cell.config.loss for cell in cells[:3]] == ["ce", "obrl", "obrl"]
    assert cells[2].config.relation == RelationConfig(source="global", alpha=2.0, decay=0.9)
    assert len({cell.config.net.nets for cell in cells}) == 1
    with pytest.raises(SettingsError, match="unknown relation"):
        relations_cells(parse_tables(["relations", "--relations", "batch"]).options)


def test_table2_takes_them_as_columns() -> None:
    words = ["table2", "--fusions", "net_0", "--relations", "global,strong@8"]
    request = parse_tables(words)
    cells = request.table.cells(request.options)
    assert [cell.columns["loss"] for cell in cells] == ["ce", "obrl", "global", "strong@8"]
    assert cells[3].config.relation == with_variant(RelationConfig(), "strong@8")


def test_partial_takes_them_at_every_share_and_its_other_cells_keep_their_keys() -> None:
    def cells_of(*words: str) -> dict[tuple[str, str], Cell]:
        request = parse_tables(["partial", "--shares", "100,10", "--relation.decay", "0.9", *words])
        return {(cell.columns["labels"], cell.columns["loss"]): cell for cell in request.table.cells(request.options)}

    usual, more = cells_of(), cells_of("--relations", "strong")
    assert [*more] == [(f"{share} % of the labels", loss) for share in (100, 10) for loss in ("ce", "obrl", "strong")]
    assert all(more[place].config == cell.config for place, cell in usual.items())
    strong = more["10 % of the labels", "strong"].config
    assert (strong.loss, strong.read.label_share) == ("obrl", 0.1)
    assert strong.relation == with_variant(RelationConfig(decay=0.9), "strong")


def test_the_table_compares_relations_and_says_what_a_global_one_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_synthetic_faces(tmp_path / "celeba", num_train=32, num_valid=16, num_test=16, seed=3)
    settings = {
        "images.size": 32,
        "net.width": 0.05,
        "net.strides": "[1,1]",
        "net.group_channels": 4,
        "net.group_hidden": 8,
        "train.epochs": 1,
        "train.batch_size": 16,
        "train.influence_every": 1,
        "train.threads": 1,
    }
    words = ["relations", "--data=celeba", f"--root={root}", f"--out={tmp_path / 'out'}", "--fusions=net_0"]
    words += ["--relations=online,global+strong@8", *(f"--{name}={value}" for name, value in settings.items())]
    assert main(words) == 0
    with (tmp_path / "out" / "relations.csv").open() as file:
        entropy, online, measured = csv.DictReader(file)
    assert [row["relation"] for row in (entropy, online, measured)] == ["cross-entropy", "online", "global+strong@8"]
    assert (online["r_p / r_n"], online["alpha"]) == ("0.8 / 0.2", "0.5")
    assert (measured["r_p / r_n"], measured["alpha"]) == ("0.7 / 0.3", "8")
    assert not online["mining, s"]
    assert 0 < float(measured["mining, s"]) < float(measured["epoch, s"])
    assert float(measured["share in gradient"]) > float(online["share in gradient"])
    assert not entropy["accuracy in words"] and not entropy["mAP in words"]
    assert measured["accuracy in words"] in ("no difference", "higher with this seed", "lower with this seed")
    assert measured["mAP in words"] == "one seed" and not measured["mAP from"]
    text = (tmp_path / "out" / "relations.md").read_text()
    assert "`global+strong@8`: measured once on all training labels, never moved; thresholds .7 and .3" in text
    assert "Nets on celeba: net_0, tuned, from: random." in text
    assert "| online |" in capsys.readouterr().out
    check_made_again("relations", tmp_path / "out")
