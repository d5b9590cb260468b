"""Which part may import which, read from the source of every file."""

import ast
import sys
from pathlib import Path

import pytest

from tests.project.helpers import ROOT

FACES = {"torch", "jax", "tensorflow", "keras"}
ADAPTERS = {f"obrl_{name}" for name in FACES} | {"obrl_native"}
ALLOWED_BETWEEN_ADAPTERS = {
    ("obrl_tensorflow", "obrl_keras"),
    ("obrl_jax", "obrl_native"),
    ("obrl_tensorflow", "obrl_native"),
    ("obrl_torch", "obrl_native"),
}
OWN_FRAMEWORKS = {
    "obrl_torch": {"torch", "triton"},
    "obrl_jax": {"jax", "jaxlib"},
    "obrl_tensorflow": {"tensorflow", "keras"},
    "obrl_keras": {"keras"},
}
SOURCES = sorted(
    path
    for part in ("obrl", "adapters", "reference_model", "benchmarks", "tools")
    for path in (ROOT / part).rglob("*.py")
)


def imported_modules(source, package=""):
    """The full names that a source imports, at any depth; `package` resolves relative imports."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parents = parts[: len(parts) - node.level + 1]
                base = ".".join([*parents, *([node.module] if node.module else [])])
            modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return modules


def violations(path, source):
    """The imports in a file of the repository that its place forbids; `path` is relative to the root."""
    parts = path.parts[1:] if path.parts[0] == "adapters" else path.parts
    area = parts[0]
    package = ".".join(parts[:-1])
    names = imported_modules(source, package)
    tops = {name.partition(".")[0] for name in names}
    outside = tops - set(sys.stdlib_module_names) - {"", area}
    wrong = outside & ({"tests", "adapters"} | ({"benchmarks", "tools"} - {area}))
    if area == "obrl":
        face = path.stem if len(parts) == 2 and path.stem in FACES else None
        wrong |= outside - {"numpy"} - ({f"obrl_{face}"} | OWN_FRAMEWORKS[f"obrl_{face}"] if face else set())
    elif area == "obrl_native":
        wrong |= outside - {"obrl"}
    elif area in ADAPTERS:
        neighbours = outside & ADAPTERS
        wrong |= {other for other in neighbours if (area, other) not in ALLOWED_BETWEEN_ADAPTERS}
        wrong |= (tops & {"torch", "triton", "jax", "tensorflow", "keras"}) - OWN_FRAMEWORKS[area]
    elif area == "reference_model":
        wrong |= outside & ADAPTERS
        wrong |= {
            name
            for name in names
            if name.startswith("obrl.")
            and name not in ("obrl.__version__", "obrl.MEASURES", "obrl.Settings")
            and not f"{name}.".startswith("obrl.torch.")
        }
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_what_it_may(path):
    assert violations(path.relative_to(ROOT), path.read_text()) == set()


def test_all_parts_were_read():
    areas = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    assert areas == {"obrl", "adapters", "reference_model", "benchmarks", "tools"}


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("obrl/loss.py", "import torch", "torch"),
        ("obrl/loss.py", "def f():\n    from obrl_torch import OBRLoss", "obrl_torch"),
        ("obrl/torch.py", "from obrl_jax import OBRLoss", "obrl_jax"),
        ("obrl/torch.py", "import jax", "jax"),
        ("obrl/mining/torch.py", "from obrl_torch import OBRLoss", "obrl_torch"),
        ("obrl/counts.py", "import scipy.sparse", "scipy"),
        ("adapters/obrl_torch/loss.py", "import obrl_jax", "obrl_jax"),
        ("adapters/obrl_torch/loss.py", "import tensorflow as tf", "tensorflow"),
        ("adapters/obrl_keras/loss.py", "from obrl_tensorflow import x", "obrl_tensorflow"),
        ("adapters/obrl_native/cpu.py", "import numpy", "numpy"),
        ("adapters/obrl_keras/layer.py", "from obrl_native import cpu", "obrl_native"),
        ("reference_model/train.py", "import obrl_native", "obrl_native"),
        ("adapters/obrl_native/cpu.py", "import obrl_torch", "obrl_torch"),
        ("adapters/obrl_torch/loss.py", "from tests.support import x", "tests"),
        ("reference_model/train.py", "from obrl_torch import OBRLoss", "obrl_torch"),
        ("reference_model/train.py", "from obrl.loss import OBRLoss", "obrl.loss"),
        ("reference_model/train.py", "import benchmarks.labels", "benchmarks"),
        ("benchmarks/labels.py", "import tests", "tests"),
        ("benchmarks/labels.py", "from adapters.obrl_torch import x", "adapters"),
    ],
)
def test_the_check_sees_a_forbidden_import(path, source, wrong):
    assert wrong in violations(Path(path), source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("obrl/torch.py", "import torch\nfrom obrl_torch import OBRLoss"),
        ("obrl/loss.py", "import math\nimport numpy as np\nfrom obrl import algebra\nfrom . import counts"),
        ("adapters/obrl_torch/loss.py", "import torch\nfrom obrl.algebra import x\nfrom obrl_torch.state import y"),
        ("adapters/obrl_torch/native.py", "from obrl_native import cpu"),
        ("adapters/obrl_jax/native.py", "from obrl_native import cpu\nfrom jaxlib.version import __version__"),
        ("adapters/obrl_native/cpu.py", "import ctypes\nfrom obrl import measures"),
        ("adapters/obrl_tensorflow/loss.py", "import obrl_keras"),
        ("reference_model/train.py", "import lightning\nfrom obrl import __version__\nfrom obrl.torch import OBRLoss"),
        ("reference_model/plots.py", "from obrl import MEASURES"),
        ("benchmarks/x.py", "from benchmarks.labels import y\nfrom obrl.torch import OBRLoss"),
    ],
)
def test_the_check_lets_through_what_is_allowed(path, source):
    assert violations(Path(path), source) == set()
