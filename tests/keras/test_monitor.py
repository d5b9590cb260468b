"""The monitor of Keras: what it logs, and that training gives the same numbers with and without it."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import obrl
from obrl.history import History
from obrl.keras import OBRLossLayer, OBRMonitor
from obrl.monitor import Measurement, Monitor
from obrl.pictures import Pixels
from tests.keras.data import BACKEND, FEATURES, KERAS_OWN, SIZE, data, endpoint_model, host
from tests.tensorflow.data import LABELS

STEPS = 6
X, Y = data(SIZE * STEPS)
FIELDS = ("pairs_together", "pairs_apart", "share_of_loss", "share_of_gradient")


class Memory:
    """A sink that holds what it gets."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], Measurement] = {}

    def write(self, step: int, name: str, measurement: Measurement, picture: Pixels) -> None:
        assert picture.dtype == np.uint8
        assert (step, name) not in self.rows
        self.rows[step, name] = measurement

    def close(self) -> None:
        """Nothing to close."""


def model_with_dropout(**settings: Any) -> tuple[keras.Model, OBRLossLayer]:
    keras.utils.set_random_seed(0)
    features, targets = keras.Input((FEATURES,)), keras.Input((LABELS,))
    hidden = keras.layers.Dropout(0.2)(keras.layers.BatchNormalization()(keras.layers.Dense(LABELS)(features)))
    layer = OBRLossLayer(LABELS, name="obrl", alpha=2.0, **settings)
    return keras.Model([features, targets], layer(hidden, targets)), layer


def fit(model: keras.Model, *callbacks: Any, compiled: dict[str, Any] | None = None, **arguments: Any) -> Any:
    if compiled is not None or not model.compiled:
        options = compiled or {}
        model.compile(options.pop("optimizer", "adam"), **options)
    keras.utils.set_random_seed(1)  # PyTorch's dropout draws from the one generator of the process
    settings = {"batch_size": SIZE, "epochs": 2, "shuffle": False, "verbose": 0, "callbacks": list(callbacks)}
    return model.fit([X, Y], **settings | arguments)


def weights(model: keras.Model) -> list[NDArray[Any]]:
    return [host(variable) for variable in (*model.weights, *model.optimizer.variables)]


def accumulating(batches: int) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(gradient_accumulation_steps=batches)


WAYS: dict[str, Any] = {
    "plain": lambda: {},
    "eager": lambda: {"run_eagerly": True},
    "accumulated": lambda: {"optimizer": accumulating(3)},
}


@KERAS_OWN
@pytest.mark.parametrize("way", WAYS)
def test_it_logs_and_changes_no_number_of_the_training(way: str) -> None:
    (plain, _), (watched, _) = model_with_dropout(), model_with_dropout()
    validation = {"validation_data": ([X[:SIZE], Y[:SIZE]], None)}
    fit(plain, compiled=WAYS[way](), **validation)
    memory = Memory()
    monitor = OBRMonitor(memory, every=2, batch=([X[:8], Y[:8]],))
    fit(watched, monitor, compiled=WAYS[way](), **validation)
    for first, second in zip(weights(plain), weights(watched), strict=True):
        np.testing.assert_array_equal(first, second)
    last = 2 * STEPS // (3 if way == "accumulated" else 1)
    assert list(memory.rows) == [(step, "obrl") for step in range(2, last + 1, 2)]
    assert all(0 < row.share_of_loss < 1 and 0 < row.share_of_gradient < 1 for row in memory.rows.values())
    assert all(row.pairs_together for row in memory.rows.values())


@KERAS_OWN
def test_accumulated_steps_that_end_within_an_epoch_are_numbered_as_the_optimizer_counts() -> None:
    model, _ = model_with_dropout()
    memory, counted = Memory(), []
    fit(model, OBRMonitor(memory, every=1), epochs=3, compiled={"optimizer": accumulating(4)})  # 18 batches of 6
    counted.append(int(host(model.optimizer.iterations)))
    fit(model, OBRMonitor(memory, every=1), epochs=1)  # goes on within a step
    counted.append(int(host(model.optimizer.iterations)))
    assert counted == [4, 6]
    assert list(memory.rows) == [(step, "obrl") for step in range(1, 7)]


@KERAS_OWN
def test_nothing_is_copied_on_other_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = model_with_dropout()
    copies: list[int] = []
    original = OBRLossLayer._host_state
    monkeypatch.setattr(OBRLossLayer, "_host_state", lambda self: copies.append(1) or original(self))
    fit(model, OBRMonitor(memory := Memory(), every=5))
    assert len(memory.rows) == len(copies) == 2


@KERAS_OWN
def test_the_shares_are_those_of_the_batch() -> None:
    model, layer = endpoint_model(alpha=2.0, pos_weight=[1.0, 2.0, *[1.0] * (LABELS - 2)])
    memory = Memory()
    fit(model, OBRMonitor(memory, every=2 * STEPS, batch=([X[:8], Y[:8]],)))
    numpy = obrl.OBRLoss(LABELS, alpha=2.0, relation=layer.to_numpy(), freeze=True, pos_weight=layer.pos_weight)
    terms = numpy.terms(host(model([X[:8], Y[:8]], training=False)), Y[:8])
    (row,) = memory.rows.values()
    assert row.share_of_loss == pytest.approx(2 * terms.relation_loss / terms.total)
    assert (row.pairs_together, row.pairs_apart) == tuple(
        sum(pair.sign == sign for pair in layer.pairs()) for sign in (1, -1)
    )


