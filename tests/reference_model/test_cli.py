"""Settings: what wins, what is refused, and that nothing is lost on the way to a file and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_model.cli import parse_command
from reference_model.config import STAGE_DATA, STAGES, RunConfig
from reference_model.data.registry import MODULES
from reference_model.runs import create_run_folder, write_atomically
from reference_model.settings.files import dump_config, load_config
from reference_model.settings.plain import SettingsError
from reference_model.settings.presets import PRESETS
from reference_model.train import main


def parse(*arguments: str) -> RunConfig:
    return parse_command(arguments).config


def test_defaults_are_the_demo_on_synthetic_faces_and_real_ones_start_from_the_small_preset() -> None:
    config = parse()
    assert (config.preset, config.data, config.loss, config.seed) == ("demo", "synthetic", "both", 0)
    config = parse("--data", "celeba", "--root", "faces")
    assert (config.preset, config.loss, config.root) == ("small", "obrl", Path("faces"))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_the_papers_values(preset: str) -> None:
    relation = parse("--preset", preset).relation
    assert (relation.decay, relation.alpha) == (0.99, 0.5)
    assert (relation.positive_threshold, relation.negative_threshold) == (0.8, 0.2)
    assert relation.normalization == "all_pairs"


def test_flags_win_over_the_file_and_the_file_over_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("preset: paper\noptim:\n  lr: 3e-2\n  momentum: 0.5\n")
    config = parse("--config", str(file), "--optim.momentum", "0.7")
    assert (config.optim.lr, config.optim.momentum) == (0.03, 0.7)
    assert (config.images.size, config.optim.kind) == (224, "sgd")
    # Wherever the file stands in the command line.
    assert parse("--optim.momentum=0.7", f"--config={file}", "--preset=paper").images.size == 224


@pytest.mark.parametrize("before", [True, False])
def test_a_preset_that_contradicts_the_file_is_refused(
    before: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(dump_config(parse("--preset", "paper")))
    flags = ["--preset", "small", "--config", str(file)]
    assert main(flags if before else flags[2:] + flags[:2]) == 2
    message = capsys.readouterr().err
    assert f"the presets contradict each other: paper in {file} and small in --preset" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lr", "1"], ["unknown setting --lr", "--optim.lr"]),
        (["--optim.lrr=1"], ["unknown setting --optim.lrr", "--optim.lr"]),
        (["--net.widht", "2"], ["--net.width"]),
        (["--relation.lambda", "0.9"], ["unknown setting --relation.lambda"]),
        (["--epochs=3"], ["--train.epochs"]),
        (["--overwirte"], ["--overwrite"]),
        (["--preset", "smal"], ["unknown preset 'smal'", "did you mean small?"]),
        (["--roots.celeba", "x"], ["--roots.celeba is for --stage all", "--data celeba --root DIR"]),
        (["--redo", "age"], ["--redo is for --stage all", "--overwrite"]),
        (["--loss", "bot"], ["loss must be one of ce, obrl, both; got 'bot'; did you mean both?"]),
        (["--optim.lr", "fast"], ["optim.lr must be a number; got 'fast'"]),
        (["--train.epochs", "1.5"], ["train.epochs must be a whole number; got '1.5'"]),
        (["--images.flip", "maybe"], ["images.flip must be true or false; got 'maybe'"]),
        (["--read.classes", "x"], ["read.classes must be a whole number, or null; got 'x'"]),
        (["--net.strides", "[1]"], ["net.strides must be a list of 2 whole numbers, such as [2, 1]; got '[1]'"]),
        (["--net.nets", "net_1"], ["net.nets must be a list of words, such as [net_1, net_2]; got 'net_1'"]),
        (["--optim.step_at", "0.5"], ["optim.step_at must be a list of numbers, such as [0.5, 0.75]; got '0.5'"]),
        (["--seed"], ["--seed needs a value"]),
        (["--optim.lr", "-1"], ["optim.lr must be above 0"]),
        (["--net.nets", "[net_7]"], ["net.nets", "net_0, net_1, net_2, net_3"]),
        (["--net.dropout", "1"], ["net.dropout must be in [0, 1)"]),
        (["--train.epochs", "0"], ["train.epochs must be at least 1"]),
        (["--images.crop_padding", "64"], ["images.crop_padding"]),
        (["--synthetic.strength", "2"], ["synthetic.strength must be in [0, 1]"]),
        (["--optim.step_at", "[0.8,0.2]"], ["optim.step_at must be rising"]),
        (["--seed", "-1"], ["seed must be"]),
        (["--data", "celeba"], ["--root DIR"]),
        (["--data", "celebaa"], ["unknown data 'celebaa'", "synthetic, celeba, lfwa, table", "did you mean celeba?"]),
        (["--stage", "agee"], ["unknown stage 'agee'", "did you mean age?"]),
        (["--stage", "age", "--data", "lfwa", "--root", "x"], ["stage age cannot read 'lfwa'", "imdb_wiki, utkface"]),
        (["--stage", "face", "--data", "casia", "--root", "x"], ["--read.scenes DIR", "tiles"]),
        (["--weights.init", "x"], ["weights.init", "weights.net_0"]),
        (["--weights.net_0", "x"], ["weights.net_0", "net.nets"]),
        (["--stage", "age", "--weights.net_1", "x"], ["weights.net_1", "weights.init"]),
        (["--weights.net_1", "gone.safetensors"], ["--weights.net_1 gone.safetensors: no such file"]),
        (["--stage", "age", "--net.frozen", "[net_1]"], ["net.frozen", "the stage attributes", "the stage age trains"]),
        (["--net.strides", "[4,4]"], ["pictures of 64 pixels", "smaller strides"]),
        (["--relation.measure", "covariance"], ["measure", "covariance", "unit_pearson"]),
        (["--relation.positive_threshold", "0.1"], ["threshold"]),
        (["--relation.decay", "1.5"], ["decay"]),
        (["stray"], ["unexpected 'stray'; settings are written --name value"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml", "No such file"]),
        (["--resume"], ["--resume RUN"]),
        (["--resume", "nowhere"], ["nowhere holds no run"]),
    ],
)
def test_mistakes_are_named(arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    for word in words:
        assert word in message


def test_weights_in_the_folder_of_the_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "net_0.safetensors").write_bytes(b"")
    with pytest.raises(SettingsError, match="lies in --out"):
        parse("--stage=age", f"--out={tmp_path}", "--overwrite", f"--weights.init={tmp_path / 'net_0.safetensors'}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("optim:\n  lrr: 1\n", ["optim.lrr", "optim.lr"]),
        ("epoch: 1\n", ["unknown setting epoch"]),
        ("relation:\n  alhpa: 1\n", ["relation.alpha"]),
        ("- 1\n", ["key: value"]),
        ("a: [\n", ["not valid YAML"]),
        ("optim: 3\n", ["optim"]),
        ("train: {epochs: soon}\n", ["train.epochs must be a whole number; got 'soon'"]),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, content: str, words: list[str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        parse("--config", str(file))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_file_brings_back_the_same_settings(tmp_path: Path, preset: str) -> None:
    config = parse("--preset", preset, "--root", "faces", "--seed", "3", "--net.nets", "[net_3,net_0]")
    config = replace(config, out=Path("runs/x"), train=replace(config.train, threads=2))
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(config))
    assert load_config(file) == config
    assert parse("--config", str(file)) == config


def test_print_config_shows_the_resolved_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--preset", "small", "--optim.lr", "0.5", "--print_config"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    file = tmp_path / "printed.yaml"
    file.write_text(printed)
    assert parse("--config", str(file)) == parse("--preset", "small", "--optim.lr", "0.5")


@pytest.mark.parametrize(
    ("mark", "stage", "words"),
    [
        ("list_attr_celeba.txt", "attributes", ["looks like the data set celeba", "give --data celeba"]),
        ("list_attr_celeba.txt", "identity", ["looks like the data set celeba_people", "give --data celeba_people"]),
        ("fairface_label_train.csv", "attributes", ["looks like the data set fairface", "celeba, lfwa, table"]),
    ],
)
def test_a_root_of_real_faces_without_their_kind_is_named(
    tmp_path: Path, mark: str, stage: str, words: list[str]
) -> None:
    (tmp_path / mark).touch()
    with pytest.raises(SettingsError) as caught:
        parse("--root", str(tmp_path), "--stage", stage)
    for word in words:
        assert word in str(caught.value)
    assert "delete" not in str(caught.value)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_suits_every_stage(preset: str, stage: str) -> None:
    config = parse("--preset", preset, "--stage", stage)
    assert (config.preset, config.stage) == (preset, stage)


def test_the_section_of_a_stage_wins_over_the_shared_settings_and_a_flag_over_both() -> None:
    paper = parse("--preset", "paper", "--stage", "identity")
    assert (paper.read.classes, paper.head.hidden, paper.images.size) == (100_000, (4096,), 224)
    assert parse("--preset", "paper", "--stage", "age").read.classes is None
    assert parse("--preset", "paper", "--stage", "identity", "--read.classes", "1000").read.classes == 1000
    assert paper.train.batch_size * paper.train.accumulate == 128


def test_every_stage_reads_known_data_sets() -> None:
    assert set(STAGE_DATA) == set(STAGES)
    assert {name for names in STAGE_DATA.values() for name in names} == set(MODULES)
    assert parse("--stage", "race", "--data", "fairface", "--root", "faces").preset == "small"


NAMES = [
    "1e3",
    "1_000",
    "0x10",
    "1:30",
    ".inf",
    "null",
    "~",
    "true",
    "no",
    "2020-01-01",
    "a: b",
    "a:",
    "- a",
    "#1",
    "a #1",
]


@given(st.one_of(st.sampled_from(NAMES), st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)))
@settings(max_examples=30)
def test_text_stays_text_through_the_file(name: str) -> None:
    config = parse()
    config = replace(config, root=Path(name), out=Path("/runs", name), read=replace(config.read, scenes=Path(name)))
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(dump_config(config), encoding="utf-8")
        assert load_config(file) == config
        assert parse("--config", str(file)) == config


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("null", "- a")])
def test_a_folder_of_any_name_is_resumed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = parse("--out", name)
    run = create_run_folder(Path(name), overwrite=False)
    assert config.out == run.path
    write_atomically(run.config, dump_config(config))
    write_atomically(run.environment, "{}")
    for arguments in (["--resume", name], [f"--out={name}", "--resume"], ["--out", name, "--resume", name]):
        assert parse(*arguments) == config


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    run = create_run_folder(tmp_path / "run", overwrite=False)
    config = replace(parse("--preset", "small", "--optim.lr", "0.5"), out=run.path)
    write_atomically(run.config, dump_config(config))
    write_atomically(run.environment, "{}")
    return run.path


def test_resuming_takes_the_runs_own_settings(stored: Path) -> None:
    for arguments in (["--resume", str(stored)], ["--out", str(stored), "--resume"], [f"--resume={stored}"]):
        request = parse_command(arguments)
        assert request.resume == stored
        assert (request.config.preset, request.config.optim.lr, request.config.out) == ("small", 0.5, stored)
    assert parse_command(["--resume", str(stored), "--optim.lr", "0.5", "--loss=obrl"]).config.optim.lr == 0.5
    assert parse_command(["--resume", str(stored), "--root", "moved"]).config.root == Path("moved")
    assert parse_command(["--resume", str(stored), "--images.memory_mb", "1"]).config.images.memory_mb == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--optim.lr", "0.1"], ["optim.lr is 0.5 there and 0.1 here"]),
        (["--seed", "1", "--loss", "ce"], ["seed is 0 there and 1 here", "loss is 'obrl' there and 'ce' here"]),
        (["--stage", "age"], ["one of the stage attributes, not age", "--out"]),
        (["--overwrite"], ["give one of them"]),
        (["--out", "elsewhere"], ["name different runs"]),
    ],
)
def test_resuming_refuses_contradictions(stored: Path, arguments: list[str], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_command(["--resume", str(stored), *arguments])
    for word in words:
        assert word in str(caught.value)
