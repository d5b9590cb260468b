"""Every command of the documentation runs, on drawn pictures in the formats of the data sets and with tiny settings."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reference_model import evaluate, export, predict, tables, train
from reference_model.config import STAGES, PoolConfig, SyntheticConfig
from reference_model.data import __main__ as data
from reference_model.data.alignment import POINTS
from reference_model.data.catalogue import AttributeLabels, YearLabels
from reference_model.data.registry import ReadOptions, load_data_set
from reference_model.data.synthetic.pool import open_pool, write_pool
from reference_model.data.writers.user_table import write_table
from tests.project.helpers import ROOT

PAGES = (
    "docs/reference_model/reference_model.md",
    "docs/reference_model/stages.md",
    "docs/reference_model/data_sets.md",
    "docs/reference_model/predict.md",
    "docs/reference_model/export.md",
    "docs/reference_model/relation_over_batches.md",
    "docs/reference_model/tables.md",
    "docs/reference_model/studies.md",
    "docs/reference_model/your_own_pictures.md",
    "README.md",
    "docs/howto/reproduce_the_paper.md",
)
PROGRAMS = {
    "train": train.main,
    "evaluate": evaluate.main,
    "predict": predict.main,
    "export": export.main,
    "tables": tables.main,
    "data": data.main,
}
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
FENCE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)

POOL = PoolConfig(people=16, valid_people=2, test_people=2, pictures_per_person=4, objects=2, scenes=6)
SHARED = {
    "images.size": "32",
    "images.crop_padding": "2",
    "net.width": "0.05",
    "net.strides": "[1,1]",
    "train.threads": "1",
    "train.device": "cpu",
    "train.progress": "off",
    "synthetic.num_train": "32",
    "synthetic.num_valid": "16",
    "synthetic.num_test": "16",
    **{f"pool.{name}": str(value) for name, value in vars(POOL).items()},
}
OF_A_STAGE = {
    "head.hidden": "[]",
    "head.embedding": "8",
    "net.group_channels": "4",
    "net.group_hidden": "8",
    "train.epochs": "1",
    "train.batch_size": "8",
    "train.accumulate": "1",
    "read.classes": "10",
}
OF_IDENTITY = ("head.hidden", "head.embedding", "train.epochs", "train.batch_size")
MORE_ROWS_THAN_DRAWN, FEW_ROWS = "50", "12"  # of read.train_rows; the drawn set of attributes has 16 training pictures
OF_A_POOL = {f"--{name.replace('_', '-')}": str(value) for name, value in vars(POOL).items()}


def commands(text: str) -> list[list[str]]:
    """Return the commands of a page that run the reference model, in their order, as words."""
    blocks = "".join(FENCE.findall(text))
    lines = [match.group(1).replace("\\\n", " ") for match in COMMAND.finditer(blocks)]
    return [shlex.split(line) for line in lines if "-m reference_model" in line]


def commands_by_page() -> dict[str, list[list[str]]]:
    """Return the commands of every page, without those that an earlier page has word for word."""
    seen: set[str] = set()
    by_page: dict[str, list[list[str]]] = {}
    for page in PAGES:
        words = commands((ROOT / page).read_text())
        by_page[page] = [command for command in words if shlex.join(command) not in seen]
        seen.update(map(shlex.join, words))
    return by_page


BY_PAGE = commands_by_page()


def with_tiny_settings(program: str, arguments: list[str]) -> list[str]:
    """Return the arguments with settings that need seconds; what a command itself says stays as it is."""
    if program == "data" and arguments[0] == "synthesize":
        return [*arguments, *(word for option in OF_A_POOL.items() for word in option)]
    if program == "tables" and arguments[0] == "again":
        return arguments
    if program == "tables" and arguments[0] == "relation":
        return [*arguments, "--batches=16", "--batch-sizes=8", "--seeds=1"]
    if program == "tables":
        less = {"figure2": "--wide-alphas=10", "table2": "--fusions=net_0,net_1+net_2+net_3"}
        arguments = [*arguments, "--seeds=1"]
        if arguments[0] in less and "--fusions" not in arguments:
            arguments.append(less[arguments[0]])
    if program not in ("train", "tables") or "--resume" in arguments:
        return arguments
    settings = SHARED | OF_A_STAGE
    if arguments[:1] == ["pretraining"]:
        of_identity = {f"identity.{name}": OF_A_STAGE[name] for name in OF_IDENTITY}
        settings = {name: value for name, value in settings.items() if name != "train.epochs"}
        settings |= {"rows": "12", "steps": "2", **of_identity}
    if arguments[:2] == ["--stage", "all"]:
        sections = {f"{stage}.{name}": value for stage in STAGES for name, value in OF_A_STAGE.items()}
        settings = SHARED | sections
    arguments = [FEW_ROWS if word == MORE_ROWS_THAN_DRAWN else word for word in arguments]
    written = {word[2:].partition("=")[0] for word in arguments if word.startswith("--")}
    return [*arguments, *(f"--{name}={value}" for name, value in settings.items() if name not in written)]


def split_off_output(words: list[str]) -> tuple[list[str], str | None]:
    """Return the words of a command before ``> FILE``, and the file; None without."""
    if ">" not in words:
        return words, None
    place = words.index(">")
    return words[:place], words[place + 1]


def run(words: list[str]) -> None:
    """Run a command in this process; raises AssertionError with what it printed unless it ends with status 0."""
    words, file = split_off_output(words)
    program = words[words.index("-m") + 1].removeprefix("reference_model.")
    arguments = with_tiny_settings(program, words[words.index("-m") + 2 :])
    printed, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
        try:
            status = PROGRAMS[program](arguments)
        except SystemExit as stop:
            status = stop.code
    assert status in (0, None), f"{shlex.join(words)}\n{printed.getvalue()}\n{complaints.getvalue()}"
    if file is not None:
        Path(file).write_text(printed.getvalue())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory in which ``path/to/NAME`` is a data set of that name."""
    folder = tmp_path_factory.mktemp("documented")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.chdir(folder)
        pool = write_pool(open_pool(SyntheticConfig(), None, POOL), SyntheticConfig(), POOL)
        places = folder / "path" / "to"
        places.mkdir(parents=True)
        for data_set in pool.iterdir():
            if data_set.is_dir():
                (places / data_set.name).symlink_to(data_set, target_is_directory=True)
        write_own_pictures(places / "mine", pool / "celeba")
        write_landmarks(places / "landmarks.txt", pool / "celeba" / "img_align_celeba")
        (places / "pictures").symlink_to(pool / "celeba" / "img_align_celeba", target_is_directory=True)
        yield folder


