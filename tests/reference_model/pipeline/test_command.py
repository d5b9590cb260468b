"""The command line of a pipeline: which stage gets which setting, which data, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_model.config import RunConfig
from reference_model.pipeline.command import is_pipeline, parse_pipeline
from reference_model.pipeline.config import PipelineConfig
from reference_model.pipeline.files import PIPELINE_FILE, dump_pipeline, load_pipeline
from reference_model.settings.plain import SettingsError

ROOTS = ["--roots.imagenet=I", "--roots.casia=C", "--roots.sun397=S", "--roots.imdb_wiki=W", "--roots.fairface=F"]


def parse(*arguments: str) -> PipelineConfig:
    return parse_pipeline(["--stage", "all", *arguments]).config


def store(folder: Path, config: PipelineConfig) -> None:
    folder.mkdir()
    (folder / PIPELINE_FILE).write_text(dump_pipeline(config))


def test_without_roots_everything_is_drawn_and_both_attribute_sets_are_trained() -> None:
    runs = parse("--seed", "5").runs
    assert list(runs) == ["pretrain", "face", "identity", "age", "race", "attributes-celeba", "attributes-lfwa"]
    assert {run.data for run in runs.values()} == {"synthetic"}
    assert {run.seed for run in runs.values()} == {5}
    assert runs["attributes-lfwa"].loss == "obrl"


def test_roots_choose_the_data_of_each_stage() -> None:
    config = parse(*ROOTS, "--roots.celeba=A")
    places = {name: (run.data, str(run.root)) for name, run in config.runs.items()}
    assert places == {
        "pretrain": ("imagenet", "I"),
        "face": ("casia", "C"),
        "identity": ("casia", "C"),
        "age": ("imdb_wiki", "W"),
        "race": ("fairface", "F"),
        "attributes": ("celeba", "A"),
    }
    assert config.runs["face"].read.scenes == Path("S")
    assert config.preset == "small"
    assert parse(*ROOTS, "--roots.celeba=A", "--identity.data=image_folder", "--identity.root=P").runs["identity"] == (
        RunConfig(**{**vars(config.runs["identity"]), "data": "image_folder", "root": Path("P")})
    )


def test_drawn_pictures_take_the_place_of_sets_without_a_root() -> None:
    runs = parse("--roots.lfwa=L", "--data", "synthetic").runs
    assert {name: run.data for name, run in runs.items()}["attributes"] == "lfwa"
    assert runs["identity"].data == "synthetic"


def test_a_preset_for_data_sets_draws_where_that_is_asked_for() -> None:
    runs = parse("--preset=small", "--data=synthetic").runs
    assert {run.data for run in runs.values()} == {"synthetic"}
    assert {run.preset for run in runs.values()} == {"small"}


def test_a_section_wins_over_what_all_stages_share_and_a_run_over_its_section() -> None:
    runs = parse(
        *("--net.width", "0.5", "--age.net.width=0.25", "--attributes.train.epochs=3"),
        "--attributes-lfwa.train.epochs=9",
    ).runs
    assert (runs["face"].net.width, runs["age"].net.width) == (0.5, 0.25)
    assert (runs["attributes-celeba"].train.epochs, runs["attributes-lfwa"].train.epochs) == (3, 9)


def test_only_the_attributes_freeze_nets() -> None:
    runs = parse("--attributes.net.frozen=[net_1,net_2]").runs
    frozen = {name: run.net.frozen for name, run in runs.items() if run.net.frozen}
    assert frozen == dict.fromkeys(["attributes-celeba", "attributes-lfwa"], ("net_1", "net_2"))


def test_a_file_of_settings_has_the_shape_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "images: {size: 32}\nidentity: {train: {epochs: 7}, head: {hidden: [16, 8]}}\nweights: {net_2: n.safetensors}\n"
    )
    config = parse("--identity.train.epochs=2", "--config", str(file))
    assert "age" not in config.runs
    assert config.weights == {"net_2": Path("n.safetensors")}
    identity = config.runs["identity"]
    assert (identity.train.epochs, identity.head.hidden, identity.images.size) == (2, (16, 8), 32)


def test_supplied_weights_leave_out_what_only_they_need() -> None:
    assert list(parse("--weights.net_0=n", "--roots.lfwa=L", "--data=synthetic").runs) == [
        *("identity", "age", "race", "attributes"),
    ]
    nets = ["--attributes.net.nets=[net_1]", "--weights.net_1=n"]
    assert list(parse(*nets).runs) == ["attributes-celeba", "attributes-lfwa"]
    assert next(iter(parse("--weights.pretrained=n").runs)) == "face"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--train.epochs", "3"], ["--train.epochs belongs to one stage", "--identity.train.epochs"]),
        (["--loss=ce"], ["--loss belongs to one stage", "--attributes.loss VALUE"]),
        (["--net.frozen=[net_1]"], ["--net.frozen belongs to one stage", "--attributes.net.frozen VALUE"]),
        (["--age.net.frozen=[net_1]"], ["age: net.frozen must be left out", "the stage attributes freezes nets"]),
        (["--identity.train.epoch=3"], ["unknown setting --identity.train.epoch", "--identity.train.epochs"]),
        (["--idenity.train.epochs=3"], ["unknown setting --idenity.train.epochs", "--identity.train.epochs"]),
        (["--identity.stage=age"], ["unknown setting --identity.stage"]),
        (["--face.weights.init=n"], ["unknown setting --face.weights.init", "--pretrain.weights.init"]),
        (["--face.weights.net_1=n"], ["unknown setting --face.weights.net_1"]),
        (["--roots.cassia=C"], ["unknown setting --roots.cassia", "--roots.casia"]),
        (["--identity.train.epochs=0"], ["identity: train.epochs must be at least 1"]),
        (["--identity.train.epochs=x"], ["identity: train.epochs must be a whole number; got 'x'"]),
        (["--data=celeba"], ["--roots.celeba DIR"]),
        (["--roots.casia=C"], ["the stage attributes has no pictures", "--roots.celeba"]),
        (["--preset=small"], ["the stage attributes has no pictures", "--roots.celeba DIR", "--data synthetic"]),
        (["--roots.celeba=C"], ["the stage pretrain has no pictures", "--roots.imagenet", "--weights.pretrained"]),
        (["--roots.casia=C", "--roots.imagenet=I", "--roots.celeba=A"], ["pictures without faces", "--roots.sun397"]),
        (["--weights.net_0=n", "--weights.pretrained=p"], ["nothing starts from --weights.pretrained"]),
        (["--attributes.loss=both"], ["--attributes.loss ce or obrl"]),
        (["--preset"], ["--preset needs a value"]),
        (["--redo", "age"], ["need the pipeline's folder"]),
        (["--out", "nowhere", "--resume"], ["nowhere holds no pipeline"]),
        (["runs"], ["unexpected 'runs'"]),
    ],
)
def test_mistakes_are_explained(arguments: list[str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_settings_survive_their_file(tmp_path: Path) -> None:
    config = parse(*ROOTS, "--roots.celeba=A", "--roots.lfwa", "a b: 'c'", "--weights.net_3=1e3")
    store(tmp_path / "run", config)
    stored = load_pipeline(tmp_path / "run")
    assert (stored.runs, stored.roots, stored.weights) == (config.runs, config.roots, config.weights)
    assert parse("--config", str(tmp_path / "run" / PIPELINE_FILE)).runs == config.runs


def test_a_pipeline_that_goes_on_has_its_own_settings_with_what_is_changed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    store(run, parse(*ROOTS, "--roots.celeba=A", "--age.train.epochs=4"))
    request = parse_pipeline(["--resume", str(run), "--roots.casia=D", "--race.train.epochs=2", "--redo=race"])
    assert (request.resume, request.redo, request.config.out) == (True, "race", run)
    runs = request.config.runs
    assert (runs["age"].train.epochs, runs["race"].train.epochs) == (4, 2)
    assert (runs["face"].root, runs["identity"].root, runs["age"].root) == (Path("D"), Path("D"), Path("W"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--redo=wisdom"], ["--redo wisdom names no stage", "identity"]),
        (["--preset=paper"], ["started with the preset demo"]),
        (["--weights.net_1=n"], ["trains net_1 itself"]),
        (["--overwrite"], ["--overwrite deletes"]),
        (["--out=elsewhere"], ["name different pipelines"]),
    ],
)
def test_what_cannot_go_on_is_explained(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    store(tmp_path / "run", parse())
    with pytest.raises(SettingsError) as caught:
        parse_pipeline(["--resume", str(tmp_path / "run"), *arguments])
    for word in words:
        assert word in str(caught.value)


def test_a_pipeline_is_told_from_a_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    store(run, parse())
    assert is_pipeline(["--stage=all"])
    assert is_pipeline(["--resume", str(run)])
    assert is_pipeline(["--out", str(run), "--resume"])
    assert is_pipeline(["--out", str(run), "--redo", "face"])
    assert not is_pipeline(["--stage", "identity"])
    assert not is_pipeline(["--resume", str(tmp_path)])
    assert not is_pipeline(["--out", str(run)])
    assert not is_pipeline(["--stage=all", "--help"])
    assert not is_pipeline(["--print_config", "--seed"])
    assert not is_pipeline([])
