"""Probabilities in place of logits are noticed also in what JAX traces, and so are targets with `validate=True`."""

import warnings

import jax
import jax.numpy as jnp
import pytest

from obrl.jax import OBRLoss

LOGITS = jnp.linspace(-4, 4, 128).reshape(32, 4)
TARGETS = jnp.zeros((32, 4))
CRITERION = OBRLoss(4)


def value(logits, targets=TARGETS, criterion=CRITERION):
    return criterion(logits, targets, criterion.init())[0]


def of_sigmoid(logits):
    return value(jax.nn.sigmoid(logits))


def messages(function, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function(*arguments)
    return {str(warning.message) for warning in caught}


@pytest.mark.parametrize("transform", [jax.jit, lambda f: jax.jit(jax.grad(f)), jax.grad, lambda f: f])
def test_probabilities_are_noticed(transform):
    (message,) = messages(transform(of_sigmoid), LOGITS)
    assert "pass the values before the sigmoid" in message


@pytest.mark.parametrize("transform", [jax.jit, jax.grad, lambda f: f])
def test_logits_are_told_nothing(transform):
    assert messages(transform(value), LOGITS) == set()


@pytest.mark.parametrize("impl", ["auto", "plain", "fused"])
def test_a_compiled_program_checks_targets_where_asked(impl):
    criterion = OBRLoss(4, validate=True, impl=impl)

    @jax.jit
    def step(targets):
        return value(LOGITS, targets, criterion)

    step(TARGETS.at[0, 0].set(jnp.nan)).block_until_ready()
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"targets must lie in \[0, 1\]"):
        step(TARGETS - 1).block_until_ready()


def test_by_default_a_compiled_program_calls_no_host():
    text = str(jax.make_jaxpr(lambda targets: value(LOGITS, targets))(TARGETS))
    assert "callback" not in text
    asked = OBRLoss(4, validate=True)
    assert "callback" in str(jax.make_jaxpr(lambda targets: value(LOGITS, targets, asked))(TARGETS))
