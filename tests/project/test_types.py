"""A user's program is without errors for mypy --strict and for pyright, with obrl installed as a wheel installs it."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.project.helpers import ROOT
from tests.wheel.check_contents import PACKAGES

PROGRAM = ROOT / "tests" / "project" / "user_program.py"
WITHOUT_STUBS = "[mypy]\n[mypy-keras.*,tensorflow.*]\nignore_missing_imports = True\n"
"""Keras and TensorFlow ship no types; a user of mypy has to say so, too."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The Python of an environment with obrl's packages, as in the wheel, beside everything that is installed here."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    for name, source in PACKAGES.items():
        for path in (ROOT / source).rglob("*"):
            if path.suffix == ".py" or path.name == "py.typed":
                target = packages / name / path.relative_to(ROOT / source)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def mypy(environment, program, folder):
    (folder / "mypy.ini").write_text(WITHOUT_STUBS)
    return [sys.executable, "-m", "mypy", "--strict", "--config-file", "mypy.ini", "--python-executable", environment]


def pyright(environment, program, folder):
    """The pip package brings its JavaScript and its node; nothing is downloaded."""
    return [sys.executable, "-m", "pyright", "--pythonpath", environment]


def check(checker, environment, source, folder):
    """What a type checker says of a program, in a folder outside of the repository."""
    (folder / "program.py").write_text(source)
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [*map(str, checker(environment, source, folder)), "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_users_program_has_no_type_errors(checker, environment, tmp_path):
    status, output = check(checker, environment, PROGRAM.read_text(), tmp_path)
    assert status == 0, output


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_wrong_program_has_type_errors(checker, environment, tmp_path):
    wrong = 'import obrl\nobrl.OBRLoss("three", decay=[])\nobrl.OBRLoss(3).no_such_method()\n'
    status, output = check(checker, environment, wrong, tmp_path)
    assert status == 1, output
    assert "no_such_method" in output
    assert "program.py:2" in output
