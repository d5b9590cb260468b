"""The custom calls of XLA by themselves: their results and their errors."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from obrl_jax import native
from tests.jax.calls import BAD, GOOD, call
from tests.support.tolerances import assert_exact


@pytest.mark.parametrize("name", GOOD)
def test_arguments_that_fit(name: str) -> None:
    for result, (shape, dtype) in zip(call(name, {}), GOOD[name][1], strict=True):
        assert (result.shape, result.dtype) == (shape, dtype)


@pytest.mark.parametrize(("name", "change", "expected"), BAD, ids=lambda part: str(part).replace(" ", "-"))
def test_arguments_that_do_not_fit(name: str, change: dict[str, Any], expected: str) -> None:
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"obrl: {expected}"):
        call(name, change)


def test_accumulators_that_are_not_donated_are_copied() -> None:
    moved, weight, _ = call("move", {})  # labels that are all 1 leave every pair undefined, so that nothing moves
    assert_exact("relation_sum", moved, jnp.ones((3, 3)))
    assert_exact("relation_weight", weight, jnp.ones((3, 3)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
@pytest.mark.parametrize("masked", [False, True])
def test_counts_are_exact(masked: bool, dtype: str) -> None:
    random = np.random.default_rng(0)
    targets, mask = random.random((130, 70)) < 0.4, random.random((130, 70)) < 0.8
    observed = mask if masked else np.ones_like(mask)
    y, o = (targets & observed).astype(int), observed.astype(int)
    counts = native.count_pairs(jnp.asarray(targets.astype(dtype)), jnp.asarray(mask) if masked else None)
    assert_exact("counts", counts, np.stack([o.T @ o, y.T @ y, y.T @ o]))


def test_it_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many threads begin at once."""
    registrations, ready = [], threading.Barrier(4)

    @cache
    def register() -> None:
        time.sleep(0.01)
        registrations.append(None)

    def prepare(_: int) -> None:
        ready.wait()
        native.prepare()

    monkeypatch.setattr(native, "_register", register)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(prepare, range(4)))
    assert len(registrations) == 1


def test_each_version_of_jax_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = native.recipe()
    monkeypatch.setattr(native, "jaxlib_version", "0.0.1")
    assert native.recipe() != before
