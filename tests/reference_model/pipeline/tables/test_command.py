"""The command line of the tables: what it means, and what it refuses before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_model.pipeline.tables.command import OPTIONS, help_text, parse_tables
from reference_model.pipeline.tables.registry import TABLES
from reference_model.pipeline.tables.table import FUSIONS, parse_fusions
from tests.reference_model.pipeline.tables.commands import arguments, tables
from tests.reference_model.pipeline.tables.test_cells import weights
from tests.reference_model.test_startup import run


def test_words_and_their_meaning(tmp_path: Path) -> None:
    words = f"table2 --data=celeba --root={tmp_path} --preset small --seeds=3 --first-seed=2 --train.epochs 1"
    words += " --fusions net_0,net_3+net_1 --out=tables/x --cells=kept --dry-run"
    request = parse_tables(words.split())
    options = request.options
    assert (request.out, request.cells, request.dry_run) == (Path("tables/x"), Path("kept"), True)
    assert options.seeds == (2, 3, 4) and options.fusions == (("net_0",), ("net_1", "net_3"))
    assert options.base.train.epochs == 1 and options.base.net.width == 0.125 and not options.nets_frozen
    assert len(request.table.cells(options)) == 3 * 2 * 2
    assert len(parse_tables(["table2"]).table.cells(parse_tables(["table2"]).options)) == len(FUSIONS) * 2
    assert parse_tables(["figure2"]).options.fusions == (("net_1", "net_2", "net_3"),)


def test_two_data_sets(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    words = [f"--roots.celeba={tmp_path / 'a'}", f"--roots.lfwa={tmp_path / 'b'}"]
    options = parse_tables(["figure2", *words]).options
    assert [config.root for config in options.bases.values()] == [tmp_path / "a", tmp_path / "b"]
    assert [config.data for config in options.bases.values()] == ["celeba", "lfwa"]


def test_nets_of_a_run_and_frozen_nets(tmp_path: Path) -> None:
    for net in ("net_0", "net_2"):
        weights(tmp_path / f"{net}.safetensors")
    options = parse_tables(["table2", f"--nets={tmp_path}", "--fusions=net_0,net_2"]).options
    assert options.nets == {net: tmp_path / f"{net}.safetensors" for net in ("net_0", "net_2")}
    alone = tmp_path / "net_2.safetensors"
    options = parse_tables(["table2", f"--weights.net_1={alone}", "--nets-frozen=yes", "--fusions=net_1"]).options
    assert options.nets == {"net_1": alone} and options.nets_frozen
    assert parse_tables(["table2", "--preset=paper"]).options.nets_frozen
    assert not parse_tables(["table2", "--preset=paper", "--nets-frozen=no"]).options.nets_frozen


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a table first: table2, figure2"),
        (["table4"], "unknown table 'table4'"),
        (["tabel2"], "did you mean table2?"),
        (["table2", "more"], "unexpected 'more'"),
        (["table2", "--seeds"], "--seeds needs a value"),
        (["table2", "--seeds=0"], "--seeds must be a whole number of at least 1; got '0'"),
        (["table2", "--fusions="], "is no fusion"),
        (["table2", "--fusions=net_0,net_4"], "net_4 is no fusion"),
        (["table2", "--fusions=net_0,net_0"], "names a fusion twice"),
        (["figure2", "--fusions=net_0,net_1"], "--fusions must name one fusion"),
        (["table2", "--loss=ce"], "--loss differs between the cells of table2"),
        (["figure2", "--relation.alpha=2"], "--relation.alpha differs between the cells"),
        (["table2", "--train.epoch=1"], "unknown setting --train.epoch"),
        (["table2", "--train.epochs=0"], "train.epochs must be at least 1"),
        (["table2", "--data=celeba"], "needs the folder of the data"),
        (["table2", "--data=celebA", "--root=x"], "did you mean celeba?"),
        (["table2", "--data=celeba", "--root=nowhere"], "the folder of celeba is not there: nowhere"),
        (["table2", "--roots.celeba=nowhere", "--data=celeba"], "leave --data and --root out"),
        (["table2", "--nets=nowhere", "--fusions=net_0,net_1"], "has no net_0.safetensors, net_1.safetensors"),
        (["table2", "--weights.net_0=nowhere"], "--weights.net_0 nowhere: no such file"),
        (["table2", "--weights.net_0=nowhere", "--fusions=net_1"], "no fusion has net_0"),
        (["table2", "--nets-frozen=perhaps"], "must be yes, no or preset; got 'perhaps'"),
        (["table2", "--relations=strange"], "--relations: unknown relation 'strange'"),
        (["figure2", "--wide-alphas=5,2"], "rising numbers above 1"),
    ],
)
def test_what_is_refused(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tables(*words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line
    assert not [*tmp_path.iterdir()]


def test_a_file_of_settings_is_read_as_flags_are_and_flags_win(tmp_path: Path) -> None:
    net = weights(tmp_path / "net_1.safetensors")
    file, later = tmp_path / "settings.yaml", tmp_path / "later.yaml"
    file.write_text(
        f"data: celeba\nroot: {tmp_path}\nout: null\nseeds: 2\nnets-frozen: yes\nfusions: net_1\n"
        f"train: {{epochs: 7, batch_size: 8}}\nweights: {{net_1: {net}, net_2: null}}\n"
    )
    later.write_text("train.batch_size: 4\n")
    request = parse_tables(["table2", "--train.epochs=9", f"--config={file}", "--config", str(later)])
    options = request.options
    assert (options.base.data, options.base.root, options.seeds) == ("celeba", tmp_path, (0, 1))
    assert (options.base.train.epochs, options.base.train.batch_size) == (9, 4)
    assert options.nets == {"net_1": net} and options.nets_frozen and options.fusions == (("net_1",),)
    assert request.out == Path("tables/table2")
    over = parse_tables(["table2", f"--config={file}", "--data=lfwa", "--seeds=1"]).options
    assert over.base.data == "lfwa" and over.seeds == (0,)


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("table2", "data: lfwa", "leave --data and --root out"),
        ("table2", "root: elsewhere", "leave --data and --root out"),
        ("table2", "stage: identity", "--stage differs between the cells of table2"),
        ("table2", "seed: 3", "--seed differs between the cells"),
        ("figure2", "relation: {alpha: 5}", "--relation.alpha differs between the cells of figure2"),
        ("figure2", 'relation: "{alpha: 5}"', "--relation is a group of settings"),
        ("table2", "config: other.yaml", "--config is for single runs"),
        ("table2", "resume: run", "--resume is for single runs"),
        ("table2", "weights: {net_0: nowhere}", "--weights.net_0 nowhere: no such file"),
        ("table2", "train: {epoch: 3}", "unknown setting --train.epoch"),
    ],
)
def test_what_a_file_of_settings_may_not_hold(
    table: str, content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "settings.yaml", tmp_path / "out"
    file.write_text(content)
    assert tables(table, f"--roots.celeba={tmp_path}", f"--out={out}", f"--config={file}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not out.exists()


def test_data_and_weights_are_looked_at_before_anything_is_written(
    tmp_path: Path, table_faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, empty = tmp_path / "out", tmp_path / "empty"
    empty.mkdir()
    assert tables(*arguments("table2", empty, out)) == 2
    assert "list_attr_celeba" in capsys.readouterr().err
    wide = weights(tmp_path / "other.safetensors", net='{"width": 0.25, "depth": 3, "norm": "bn"}')
    assert tables(*arguments("table2", table_faces, out, "--fusions=net_0", f"--weights.net_0={wide}")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "net.width 0.25 in the file, 0.05 here" in line
    (tmp_path / "file").write_text("no folder")
    assert tables(*arguments("table2", table_faces, tmp_path / "file")) == 2
    assert not out.exists()


def test_help_lists_tables_and_options_without_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables("--help") == 0
    printed = capsys.readouterr().out
    assert printed == help_text() + "\n"
    for name in (*TABLES, *OPTIONS, *(option for table in TABLES.values() for option in table.options)):
        assert name in printed
    assert run("reference_model.tables", ["--help"]).endswith("status 0, imported []\n")
    assert run("reference_model.tables", ["table2", "--seeds", "0"]).endswith("status 2, imported []\n")


def test_fusions_are_put_in_order() -> None:
    assert parse_fusions("net_2+net_1, net_0") == (("net_1", "net_2"), ("net_0",))
