"""The monitor in a loop of JAX: it takes the state, and changes nothing of the program."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import obrl
from obrl.history import History
from obrl.jax import OBRLoss
from obrl.monitor import Measurement, Monitor
from tests.jax.data import LABELS, labels
from tests.support.tolerances import assert_exact

STEPS, SIZE, FEATURES = 12, 32, 8


def train(criterion: OBRLoss, monitor: Monitor | None, dtype: Any = jnp.float32) -> tuple[Any, Any, list[Measurement]]:
    """Train a linear model in a jitted step that also gives its logits; returns weights, state and measurements."""

    @jax.jit
    def step(weights: Any, state: Any, x: Any, y: Any) -> Any:
        def loss(weights: Any) -> Any:
            logits = (x @ weights).astype(dtype)
            value, after = criterion(logits, y, state)
            return value, (after, logits)

        (_, (state, logits)), gradient = jax.value_and_grad(loss, has_aux=True)(weights)
        return weights - 0.05 * gradient, state, logits

    random = np.random.default_rng(0)
    mixing = random.standard_normal((LABELS, FEATURES))
    weights, state, measured = jnp.zeros((FEATURES, LABELS)), criterion.init(), []
    for number in range(1, STEPS + 1):
        y = jnp.asarray(labels(random, SIZE))
        x = jnp.asarray(y @ mixing, jnp.float32)
        weights, state, logits = step(weights, state, x, y)
        if monitor is not None:
            measured.append(monitor.log(number, criterion, state, logits=logits, targets=y))
    return weights, state, [row for row in measured if row is not None]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_it_logs_and_changes_no_number_of_the_training(dtype: Any, tmp_path: Path) -> None:
    criterion = OBRLoss(LABELS, alpha=5.0)
    plain, before, _ = train(criterion, None, dtype)
    with Monitor(tmp_path / "relation.csv", every=4, history=tmp_path / "history.npz") as monitor:
        watched, state, rows = train(criterion, monitor, dtype)
    assert_exact("weights", plain, watched)
    assert_exact("state", before.relation_sum, state.relation_sum)
    signs = [pair.sign for pair in criterion.pairs(state)]
    assert rows[-1][:2] == (signs.count(1), signs.count(-1))
    assert all(0 < row.share_of_loss < 1 and 0 < row.share_of_gradient < 1 for row in rows)
    assert [line.split(",")[0] for line in (tmp_path / "relation.csv").read_text().split()] == ["step", "4", "8", "12"]
    assert History.load(tmp_path / "history.npz").steps.tolist() == [4, 8, 12]


def test_the_shares_are_those_of_numpy() -> None:
    criterion = OBRLoss(LABELS, alpha=5.0, pos_weight=[2.0] * LABELS)
    targets = labels(np.random.default_rng(1), SIZE)
    logits = np.random.default_rng(2).standard_normal((SIZE, LABELS))
    _, state = criterion(jnp.asarray(logits), jnp.asarray(targets), criterion.init())
    monitor = Monitor([], every=1)
    measured = monitor.log(1, criterion, state, logits=jnp.asarray(logits), targets=jnp.asarray(targets))
    numpy = obrl.OBRLoss(LABELS, alpha=5.0, pos_weight=[2.0] * LABELS, relation=criterion.to_numpy(state), freeze=True)
    terms = numpy.terms(np.asarray(jnp.asarray(logits)), targets)
    assert measured is not None
    assert measured.share_of_loss == pytest.approx(5 * terms.relation_loss / terms.total)
