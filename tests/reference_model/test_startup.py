"""Help and mistakes show at once: nothing heavy is imported before the settings are known to be usable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import reference_model
from reference_model.__main__ import COMMANDS
from reference_model.data.synthetic import write_synthetic_faces

HEAVY = ("torch", "lightning", "tensorboard", "matplotlib", "safetensors", "torchmetrics")
PROGRAM = """
import sys
from {module} import main
try:
    status = main({arguments!r})
except SystemExit as stop:
    status = stop.code
heavy = sorted({heavy!r} & sys.modules.keys())
print(f"status {{status}}, imported {{heavy}}", file=sys.stderr)
"""


def run(module: str, arguments: list[str]) -> str:
    """Call a program's ``main`` in a fresh interpreter; the last line says how it ended and what it imported."""
    program = PROGRAM.format(module=module, arguments=arguments, heavy=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--print_config"], 0),
        (["--stage", "all", "--help"], 0),
        (["--stage", "all", "--optim.lrr", "1"], 2),
        (["--optim.lrr", "1"], 2),
        (["--net.strides", "[4,4]"], 2),
        (["--relation.decay", "1.5"], 2),
        (["--data", "celeba"], 2),
        (["--resume", "nowhere"], 2),
    ],
)
def test_settings_are_checked_without_torch(arguments: list[str], status: int) -> None:
    assert run("reference_model.train", arguments).endswith(f"status {status}, imported []\n")


def test_a_folder_that_holds_something_else_is_refused_without_torch(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run("reference_model.train", ["--out", str(tmp_path)]).endswith("status 2, imported []\n")


@pytest.mark.parametrize(("name", "status"), [(None, 0), ("celeba", 0), ("utkface", 2), ("celebaa", 2)])
def test_data_are_checked_without_torch(name: str | None, status: int, tmp_path: Path) -> None:
    if name == "celeba":
        write_synthetic_faces(tmp_path / "faces", num_train=4, num_valid=2, num_test=2)
    arguments = ["--help"] if name is None else ["check", name, str(tmp_path / "faces")]
    assert run("reference_model.data.__main__", arguments).endswith(f"status {status}, imported []\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), ([], 2), (["--checkpoint", "nowhere"], 2), (["--checkpoint", "x", "--split", "all"], 2)],
)
def test_help_and_mistakes_of_evaluate_need_no_torch(arguments: list[str], status: int) -> None:
    assert run("reference_model.evaluate", arguments).endswith(f"status {status}, imported []\n")


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--help"], 0), ([], 2), (["runs/x"], 2), (["nowhere", "--onnx", "x"], 2)]
)
def test_help_and_mistakes_of_export_need_no_torch(arguments: list[str], status: int) -> None:
    assert run("reference_model.export", arguments).endswith(f"status {status}, imported []\n")


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--help"], 0), (["train"], 2)])
def test_the_commands_are_listed_without_torch(arguments: list[str], status: int) -> None:
    assert run("reference_model.__main__", arguments).endswith(f"status {status}, imported []\n")


def test_every_program_is_listed() -> None:
    folder = Path(reference_model.__file__).parent
    programs = {path.stem for path in folder.glob("*.py") if "\ndef main(" in path.read_text()} - {"__main__"}
    packages = {".".join(path.parent.relative_to(folder).parts) for path in folder.glob("*/**/__main__.py")}
    assert set(COMMANDS) == programs | packages


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--help"], 0), (["nowhere", "pictures", "--out", "p.csv"], 2), (["--out", "p.csv"], 2)]
)
def test_predictions_are_checked_without_torch(arguments: list[str], status: int) -> None:
    assert run("reference_model.predict", arguments).endswith(f"status {status}, imported []\n")


def test_predicting_needs_neither_lightning_nor_torchmetrics() -> None:
    modules = "reference_model.predicting, reference_model.stages.attributes"
    program = f"import sys, {modules}; print(sorted({{'torch', 'lightning', 'torchmetrics'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['torch']\n", "their import takes longer than five hundred pictures"


def test_the_check_sees_torch() -> None:
    program = "import sys, torch; print(sorted({'torch', 'lightning'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['torch']\n"
