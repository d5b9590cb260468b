"""Real training with Keras on TensorFlow: fit with validation, mixed precision, saving and export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import obrl
from obrl.tensorflow import OBRLoss, OBRLossCallback
from tests.keras.data import EPOCHS, FEATURES, SIZE, STEPS, data, seen_by_the_oracle
from tests.project.helpers import run_python
from tests.support.tolerances import assert_close, band
from tests.tensorflow.data import LABELS


def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.layers.Input((FEATURES,)), keras.layers.Dense(LABELS, dtype="float32")])


def compiled(optimizer: Any = "adam", network: Any = None, **settings: Any) -> tuple[OBRLoss, keras.Model]:
    """A criterion, and a model that trains with it."""
    criterion, network = OBRLoss(LABELS, **settings), network or model()
    network.compile(optimizer, loss=criterion)
    return criterion, network


def fit(network: keras.Model, x: Any, y: Any, **arguments: Any) -> list[float]:
    """The loss of each epoch."""
    options: dict[str, Any] = {"batch_size": SIZE, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    return network.fit(x, y, **options | arguments).history["loss"]


def assert_weight(criterion: OBRLoss, targets: Any) -> None:
    expected = seen_by_the_oracle(targets).relation_weight
    assert_close("weight", criterion.relation_weight.numpy(), expected, band(40, 20.0, "float32"))


@pytest.mark.parametrize(("impl", "jit_compile"), [("auto", False), ("auto", True), ("fused", False)])
def test_fit_with_validation(impl: str, jit_compile: bool) -> None:
    x, y = data(SIZE * STEPS - 5)  # the last batch is smaller
    validation = data(2 * SIZE, seed=3)
    criterion, network = OBRLoss(LABELS, alpha=5.0, impl=impl), model()
    network.compile("adam", loss=criterion, jit_compile=jit_compile)
    losses = fit(network, x, y, validation_data=validation, callbacks=[OBRLossCallback()])
    expected = seen_by_the_oracle(y).relation
    assert_close("relation", criterion.relation.numpy(), expected, band(SIZE, 1.0, "float32"))
    assert_weight(criterion, y)
    assert losses[-1] < losses[0]
    before = criterion.relation_weight.numpy()
    network.evaluate(*validation, callbacks=[OBRLossCallback(criterion)], verbose=0)
    assert (criterion.relation_weight.numpy() == before).all()


def test_the_callback_leaves_a_pause_alone() -> None:
    x, y = data(SIZE * STEPS)
    criterion, network = compiled()
    criterion.pause()
    network.fit(x, y, validation_data=(x, y), callbacks=[OBRLossCallback()], verbose=0)
    assert not criterion.relation_weight.numpy().any()
    criterion.pause(False)
    network.fit(x, y, verbose=0)
    assert criterion.relation_weight.numpy().any()


def test_without_the_callback_validation_is_learnt_too() -> None:
    """What the callback is for, and that the test above can fail."""
    x, y = data(SIZE * STEPS)
    criterion, network = compiled()
    fit(network, x, y, validation_data=data(2 * SIZE, seed=3))
    assert criterion.relation_weight.numpy().max() > seen_by_the_oracle(y).relation_weight.max() + 1


def test_an_evaluation_before_training_does_not_spoil_the_callback() -> None:
    x, y = data(SIZE * STEPS)
    criterion, network = compiled()
    network.evaluate(*data(2 * SIZE, seed=3), batch_size=SIZE, verbose=0)  # its graph is traced with updates
    criterion.reset()
    fit(network, x, y, validation_data=data(2 * SIZE, seed=3), callbacks=[OBRLossCallback()])
    assert_weight(criterion, y)


def test_training_goes_on_after_a_validation_that_fails() -> None:
    x, y = data(SIZE * STEPS)
    criterion, network = compiled()
    callback = OBRLossCallback(criterion)
    with pytest.raises(ValueError):
        network.fit(x, y, validation_data=(x, y[:, :3]), callbacks=[callback], verbose=0)
    criterion.reset()
    fit(network, x, y, callbacks=[callback])
    assert_weight(criterion, y)


def test_the_callback_says_that_there_is_nothing_to_hold() -> None:
    network = model()
    network.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="compiled with a loss of obrl"):
        network.fit(*data(SIZE), callbacks=[OBRLossCallback()], verbose=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Input((FEATURES,)), keras.layers.Dense(LABELS, dtype=policy)])
    x, y = data(SIZE * STEPS)
    criterion, _ = compiled(keras.optimizers.Adam(0.01), network)
    losses = fit(network, x, y)
    assert network(x[:2]).dtype == keras.mixed_precision.DTypePolicy(policy).compute_dtype
    assert losses[-1] < losses[0]
    assert_weight(criterion, y)


def test_sample_weights_of_fit() -> None:
    x, y = data(SIZE)
    weight = np.linspace(0, 2, SIZE, dtype=np.float32)
    _, network = compiled("sgd")
    expected = obrl.OBRLoss(LABELS)(network(x).numpy(), y, sample_weight=weight)
    (loss,) = fit(network, x, y, sample_weight=weight, epochs=1)
    assert_close("loss", np.array(loss), expected, band(80, 10.0, "float32"))


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
def test_a_saved_model_holds_the_settings_and_an_exported_one_nothing(tmp_path: Path) -> None:
    x, y = data(SIZE)
    _, network = compiled(decay=0.9)
    network.fit(x, y, verbose=0)
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.settings.decay == 0.9
    network.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    assert_close("logits", served.serve(x).numpy(), network(x).numpy(), band(8, 10.0, "float32"))
    variables = tf.train.list_variables(str(tmp_path / "exported" / "variables" / "variables"))
    assert [FEATURES, LABELS] in [shape for _, shape in variables]
    assert [LABELS, LABELS] not in [shape for _, shape in variables]
    graph = (tmp_path / "exported" / "saved_model.pb").read_bytes()
    assert b"relation" not in graph


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_other_backends_of_keras(backend: str) -> None:
    """In a process of its own, since Keras chooses its backend once."""
    program = f"""
