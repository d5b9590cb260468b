"""A measure that the native code does not list is an error of every operation, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from obrl.measures import MEASURES
from obrl.online import RelationState
from obrl.settings import Settings
from obrl_native import cpu
from obrl_tensorflow import native

SETTINGS = Settings(measure="cosine", decay=0.125)
"""Settings of no other test, since the attributes of each are cached."""
TARGETS = tf.ones((3, 2))


def state() -> RelationState:
    return RelationState(tf.zeros((2, 2)), tf.zeros((2, 2)))


def variables() -> RelationState:
    return RelationState(*map(tf.Variable, state()))


CALLS: dict[str, Any] = {
    "by targets": lambda: native.move_relation(TARGETS, None, None, state(), False, SETTINGS),
    "by counts": lambda: native.move_relation(None, None, tf.ones((3, 2, 2), tf.float64), state(), False, SETTINGS),
    "codes": lambda: native.code_pairs(state(), SETTINGS),
}


@pytest.mark.parametrize("number", [-1, len(MEASURES)])
def test_an_unknown_measure(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    native.pair_attributes.cache_clear()
    monkeypatch.setitem(cpu.MEASURES, "cosine", number)
    accumulators = variables()
    for call in (*CALLS.values(), lambda: native.move_variables(TARGETS, None, accumulators, False, SETTINGS)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"must be one of obrl_cpu\.h"):
            call()
    assert not accumulators.relation_weight.numpy().any()
    native.pair_attributes.cache_clear()
