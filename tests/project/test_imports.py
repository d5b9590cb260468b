"""What importing obrl imports, in a fresh interpreter, and what it says where a framework is missing."""

import pytest

from tests.project.helpers import run_python

FACES = ["torch", "jax", "keras", "tensorflow"]
FRAMEWORKS = {"torch", "lightning", "jax", "tensorflow", "keras", "triton"}
ALLOWED = {"tensorflow": {"tensorflow", "keras"}}

FOREIGN = """
import sys
before = set(sys.modules)
{statement}
names = {{name.partition(".")[0] for name in set(sys.modules) - before}}
print(*sorted(names - set(sys.stdlib_module_names) - {{"obrl", "numpy"}}))
"""

ATTEMPTS = """
import sys
{before}
attempts = set()
class Recorder:
    def find_spec(self, name, path=None, target=None):
        attempts.add(name.partition(".")[0])
sys.meta_path.insert(0, Recorder())
try:
    {statement}
except ImportError as error:
    if error.name is None or error.name.partition(".")[0] not in {frameworks}:
        raise
print(*sorted(attempts))
"""

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {framework!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocker())
{statement}
"""


def foreign_modules(statement):
    """The top-level modules that a statement imports besides obrl, NumPy and the standard library."""
    return set(run_python(FOREIGN.format(statement=statement)).split())


def attempted_modules(statement, *, before="pass"):
    """The top-level modules that a statement asks for, whether or not they are installed."""
    return set(run_python(ATTEMPTS.format(before=before, statement=statement, frameworks=FRAMEWORKS)).split())


def test_obrl_needs_only_numpy():
    assert foreign_modules("import obrl") == set()


def test_the_check_of_foreign_modules_can_fail():
    assert "scipy" in foreign_modules("import obrl, scipy")


def test_obrl_does_not_even_ask_for_a_framework():
    assert attempted_modules("import obrl") & FRAMEWORKS == set()


@pytest.mark.parametrize("face", FACES)
def test_a_face_asks_for_no_other_framework(face, monkeypatch):
    allowed = ALLOWED.get(face, {face})
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow" if face == "tensorflow" else "jax")
    before = f"import {', '.join(sorted(allowed))}"
    assert attempted_modules(f"import obrl.{face}", before=before) & (FRAMEWORKS - allowed) == set()


def test_the_check_of_other_frameworks_can_fail():
    assert "jax" in attempted_modules("import obrl, jax")


@pytest.mark.parametrize("face", FACES)
def test_a_missing_framework_names_the_extra(face):
    program = f"import obrl\ntry:\n    import obrl.{face}\nexcept ImportError as error:\n    print(error)"
    message = run_python(BLOCKED.format(framework=face, statement=program))
    assert f'pip install "obrl[{face}]"' in message


def test_a_missing_backend_of_keras_names_the_variable_that_chooses_it(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    program = "try:\n    import obrl.keras\nexcept ImportError as error:\n    print(error)"
    message = run_python(BLOCKED.format(framework="tensorflow", statement=program))
    assert "cannot import its backend: No module named 'tensorflow'" in message
    assert "set KERAS_BACKEND to jax, torch or tensorflow" in message


def test_a_missing_lightning_is_named():
    program = "import obrl.torch\ntry:\n    import obrl.torch.lightning\nexcept ImportError as error:\n    print(error)"
    message = run_python(BLOCKED.format(framework="lightning", statement=program))
    assert message == "obrl.torch.lightning needs Lightning, which is not installed: pip install lightning\n"


def test_the_monitor_needs_only_numpy():
    assert foreign_modules("import obrl.monitor") == set()


@pytest.mark.parametrize("face", FACES)
def test_an_error_inside_the_adapter_is_not_taken_for_a_missing_framework(face):
    statement = f"import types\nfor name in {FRAMEWORKS}:\n    sys.modules[name] = types.ModuleType(name)\n"
    with pytest.raises(RuntimeError) as caught:
        run_python(BLOCKED.format(framework=f"obrl_{face}", statement=f"{statement}import obrl.{face}"))
    assert f"obrl_{face}" in str(caught.value)
    assert f"obrl[{face}]" not in str(caught.value)


def test_numpy_works_where_torch_is_missing():
    statement = "import obrl; print(round(obrl.OBRLoss(2)([[0.0, 0.0], [0.0, 0.0]], [[1, 0], [0, 1]]), 4))"
    # 2 log 2 + 0.5 * 2 / (2 * 4): one negative pair at distance 0.
    assert float(run_python(BLOCKED.format(framework="torch", statement=statement))) == 1.5113


FUSED = """
import os
os.environ.update({environment})
import torch
from obrl.torch import OBRLoss
criterion = OBRLoss(2, impl="fused")
try:
    criterion(torch.zeros(2, 2), torch.zeros(2, 2))
except ImportError as error:
    print(error)
print(criterion.relation_weight.any().item())
"""


@pytest.mark.parametrize(
    ("environment", "needed"),
    [
        ({"TRITON_INTERPRET": "1"}, 'impl="fused" needs Triton: pip install triton'),
        (
            {"CXX": "no-such-compiler"},
            "the native code of obrl needs a C++ compiler, and found none of: no-such-compiler",
        ),
    ],
    ids=["Triton", "a compiler"],
)
def test_kernels_say_what_they_need_when_they_are_called(environment, needed):
    program = FUSED.format(environment=environment)
    message, moved = run_python(BLOCKED.format(framework="triton", statement=program)).split("\n")[:2]
    assert message.startswith(needed)
    assert moved == "False"
