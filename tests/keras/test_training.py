"""Real training: fit with validation, mixed precision, saving, inference, and how the loss compares with NumPy's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import obrl
from obrl.keras import OBRLossLayer
from tests.keras.data import (
    BACKEND,
    EPOCHS,
    FEATURES,
    KERAS_OWN,
    SIZE,
    STEPS,
    data,
    endpoint_model,
    host,
    seen_by_the_oracle,
)
from tests.project.helpers import run_python
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS, NAMES


def fit(model: keras.Model, x: Any, y: Any, **arguments: Any) -> Any:
    return model.fit([x, y], batch_size=SIZE, epochs=EPOCHS, shuffle=False, verbose=0, **arguments).history


def assert_relation(layer: OBRLossLayer, expected: obrl.OnlineBatchRelation) -> None:
    assert_close("relation", host(layer.relation), expected.relation, band(SIZE, 1.0, "float32"))
    assert_close("weight", host(layer.relation_weight), expected.relation_weight, band(40, 20.0, "float32"))


@KERAS_OWN
@pytest.mark.parametrize("jit_compile", [False, *([] if BACKEND == "torch" else [True])])
def test_fit_with_validation(jit_compile: bool) -> None:
    x, y = data(SIZE * STEPS - 5)  # the last batch is smaller
    model, layer = endpoint_model(alpha=5.0)
    model.compile("adam", jit_compile=jit_compile)
    validation = data(2 * SIZE, seed=3)
    history = fit(model, x, y, validation_data=([*validation], None))
    assert_relation(layer, seen_by_the_oracle(y))
    assert history["loss"][-1] < history["loss"][0]
    before = host(layer.relation_weight)
    loss = model.evaluate([*validation], verbose=0)
    assert_exact("weight", host(layer.relation_weight), before)
    logits = host(model([*validation], training=False))
    numpy = obrl.OBRLoss(LABELS, alpha=5.0, relation=layer.to_numpy(), freeze=True)
    means = [numpy(logits[part], validation[1][part]) for part in (slice(0, SIZE), slice(SIZE, 2 * SIZE))]
    loss_of_batches = model.evaluate([*validation], batch_size=SIZE, verbose=0)
    assert_close("loss", np.array(loss_of_batches), np.mean(means), band(80, 10.0, "float32"))
    assert np.isfinite(loss)


def test_other_losses_and_metrics_beside_it() -> None:
    x, y = data(SIZE * STEPS)
    model, layer = endpoint_model()
    model.compile("adam", loss="mse", metrics=["mae"])
    history = model.fit([x, y], y, batch_size=SIZE, epochs=EPOCHS, shuffle=False, verbose=0).history
    assert set(history) == {"loss", "mae"}
    assert_relation(layer, seen_by_the_oracle(y))


@KERAS_OWN
def test_missing_and_soft_targets_in_training() -> None:
    """In the graph that a backend makes of a step, where it makes one, no value is read."""
    x, y = data(SIZE * STEPS)
    random = np.random.default_rng(0)
    y = np.where(random.random(y.shape) < 0.3, random.choice([0.5, np.nan], y.shape), y).astype(np.float32)
    y[:SIZE] = data(SIZE)[1]  # one batch misses nothing
    model, layer = endpoint_model()
    model.compile("sgd")
    history = fit(model, x, y)
    assert_relation(layer, seen_by_the_oracle(y))
    assert np.isfinite(history["loss"]).all()


def test_missing_targets_and_the_options_of_a_call() -> None:
    y = data(SIZE)[1]
    y[np.random.default_rng(0).random(y.shape) < 0.3] = np.nan
    logits = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    observed, weight = np.random.default_rng(2).random(y.shape) < 0.7, np.linspace(0, 2, SIZE, dtype=np.float32)
    pos_weight = np.arange(1.0, 6.0)
    layer = OBRLossLayer(LABELS, reduction="sum", pos_weight=pos_weight)
    numpy = obrl.OBRLoss(LABELS, reduction="sum", pos_weight=pos_weight)
    for training in (True, False):
        output = layer(logits, y, observed=observed, sample_weight=weight, training=training)
        assert_exact("logits", host(output), logits)
        expected = numpy(logits, y, observed=observed, sample_weight=weight, update=training)
        assert_close("loss", host(layer.losses[0]), expected, band(400, 100.0, "float32"))
    assert_close("weight", host(layer.relation_weight), numpy.relation_weight, band(4, 1.0, "float32"))
    assert len(layer.losses) == 1


@pytest.mark.parametrize("settings", [{"freeze": True}, {"trainable": False}])
def test_a_frozen_layer_stands_still(settings: dict[str, bool]) -> None:
    x, y = data(SIZE * STEPS)
    start = seen_by_the_oracle(data(SIZE, seed=9)[1], epochs=1)
    model, layer = endpoint_model(relation=start, **settings)
    before = host(layer.relation_sum)
    model.compile("adam")
    fit(model, x, y)
    assert_exact("relation_sum", host(layer.relation_sum), before)
    assert before.any()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model, layer = endpoint_model()
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = data(SIZE * STEPS)
    model.compile(keras.optimizers.Adam(0.01))
    history = fit(model, x, y)
    assert history["loss"][-1] < history["loss"][0]
    assert layer.relation_sum.dtype == "float32"
    assert_relation(layer, seen_by_the_oracle(y))


@KERAS_OWN
def test_a_saved_model_goes_on_where_it_was(tmp_path: Path) -> None:
    x, y = data(SIZE * STEPS)
    model, layer = endpoint_model(decay=0.9, label_names=NAMES, pos_weight=np.arange(1.0, LABELS + 1))
    model.compile("sgd")
    fit(model, x, y)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    loaded = again.get_layer("obrl")
    assert isinstance(loaded, OBRLossLayer)
    for name in ("relation_sum", "relation_weight"):
        assert_exact(name, host(getattr(loaded, name)), host(getattr(layer, name)))
    assert repr(loaded) == repr(layer)
    assert loaded.label_names == tuple(NAMES)
    assert loaded.pos_weight == layer.pos_weight == (1.0, 2.0, 3.0, 4.0, 5.0)
    fit(model, x, y)
    fit(again, x, y)
    assert_exact("relation_sum", host(loaded.relation_sum), host(layer.relation_sum))
    model.save_weights(tmp_path / "model.weights.h5")
    other, other_layer = endpoint_model(decay=0.9)
    other.load_weights(tmp_path / "model.weights.h5")
    assert_exact("relation_sum", host(other_layer.relation_sum), host(layer.relation_sum))


@KERAS_OWN
def test_inference_needs_no_targets() -> None:
    x, y = data(SIZE)
    model, layer = endpoint_model()
    model.compile("sgd")
    fit(model, x, y)
    logits = layer.input[0] if isinstance(layer.input, list) else layer.input
    inference = keras.Model(model.inputs[0], logits)
    assert_close("logits", inference.predict(x, verbose=0), model.predict([x, y], verbose=0), band(8, 10.0, "float32"))
    before = host(layer.relation_sum)
    tensor = ops.convert_to_tensor(x[:, :LABELS])
    assert layer(tensor) is tensor
    assert layer.losses == []
    with pytest.raises(ValueError, match="targets must be given in training"):
        layer(tensor, training=True)
    assert_exact("relation_sum", host(layer.relation_sum), before)


class Subclassed(keras.Model):
    """A model that calls the layer itself."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(LABELS)
        self.endpoint = OBRLossLayer(LABELS)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        x, y = inputs
        return self.endpoint(self.dense(x), y, training=training)