@KERAS_OWN
def test_without_a_batch_and_without_an_active_pair() -> None:
    model, _ = model_with_dropout()
    memory = Memory()
    fit(model, OBRMonitor(memory, every=5))
    assert all(np.isnan(row[2:]).all() for row in memory.rows.values())
    with pytest.warns(UserWarning, match="range of"):
        model, _ = model_with_dropout(positive_threshold=2.0, negative_threshold=-1.0)
    fit(model, OBRMonitor(memory := Memory(), every=5, batch=([X, Y],)))
    assert set(memory.rows.values()) == {(0, 0, 0.0, 0.0)}


@KERAS_OWN
def test_a_training_in_half_precision_is_watched() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, _ = model_with_dropout()
    finally:
        keras.config.set_dtype_policy("float32")
    fit(model, OBRMonitor(memory := Memory(), every=4, batch=([X[:8], Y[:8]],)))
    assert list(memory.rows) == [(4, "obrl"), (8, "obrl"), (12, "obrl")]
    assert all(0 < row.share_of_gradient < 1 for row in memory.rows.values())


@KERAS_OWN
def test_a_training_that_goes_on_from_a_saved_model(tmp_path: Path) -> None:
    model, _ = model_with_dropout()
    sinks = [tmp_path / "relation.csv", tmp_path / "events"]
    options = {"every": 4, "history": tmp_path / "history.npz"}
    fit(model, OBRMonitor(sinks, **options))
    model.save(tmp_path / "model.keras")
    fit(model, OBRMonitor(sinks, **options), epochs=1)  # is lost
    model = keras.saving.load_model(tmp_path / "model.keras")
    fit(model, OBRMonitor(sinks, **options), epochs=3, initial_epoch=2)
    with (tmp_path / "relation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8", "12", "16"]
    assert all(row["criterion"] == "obrl" and int(row["pairs_together"]) for row in rows)
    assert History.load(tmp_path / "history.npz").steps.tolist() == [4, 8, 12, 16]
    assert len(list((tmp_path / "events").glob("events.out.tfevents.*"))) == 3


@KERAS_OWN
@pytest.mark.skipif(BACKEND != "tensorflow", reason="obrl.tensorflow learns with Keras's TensorFlow backend alone")
def test_a_loss_of_tensorflow_is_watched() -> None:
    from obrl.tensorflow import OBRLoss, OBRLossCallback

    trained = []
    for callbacks in ([], [OBRMonitor(memory := Memory(), every=3, batch=(X[:8], Y[:8]))]):
        keras.utils.set_random_seed(0)
        criterion = OBRLoss(LABELS, name="joint")
        model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(LABELS)])
        model.compile("adam", loss=criterion)
        model.fit(X, Y, batch_size=SIZE, shuffle=False, verbose=0, callbacks=[*callbacks, OBRLossCallback()])
        trained.append([*weights(model), host(criterion.relation_sum)])
    for first, second in zip(*trained, strict=True):
        np.testing.assert_array_equal(first, second)
    assert list(memory.rows) == [(3, "joint"), (6, "joint")]
    assert all(0 < row.share_of_loss < 1 for row in memory.rows.values())


@KERAS_OWN
def test_several_layers_have_names_of_their_own(tmp_path: Path) -> None:
    features, targets = keras.Input((FEATURES,)), keras.Input((LABELS,))
    logits = keras.layers.Dense(LABELS)(features)
    ends = [OBRLossLayer(LABELS, name=name)(logits, targets) for name in ("face", "hair")]
    files = {"history": tmp_path / "h.npz", "report": tmp_path / "r.html"}
    fit(keras.Model([features, targets], ends), OBRMonitor(memory := Memory(), every=12, **files))
    assert list(memory.rows) == [(12, "face"), (12, "hair")]
    assert {path.name for path in tmp_path.iterdir()} == {"h.npz", "h.hair.npz", "r.html", "r.hair.html"}


@KERAS_OWN
def test_a_training_that_the_files_do_not_fit_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "history.npz"
    with Monitor([], every=1, history=file) as monitor:
        monitor.log(1, obrl.OBRLoss(LABELS + 1))
    content = file.read_bytes()
    model, _ = model_with_dropout()
    with pytest.raises(ValueError, match=f"history.npz does not fit 'obrl': .* {LABELS + 1} labels, got {LABELS}"):
        fit(model, OBRMonitor([], every=4, history=file))
    assert file.read_bytes() == content
    monkeypatch.setattr("obrl.report.checks.MOST_LABELS", LABELS - 1)
    with pytest.raises(ValueError, match=f"at most {LABELS - 1} labels.* got {LABELS}"):
        fit(model, OBRMonitor([], report=tmp_path / "report.html"))
    assert int(host(model.optimizer.iterations)) == 0


def test_errors_come_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="batch must be a tuple as"):
        OBRMonitor(tmp_path, batch=[X, Y])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sinks must be paths"):
        OBRMonitor(3)
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(LABELS)])
    model.compile("adam", loss="mse")
    with pytest.raises(ValueError, match="must have an OBRLossLayer"):
        model.fit(X, Y, callbacks=[OBRMonitor(tmp_path)], verbose=0)
    assert list(tmp_path.iterdir()) == []
