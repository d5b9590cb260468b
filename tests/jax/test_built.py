"""The library of the custom calls: built when it is asked for, and clean under the sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import test_sanitizers
from tests.project.helpers import ROOT


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_without_a_compiler_only_fused_is_missing(tmp_path: Path) -> None:
    """And the other implementations build nothing."""
    program = """
import jax
import jax.numpy as jnp
from obrl.jax import OBRLoss
x, y = jnp.zeros((4, 2)), jnp.array([[1, 0], [0, 1], [1, 0], [0, 1]])
for impl in ("auto", "plain", "fused"):
    criterion = OBRLoss(2, impl=impl)
    try:
        print(float(jax.jit(criterion)(x, y, criterion.init())[0]) > 0)
    except ImportError as error:
        print(error)
"""
    ended = run(program, CXX="no-such-compiler", OBRL_CACHE=str(tmp_path / "cache"))
    auto, plain, fused = ended.stdout.splitlines()
    assert (auto, plain) == ("True", "True")
    assert fused.startswith(
        "the native code of obrl needs a C++ compiler, and found none of: no-such-compiler; install"
    )
    program = program.replace(', "fused")', ")")
    assert run(program, OBRL_CACHE=str(tmp_path / "other")).stdout == "True\nTrue\n"
    assert not (tmp_path / "other").exists()


@pytest.mark.slow  # tests/native runs daily, under the sanitizers, what the handlers call
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    ended = test_sanitizers.run("tests.jax.sanitized", tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert all(line.startswith("compiling the native code") for line in ended.stderr.splitlines()), ended.stderr
    assert int(ended.stdout.split()[0]) > 200
