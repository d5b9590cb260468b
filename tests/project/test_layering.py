"""Which part may import which, read from the source of every file; also inside the reference model."""

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
    "obrl_torch": {"torch", "triton", "lightning"},
    "obrl_jax": {"jax", "jaxlib"},
    "obrl_tensorflow": {"tensorflow", "keras"},
    "obrl_keras": {"keras"},
}
# What relation mining reads and draws with, each imported where it is needed; scikit-learn imports itself.
MINING = {"sklearn", "pyarrow", "threadpoolctl", "scipy", "matplotlib", "networkx", "fsspec", "dask", "distributed"}
MODEL = "reference_model"
LAYERS = (
    ("settings", ("settings", "config", "attributes", "openmp")),
    ("data", ("data",)),
    ("run folder", ("runs", "places", "machine")),
    ("nets and losses", ("nets", "losses", "metrics")),
    ("what a stage is", ("stages", "stages.stage", "stages.registry")),
    ("reports", ("reports",)),
    ("stages", ("stages.*",)),
    ("engine", ("engine",)),
    ("command line", ("cli",)),
    ("pipeline", ("pipeline",)),
    (
        "entries",
        (
            "__main__",
            "train",
            "training",
            "evaluate",
            "evaluating",
            "export",
            "exporting",
            "predict",
            "predicting",
            "tables",
        ),
    ),
)
"""The layers of the reference model, each with its modules and packages; a layer imports itself and those before it.

The declarations of the stages are the exception: what comes after them gets them from `stages.registry` only.
"""
DECLARATIONS = "stages"
WITHOUT_TORCH = {"settings", "data", "run folder", "command line"}
HEAVY = {"torch", "lightning", "torchmetrics", "safetensors", "matplotlib"}
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


def layer_of(module):
    """The number of the layer of a module of the reference model; the most specific entry of `LAYERS` decides."""
    name = module.removeprefix(f"{MODEL}.")
    parts = name.split(".")
    names = [name, f"{'.'.join(parts[:-1])}.*", *(".".join(parts[:size]) for size in range(len(parts) - 1, 0, -1))]
    for entry in names:
        for number, (_, members) in enumerate(LAYERS):
            if entry in members:
                return number
    raise ValueError(f"{module} is in none of LAYERS: name it there")


def against_the_layers(path, names):
    """The imports of a file of the reference model that go up, or need torch where that must not be needed."""
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    if module == MODEL:
        return {name for name in names if name.startswith(f"{MODEL}.")}
    layer = layer_of(module)
    inner = {name for name in names if name.startswith(f"{MODEL}.") and is_module(name)}
    wrong = {name for name in inner if layer_of(name) > layer}
    if LAYERS[layer][0] != DECLARATIONS:
        wrong |= {name for name in inner if LAYERS[layer_of(name)][0] == DECLARATIONS}
    if LAYERS[layer][0] in WITHOUT_TORCH:
        wrong |= {name for name in names if name.partition(".")[0] in HEAVY or f"{name}.".startswith("obrl.torch.")}
    return wrong


def is_module(name):
    """Whether a full name is that of a file or folder of the repository, not of something inside a file."""
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


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
        face = Path(parts[1]).stem if Path(parts[1]).stem in FACES else None  # a module, or a package
        allowed = {f"obrl_{face}"} | OWN_FRAMEWORKS[f"obrl_{face}"] if face else set()
        wrong |= outside - {"numpy"} - allowed - (MINING if parts[1] == "mining" else set())
    elif area == "obrl_native":
        wrong |= outside - {"obrl"}
    elif area in ADAPTERS:
        neighbours = outside & ADAPTERS
        wrong |= {other for other in neighbours if (area, other) not in ALLOWED_BETWEEN_ADAPTERS}
        wrong |= (tops & {"torch", "triton", "lightning", "jax", "tensorflow", "keras"}) - OWN_FRAMEWORKS[area]
    elif area == "reference_model":
        wrong |= outside & ADAPTERS
        wrong |= {
            name
            for name in names
            if name.startswith("obrl.")
            and name not in ("obrl.__version__", "obrl.MEASURES", "obrl.OnlineBatchRelation", "obrl.Settings")
            and not f"{name}.".startswith("obrl.torch.")
        }
        wrong |= against_the_layers(path, names)
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_imports_only_what_it_may(path):
    assert violations(path.relative_to(ROOT), path.read_text()) == set()


def test_every_module_of_the_reference_model_has_a_layer():
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES if MODEL in path.parts]
    layers = {layer_of(module) for module in modules if module != f"{MODEL}.__init__"}
    assert layers == set(range(len(LAYERS)))
    with pytest.raises(ValueError, match="in none of LAYERS"):
        layer_of(f"{MODEL}.somewhere")


