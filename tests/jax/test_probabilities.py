"""Probabilities in place of logits are noticed also in what JAX traces, and so are targets with `validate=True`."""

import warnings

import jax
import jax.numpy as jnp
import pytest

from obrl.jax import OBRLoss, OnlineBatchRelation

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


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: jax.nn.sigmoid(x).astype(jnp.bfloat16), "sigmoid"),
        (lambda x: jax.nn.sigmoid(x)[:, None].reshape(-1, 4)[:32], "sigmoid"),
        (jax.nn.softmax, "softmax"),
        (lambda x: jax.nn.softmax(x).astype(jnp.float16), "softmax"),
    ],
)
def test_a_program_shows_where_they_come_from(change, word):
    (message,) = messages(jax.jit(lambda x: value(change(x))), LOGITS)
    assert f"the logits come from a {word}" in message


def test_what_is_computed_from_probabilities_may_be_logits():
    assert messages(jax.jit(lambda x: value(4 * jax.nn.sigmoid(x) - 2)), LOGITS) == set()
    assert messages(jax.jit(lambda x: value(jnp.exp(x) / (1 + x * x))), LOGITS) == set()


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


SIGNS = jnp.where(jnp.arange(128).reshape(32, 4) % 2 == 0, 1, -1)
RELATION = OnlineBatchRelation(4, validate=True, ignore_index=-1)


@pytest.mark.parametrize("impl", ["auto", "plain", "fused", "relation"])
def test_a_compiled_program_refuses_a_minus_one_that_means_absent(impl):
    criterion = OBRLoss(4, validate=True, ignore_index=-1, impl="auto" if impl == "relation" else impl)

    @jax.jit
    def step(targets, observed):
        if impl == "relation":
            return RELATION.update(targets, RELATION.init(), observed=observed).relation_weight
        return criterion(LOGITS, targets, criterion.init(), observed=observed)[0]

    everywhere = jnp.ones(SIGNS.shape, bool)
    step(SIGNS.at[0, 0].set(0), everywhere).block_until_ready()
    step(SIGNS, SIGNS != -1).block_until_ready()  # they only pad what is observed
    step(jnp.where(jnp.arange(128).reshape(32, 4) < 31, 1, -1), everywhere).block_until_ready()  # may be chance
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"64 times -1, 64 times 1 and no 0\. If -1 means absent"):
        step(SIGNS, everywhere).block_until_ready()


def test_a_compiled_program_names_a_marker_only_where_it_is_one():
    criterion = OBRLoss(4, validate=True)
    step = jax.jit(lambda targets: value(LOGITS, targets, criterion))
    with pytest.raises(jax.errors.JaxRuntimeError, match="If 255 means missing"):
        step(TARGETS.at[:3].set(255)).block_until_ready()
    with pytest.raises(jax.errors.JaxRuntimeError, match="Several numbers lie outside"):
        step(TARGETS.at[:3].set(255).at[5].set(-1)).block_until_ready()


def test_by_default_a_compiled_program_calls_no_host():
    text = str(jax.make_jaxpr(lambda targets: value(LOGITS, targets))(TARGETS))
    assert "callback" not in text
    asked = OBRLoss(4, validate=True)
    assert "callback" in str(jax.make_jaxpr(lambda targets: value(LOGITS, targets, asked))(TARGETS))