def write_own_pictures(root: Path, celeba: Path) -> None:
    """Write a table of three attributes, in a group and a rest, and ages."""
    faces = load_data_set("celeba").read(celeba, ReadOptions())
    attributes = faces.labels["attributes"]
    assert isinstance(attributes, AttributeLabels)
    chosen = AttributeLabels(("Smiling", "Glasses", "Bangs"), attributes.values[:, :3], {"Mouth": (0,), "Top": (1, 2)})
    years = YearLabels(np.linspace(1, 80, len(faces), dtype=np.float32))
    write_table(root, replace(faces, labels={"attributes": chosen, "age": years}))


def write_landmarks(path: Path, pictures: Path) -> None:
    """Write the same five points for every picture of a folder."""
    names = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
    rows = [f"{picture.name} 69 111 107 111 88 136 72 152 105 152" for picture in sorted(pictures.iterdir())]
    path.write_text("\n".join([str(len(rows)), " ".join(names), *rows]) + "\n")


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run(page: str, workspace: Path) -> None:
    for words in BY_PAGE[page]:
        if words[0] != "torchrun":
            run(words)


@pytest.mark.slow  # each starts two processes, and each imports torch and Lightning
def test_commands_for_several_processes_run(workspace: Path) -> None:
    started = [words for page in PAGES for words in BY_PAGE[page] if words[0] == "torchrun"]
    assert started
    for words in started:
        place = words.index("-m")
        tiny = with_tiny_settings("train", words[place + 2 :])
        command = [sys.executable, "-m", "torch.distributed.run", *words[1 : place + 2], *tiny]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_commands_are_read_from_a_page() -> None:
    page = "```console\n$ pip install x\n$ python -m reference_model.train \\\n    --out a\n```\n```text\n$ no\n```\n"
    assert commands(page) == [["python", "-m", "reference_model.train", "--out", "a"]]
    assert len(BY_PAGE["docs/reference_model/stages.md"]) > 10
    assert with_tiny_settings("train", ["--train.epochs", "2"])[:2] == ["--train.epochs", "2"]
    assert "--train.epochs=1" not in with_tiny_settings("train", ["--train.epochs", "2"])


def test_a_command_can_fail(workspace: Path) -> None:
    with pytest.raises(AssertionError, match="unknown setting"):
        run(["python", "-m", "reference_model.train", "--train.epoch", "2"])