def test_a_subclassed_model() -> None:
    x, y = data(SIZE * STEPS)
    model = Subclassed()
    model.compile("sgd")
    fit(model, x, y, validation_data=([*data(SIZE, seed=4)], None))
    assert_relation(model.endpoint, seen_by_the_oracle(y))


def test_files_go_both_ways(tmp_path: Path) -> None:
    y = data(SIZE)[1]
    layer, numpy = OBRLossLayer(LABELS, label_names=NAMES), obrl.OBRLoss(LABELS)
    logits = np.zeros_like(y)
    layer(logits, y, training=True)
    layer.save_relation(tmp_path / "relation.npz")
    numpy.load_relation(tmp_path / "relation.npz")
    assert numpy.label_names == tuple(NAMES)
    numpy(logits, y)
    numpy.save_relation(tmp_path / "relation.npz")
    fresh = OBRLossLayer(LABELS)
    fresh.load_relation(tmp_path / "relation.npz")
    layer(logits, y, training=True)
    assert_close("sum", host(fresh.relation_sum), host(layer.relation_sum), band(4, 2.0, "float32"))
    assert fresh.pairs() == fresh.to_numpy().pairs()
    assert fresh.pairs()[0].names == ("hat", "cap")
    with pytest.raises(ValueError, match="decay"):
        OBRLossLayer(LABELS, decay=0.5).load_relation(tmp_path / "relation.npz")
    fresh.reset()
    assert not host(fresh.relation_weight).any()


def test_what_people_see() -> None:
    assert OBRLossLayer.__module__ == "obrl.keras"
    assert repr(OBRLossLayer(LABELS, decay=0.995, validate=False)) == (
        "OBRLossLayer(5, decay=0.995, validate=False, "
        "together: relation >= 0.8 (phi >= 0.6), apart: relation <= 0.2 (phi <= -0.6))"
    )
    serialized = keras.saving.serialize_keras_object(OBRLossLayer(LABELS, alpha=2.0))
    assert serialized["registered_name"] == "obrl>OBRLossLayer"
    assert keras.saving.deserialize_keras_object(serialized).settings.alpha == 2.0
    model, _ = endpoint_model()
    assert model.output_shape == (None, LABELS)
    assert model.count_params() == FEATURES * LABELS + LABELS + 2 * LABELS**2
    assert len(model.trainable_weights) == 2


def test_no_other_framework_is_imported() -> None:
    """In a fresh process. Keras itself imports JAX where it is installed."""
    program = f"""
import sys
import numpy as np
from obrl.keras import OBRLossLayer
layer = OBRLossLayer(3)
layer(np.zeros((4, 3), "float32"), np.ones((4, 3), "float32"), training=True)
print(layer, layer.pairs())
assert not {{"tensorflow", "torch"}} - {{{BACKEND!r}}} & set(sys.modules)
"""
    run_python(program)