import os
os.environ["KERAS_BACKEND"] = {backend!r}
import keras, numpy as np, pytest
import obrl
from obrl.tensorflow import OBRLoss, RelationLoss
for kind in (OBRLoss, RelationLoss):
    with pytest.raises(RuntimeError, match="{backend}.*obrl.keras.OBRLossLayer"):
        kind(3)
random = np.random.default_rng(0)
y = random.integers(0, 2, (16, 3)).astype("float32")
y[:, 1] = y[:, 0]
x = random.standard_normal((16, 4)).astype("float32")
start = obrl.OnlineBatchRelation(3).update(y)
with pytest.raises(ValueError, match="runs in TensorFlow, got the {backend}"):
    OBRLoss(3, relation=start, freeze=True, impl="fused")
for kind in ("OBRLoss", "RelationLoss"):
    criterion = globals()[kind](3, relation=start, freeze=True)
    network = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3)])
    logits = keras.ops.convert_to_numpy(network(x))
    numpy = getattr(obrl, kind)(3, relation=start, freeze=True)
    direct = criterion(y, logits)
    assert abs(float(direct) - numpy(logits, y)) < 1e-5
    network.compile("sgd", loss=criterion)
    history = network.fit(x, y, batch_size=16, epochs=3, validation_data=(x, y), verbose=0).history["loss"]
    assert abs(history[0] - numpy(logits, y)) < 1e-5, (history, numpy(logits, y))
    assert history[-1] < history[0]
    assert np.allclose(criterion.to_numpy().relation, start.relation, rtol=0, atol=1e-6, equal_nan=True)
print("done")
"""
    assert run_python(program).strip().endswith("done")
