"""A function in place of Eq. 4 and `ignore_index` in the layer: training, saving, and what is refused."""

from __future__ import annotations

import warnings
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from obrl.keras import OBRLossLayer
from obrl_keras.namespace import KERAS
from tests.keras.data import BACKEND, FEATURES, KERAS_OWN, SIZE, data, endpoint_model, host
from tests.support.other_losses import functions
from tests.support.tolerances import assert_close, assert_exact, band
from tests.tensorflow.data import LABELS


@keras.saving.register_keras_serializable(package="tests")
def focal(x: Any, y: Any) -> Any:
    """A function that Keras finds again."""
    return functions(KERAS, ops.log)["focal"](x, y)


@keras.saving.register_keras_serializable(package="tests")
class Weighted:
    """A function with a setting."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Any, y: Any) -> Any:
        return self.factor * focal(x, y)

    def get_config(self) -> dict[str, float]:
        return {"factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, float]) -> Any:
        return cls(**config)


def unregistered(x: Any, y: Any) -> Any:
    return focal(x, y)


@KERAS_OWN
@pytest.mark.parametrize("jit_compile", [False, *([] if BACKEND == "torch" else [True])])
def test_fit_save_and_load(jit_compile: bool, tmp_path: Path) -> None:
    x, y = data(3 * SIZE - 5)
    model, layer = endpoint_model(cross_entropy=focal, alpha=5.0)
    model.compile("adam", jit_compile=jit_compile)
    losses = model.fit([x, y], batch_size=SIZE, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    copy = loaded.get_layer("obrl")
    assert copy.cross_entropy is focal
    assert_exact("the relation", host(copy.relation_sum), host(layer.relation_sum))
    expected, loss = (m.evaluate([x, y], batch_size=SIZE, verbose=0) for m in (model, loaded))
    assert_close("L", np.array(loss), np.array(expected), band(SIZE, 9.0, "float32"))
    assert "cross_entropy=focal" in repr(copy)


def test_a_configuration_names_the_function() -> None:
    for function in (focal, Weighted(2.0)):
        config = OBRLossLayer(LABELS, cross_entropy=function, ignore_index=-1).get_config()
        copy = OBRLossLayer.from_config(config)
        assert copy.ignore_index == -1
        assert type(copy.cross_entropy) is type(function)
    assert copy.cross_entropy.factor == 2.0
    assert OBRLossLayer(LABELS).get_config()["cross_entropy"] == "bce"
    message = "cross_entropy must be registered .* got unregistered .*register_keras_serializable"
    with pytest.raises(ValueError, match=message):
        OBRLossLayer(LABELS, cross_entropy=unregistered).get_config()
    with pytest.raises(ValueError, match="got <lambda> that is not"):
        OBRLossLayer(LABELS, cross_entropy=lambda x, y: x).get_config()


def method(self: Any, x: Any, y: Any) -> Any:
    return focal(x, y)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (unregistered, "got unregistered that is not: decorate it"),
        (partial(focal), "got partial that is not: write a function that calls it"),
        (MethodType(method, 1), "got method that is not: write a function that calls it"),
        (keras.losses.binary_crossentropy, "got binary_crossentropy that is not: write a function that calls it"),
        (lambda x, y: focal(x, y), "got <lambda> that is not: write a function that calls it"),
    ],
)
def test_what_cannot_be_saved_is_said_before_the_training(function: Any, words: str) -> None:
    with pytest.warns(UserWarning, match=f"only its weights can be saved: {words}") as caught:
        layer = OBRLossLayer(LABELS, cross_entropy=function)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match=words):
        layer.get_config()


def test_what_can_be_saved_is_told_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in ("bce", focal, Weighted(2.0)):
            assert OBRLossLayer(LABELS, cross_entropy=function).cross_entropy is function


@KERAS_OWN
def test_a_function_that_is_not_registered_trains() -> None:
    model, _ = endpoint_model(cross_entropy=unregistered)
    model.compile("adam")
    assert np.isfinite(model.fit([*data(SIZE)], verbose=0).history["loss"][0])


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x, y: 1.0, TypeError, "cross_entropy must return the loss of each label, .* got float"),
        (lambda x, y: None, TypeError, "got NoneType: it ends without `return`"),
        (lambda x, y: ops.cast(x, "float16"), TypeError, "float32, got float16"),
        (lambda x, y: ops.sum(x, axis=1), ValueError, r"losses of shape .* got \(9,\)"),
    ],
)
def test_what_a_function_must_return(function: Any, error: type[Exception], message: str) -> None:
    layer = OBRLossLayer(LABELS, cross_entropy=function)
    _, y = data(9)
    with pytest.raises(error, match=message):
        layer(np.zeros_like(y), y, training=True)
    assert not host(layer.relation_weight).any()


@KERAS_OWN
def test_ignored_targets_in_training() -> None:
    """A model with integer targets: the relation is that of the observed ones. Floats are refused while it is built."""
    x, y = data(SIZE)
    marked = np.where(np.arange(y.size).reshape(y.shape) % 5 == 2, -1, y).astype(np.int32)
    features, targets = keras.Input((FEATURES,)), keras.Input((LABELS,), dtype="int32")
    layer = OBRLossLayer(LABELS, ignore_index=-1)
    model = keras.Model([features, targets], layer(keras.layers.Dense(LABELS)(features), targets))
    model.compile("adam")
    model.fit([x, marked], batch_size=SIZE, verbose=0)
    expected = OBRLossLayer(LABELS)
    expected(np.zeros_like(y), y, observed=marked != -1, training=True)
    allowed = band(SIZE, 1.0, "float32")
    assert_close("the relation", host(layer.relation_sum), host(expected.relation_sum), allowed)
    with pytest.raises(TypeError, match="targets must be integers"):
        OBRLossLayer(LABELS, ignore_index=-1)(keras.layers.Dense(LABELS)(features), keras.Input((LABELS,)))


@pytest.mark.skipif(BACKEND == "jax", reason="a program of JAX that Keras compiles reads no values")
def test_training_refuses_a_minus_one_that_means_absent() -> None:
    """In `fit`, before the relation moves."""
    x, y = data(64)
    features, targets = keras.Input((FEATURES,)), keras.Input((LABELS,), dtype="int32")
    layer = OBRLossLayer(LABELS, ignore_index=-1)
    model = keras.Model([features, targets], layer(keras.layers.Dense(LABELS)(features), targets))
    model.compile("adam")
    with pytest.raises(Exception, match=r"If -1 means absent, as in CelebA"):
        model.fit([x, np.where(y == 1, 1, -1).astype(np.int32)], batch_size=64, verbose=0)
    assert not host(layer.relation_weight).any()


def test_a_monitor_sees_no_batch_that_is_refused() -> None:
    _, y = data(9)
    for settings, targets in (({"cross_entropy": lambda x, t: ops.sum(x)}, y), ({}, y - 1)):
        layer, seen = OBRLossLayer(LABELS, **settings), []
        layer._see = lambda *batch, seen=seen: seen.append(batch)
        with pytest.raises(ValueError):
            layer(np.zeros_like(y), targets, training=True)
        assert seen == []
        assert not host(layer.relation_weight).any()