def test_all_parts_were_read():
    areas = {path.relative_to(ROOT).parts[0] for path in SOURCES}
    assert areas == {"obrl", "adapters", "reference_model", "benchmarks", "tools"}


@pytest.mark.parametrize(
    ("path", "source", "wrong"),
    [
        ("obrl/loss.py", "import torch", "torch"),
        ("obrl/loss.py", "def f():\n    from obrl_torch import OBRLoss", "obrl_torch"),
        ("obrl/torch/__init__.py", "from obrl_jax import OBRLoss", "obrl_jax"),
        ("obrl/torch/lightning.py", "import jax", "jax"),
        ("obrl/monitor.py", "import lightning", "lightning"),
        ("obrl/mining/torch.py", "from obrl_torch import OBRLoss", "obrl_torch"),
        ("obrl/counts.py", "import scipy.sparse", "scipy"),
        ("adapters/obrl_torch/loss.py", "import obrl_jax", "obrl_jax"),
        ("adapters/obrl_torch/loss.py", "import tensorflow as tf", "tensorflow"),
        ("adapters/obrl_keras/loss.py", "from obrl_tensorflow import x", "obrl_tensorflow"),
        ("adapters/obrl_native/cpu.py", "import numpy", "numpy"),
        ("adapters/obrl_keras/layer.py", "from obrl_native import cpu", "obrl_native"),
        ("adapters/obrl_keras/monitor.py", "import lightning", "lightning"),
        ("reference_model/train.py", "import obrl_native", "obrl_native"),
        ("adapters/obrl_native/cpu.py", "import obrl_torch", "obrl_torch"),
        ("adapters/obrl_torch/loss.py", "from tests.support import x", "tests"),
        ("reference_model/train.py", "from obrl_torch import OBRLoss", "obrl_torch"),
        ("reference_model/train.py", "from obrl.loss import OBRLoss", "obrl.loss"),
        ("reference_model/train.py", "import benchmarks.labels", "benchmarks"),
        ("reference_model/settings/nets.py", "import torch", "torch"),
        ("reference_model/data/sets/lfwa.py", "def f():\n    from torch import nn", "torch"),
        ("reference_model/data/sets/lfwa.py", "from reference_model.nets import FaceNet", "reference_model.nets"),
        ("reference_model/cli.py", "from obrl.torch import OBRLoss", "obrl.torch"),
        ("reference_model/nets/heads.py", "from reference_model import stages", "reference_model.stages"),
        ("reference_model/stages/age.py", "from reference_model.engine import fitting", "reference_model.engine"),
        ("reference_model/engine/fitting.py", "from reference_model.stages import age", "reference_model.stages.age"),
        ("reference_model/engine/fitting.py", "from reference_model.cli import parse_command", "reference_model.cli"),
        ("reference_model/engine/results.py", "import reference_model.pipeline.plan", "reference_model.pipeline.plan"),
        ("reference_model/pipeline/plan.py", "import reference_model.train", "reference_model.train"),
        ("benchmarks/labels.py", "import tests", "tests"),
        ("benchmarks/labels.py", "from adapters.obrl_torch import x", "adapters"),
    ],
)
def test_the_check_sees_a_forbidden_import(path, source, wrong):
    assert wrong in violations(Path(path), source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("obrl/torch/__init__.py", "import torch\nfrom obrl_torch import OBRLoss"),
        ("obrl/torch/lightning.py", "import lightning\nfrom obrl_torch.lightning import OBRMonitor"),
        ("obrl/loss.py", "import math\nimport numpy as np\nfrom obrl import algebra\nfrom . import counts"),
        ("adapters/obrl_torch/loss.py", "import torch\nfrom obrl.algebra import x\nfrom obrl_torch.state import y"),
        ("adapters/obrl_torch/native.py", "from obrl_native import cpu"),
        ("adapters/obrl_jax/native.py", "from obrl_native import cpu\nfrom jaxlib.version import __version__"),
        ("adapters/obrl_native/cpu.py", "import ctypes\nfrom obrl import measures"),
        ("adapters/obrl_tensorflow/loss.py", "import obrl_keras"),
        ("reference_model/train.py", "import lightning\nfrom obrl import __version__\nfrom obrl.torch import OBRLoss"),
        ("reference_model/reports/plots.py", "from obrl import MEASURES"),
        ("reference_model/stages/age.py", "from reference_model.stages import figures\nimport torch"),
        ("reference_model/engine/fitting.py", "from reference_model.stages.registry import load_stage"),
        ("reference_model/pipeline/plan.py", "from reference_model.engine.sources import open_data"),
        ("reference_model/data/sets/lfwa.py", "from reference_model.config import ReadConfig\nimport h5py"),
        ("benchmarks/x.py", "from benchmarks.labels import y\nfrom obrl.torch import OBRLoss"),
    ],
)
def test_the_check_lets_through_what_is_allowed(path, source):
    assert violations(Path(path), source) == set()
