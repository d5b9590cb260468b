"""A report of the environment, for the report of a bug: `obrl env`.

Each framework is asked in a process of its own, since TensorFlow and torch disturb each other in one process, and since
an installation that is broken may abort the process that imports it.
"""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from obrl._version import __version__

FRAMEWORKS = {
    "torch": (("torch",), "obrl_torch"),
    "jax": (("jax",), "obrl_jax"),
    "tensorflow": (("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"), "obrl_tensorflow"),
    "keras": (("keras",), "obrl_keras"),
}
"""The distributions of each framework, one of which is installed, and the adapter that knows what it computes with."""

PACKAGES = (
    *("numpy", "triton", "lightning", "jaxlib", "flax", "optax", "pyarrow", "threadpoolctl", "scipy", "dask"),
    *("transformers", "accelerate"),
)
"""Packages of others whose version a bug may depend on, beside the frameworks."""

VARIABLES = (
    *("OBRL_CACHE", "XDG_CACHE_HOME", "CXX", "KERAS_BACKEND", "TRITON_INTERPRET", "CUDA_VISIBLE_DEVICES"),
    *("JAX_PLATFORMS", "JAX_ENABLE_X64", "XLA_FLAGS", "TF_XLA_FLAGS", "OMP_NUM_THREADS"),
)
"""Variables of the environment that change what obrl computes with."""

SECONDS = 300
"""How long a framework may take to answer."""

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONWARNINGS": "ignore"}
"""TensorFlow and JAX neither log what hides an error nor take the memory of a GPU that others use."""


def environment_report(*, quick: bool = False) -> str:
    """Describe this environment, in lines that can be pasted into the report of a bug.

    Versions, the C++ compiler, the cache of native code, and of each framework that is installed its GPUs and what
    `impl="auto"` and `impl="fused"` run there. A framework that is installed and cannot be imported is reported with
    its error. The home folder is written `~`, and a user's name `USER`.

    Args:
        quick: import no framework, which takes some seconds each; of frameworks their versions alone are reported.

    Returns:
        One fact a line; the lines of a section are indented.

    Example:
        >>> from obrl.environment import environment_report
        >>> environment_report(quick=True).partition(":")[0]
        'obrl'
    """
    installed = {name: _first_version(packages) for name, (packages, _) in FRAMEWORKS.items()}
    adapters = {name: adapter for name, (_, adapter) in FRAMEWORKS.items() if installed[name] and not quick}
    with ThreadPoolExecutor() as pool:
        answers = dict(zip(["native", *adapters], pool.map(_ask, ["obrl_native", *adapters.values()]), strict=True))
    lines = _section(None, {"obrl": __version__, **_system(), **_packages()})
    lines += _section("native code", answers["native"])
    for name, number in installed.items():
        lines += (
            _section(name, {"version": str(number), **answers.get(name, {})}) if number else [f"{name}: not installed"]
        )
    if variables := {name: os.environ[name] for name in VARIABLES if name in os.environ}:
        lines += _section("environment variables", variables)
    return without_user("\n".join(lines))


def without_user(text: str) -> str:
    """Paths of a text without the user: `~` for the home folder, and `USER` where a folder has the user's name.

    Example:
        >>> from pathlib import Path
        >>> from obrl.environment import without_user
        >>> without_user(f"cache: {Path.home() / 'obrl'}")
        'cache: ~/obrl'
    """
    try:
        homes, user = {str(Path.home()), os.path.realpath(Path.home())}, getpass.getuser()
    except (RuntimeError, KeyError, OSError):  # a process without a user, as in some containers
        return text
    for home in sorted(homes - {os.sep}, key=len, reverse=True):
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    return re.sub(rf"(?<=[/\\]){re.escape(user)}(?![\w.-])", "USER", text)


def _system() -> dict[str, str]:
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "processors": str(os.cpu_count()),
    }


def _packages() -> dict[str, str]:
    return {name: number for name in PACKAGES if (number := _first_version([name]))}


def _first_version(packages: list[str] | tuple[str, ...]) -> str | None:
    """The version of the first of these packages that is installed; no package is imported."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None


def _ask(adapter: str) -> dict[str, str]:
    """What an adapter says of its framework, from a process of its own; under "error" why it says nothing."""
    command = [sys.executable, "-m", f"{adapter}.environment"]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ, **_QUIET}
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {SECONDS} seconds"}
    if ended.returncode != 0:
        return {"error": f"cannot be used, exit status {ended.returncode}: {_last_error(ended.stderr)}"}
    for line in reversed(ended.stdout.splitlines()):  # a framework may print at its end too
        try:
            answer = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(answer, dict):
            return {str(name): str(fact) for name, fact in answer.items()}
    return {"error": "no answer, exit status 0"}


def _last_error(text: str) -> str:
    """The last error of a traceback with all lines of its message, or the last line of what is none."""
    lines = text.strip().splitlines() or ["no message"]
    starts = [k for k, line in enumerate(lines) if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)]
    return " ".join(lines[starts[-1] :]) if starts else lines[-1]


def _section(title: str | None, facts: dict[str, str]) -> list[str]:
    indent = "" if title is None else "  "
    lines = [f"{indent}{name}: {' '.join(fact.split())}" for name, fact in facts.items()]
    return lines if title is None else [f"{title}:", *lines]
