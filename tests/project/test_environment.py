"""`obrl env`: what a bug report says of the environment, also where a framework is broken or none is installed."""

import getpass
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from obrl import __version__, environment
from obrl.environment import environment_report, without_user
from obrl.mining.cli import main
from tests.project.helpers import ROOT, run_python

ADAPTER = "obrl_probe"


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """Replaces the frameworks by one, `probe`, of which NumPy is the distribution; returns what writes its answer."""
    monkeypatch.setattr(environment, "FRAMEWORKS", {"probe": (("numpy",), ADAPTER), "absent": (("no-such",), "none")})
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / ADAPTER).mkdir()

    def write(source):
        (tmp_path / ADAPTER / "environment.py").write_text(source)

    return write


def test_the_command_reports_versions_compiler_and_cache(capsys):
    assert main(["env", "--quick"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"obrl: {__version__}"
    assert f"numpy: {np.__version__}" in lines
    section = lines[lines.index("native code:") :]
    assert re.match(r"  C\+\+ compiler: \S*(g|c|clang)\+\+: .*\d", section[1])
    assert section[2].startswith("  cache: ")


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "obrl", "env", "--quick"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"obrl: {__version__}\nPython: {sys.version.split()[0]}")


def test_a_framework_answers_from_its_process(framework):
    answer = "print(json.dumps({'version': '9', 'GPU': 'none'}))"
    framework(f"import json\nprint('chatter of a framework')\n{answer}\nprint('bye')\n")
    lines = environment_report().splitlines()
    where = lines.index("probe:")
    assert lines[where : where + 4] == ["probe:", "  version: 9", "  GPU: none", "absent: not installed"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise OSError('libsomething.so: no such file')", "exit status 1: OSError: libsomething.so: no such file"),
        ("raise RuntimeError('cannot start\\nfor a reason')", "exit status 1: RuntimeError: cannot start for a reason"),
        ("import os\nos.abort()", "exit status -6: no message"),
        ("print('no report')", "no answer, exit status 0"),
        ("pass", "no answer, exit status 0"),
        ("import time\ntime.sleep(60)", "no answer within 0.5 seconds"),
    ],
)
def test_a_broken_framework_is_reported(framework, monkeypatch, source, words):
    monkeypatch.setattr(environment, "SECONDS", 0.5 if "sleep" in source else 60)
    monkeypatch.setattr(
        environment, "_ask", lambda adapter, ask=environment._ask: ask(ADAPTER) if adapter == ADAPTER else {}
    )
    framework(source)
    lines = environment_report().splitlines()
    assert lines[lines.index("probe:") + 1] == f"  version: {np.__version__}"
    assert words in lines[lines.index("probe:") + 2]


def test_variables_that_matter_are_told(framework, monkeypatch):
    monkeypatch.setenv("OBRL_CACHE", str(Path.home() / "cache"))
    assert "  OBRL_CACHE: ~/cache" in environment_report(quick=True).splitlines()


def test_no_compiler_is_reported(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    report = environment_report(quick=True)
    assert "C++ compiler: none that works: the native code of obrl needs a C++ compiler" in report


def test_users_are_left_out(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "maria")
    monkeypatch.setenv("HOME", "/somewhere/maria")
    told = without_user("a: /somewhere/maria/x, /scratch/maria/y, /scratch/maria2, /somewhere/maria-old, maria")
    assert told == "a: ~/x, /scratch/USER/y, /scratch/maria2, /somewhere/maria-old, maria"


def test_without_frameworks_nothing_is_imported_and_the_command_works():
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['torch', 'jax', 'keras', 'tensorflow', 'pyarrow', 'scipy', 'triton']))\n"
        "from obrl.mining.cli import main\n"
        "sys.exit(main(['env', '--quick']))\n"
    )
    assert run_python(program).startswith("obrl: ")


def test_keras_without_its_backend_names_the_variable_that_chooses_it(monkeypatch, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('No module named tensorflow')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(environment, "FRAMEWORKS", {"keras": environment.FRAMEWORKS["keras"]})
    section = environment_report().partition("keras:")[2]
    assert "error: cannot be used, exit status 1: ImportError: Keras cannot import its backend" in section
    assert "set KERAS_BACKEND to jax, torch or tensorflow" in section


def test_every_adapter_of_a_framework_is_asked():
    adapters = {path.parent.name for path in ROOT.glob("adapters/*/environment.py")}
    assert adapters == {adapter for _, adapter in environment.FRAMEWORKS.values()} | {"obrl_native"}


def test_the_form_for_bug_reports_asks_for_the_report():
    form = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text()
    assert "obrl env" in form
