"""The learning rate's course and what weight decay applies to."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reference_model.config import NetConfig, OptimConfig
from reference_model.engine.schedule import learning_rate_factor, make_optimizer, make_scheduler
from reference_model.nets import AttributeModel


def course(total: int, **settings: object) -> list[float]:
    config = OptimConfig(**settings)  # type: ignore[arg-type]
    return [learning_rate_factor(step, config, total_steps=total) for step in range(total)]


def test_constant_with_warmup() -> None:
    assert course(10, schedule="constant", warmup=0.4) == [0.25, 0.5, 0.75, *[1.0] * 7]


def test_cosine_halves_in_the_middle_and_ends_near_zero() -> None:
    factors = course(101, schedule="cosine", warmup=0.0)
    assert factors[0] == 1.0
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 1 - math.cos(math.pi / 101)


def test_steps_divide_by_ten() -> None:
    factors = course(8, schedule="step", step_at=(0.5, 0.75), warmup=0.0)
    assert factors == [1.0] * 4 + [0.1] * 2 + [0.01] * 2


@given(
    total=st.integers(1, 300),
    warmup=st.floats(0, 0.99),
    schedule=st.sampled_from(["constant", "cosine", "step"]),
)
def test_factors_stay_above_zero_and_at_most_one(total: int, warmup: float, schedule: str) -> None:
    assert all(0 < factor <= 1 for factor in course(total, schedule=schedule, warmup=warmup))


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_biases_and_norms_have_no_weight_decay(kind: str) -> None:
    model = AttributeModel(32, [(0, 1), (2,)], NetConfig(width=0.05, strides=(1, 1), norm="bn"))
    optimizer = make_optimizer(model, OptimConfig(kind=kind, weight_decay=0.1))  # type: ignore[arg-type]
    decayed, free = ({id(parameter) for parameter in group["params"]} for group in optimizer.param_groups)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    for name, parameter in model.named_parameters():
        is_bias = name.endswith("bias") or parameter.ndim == 1
        assert (id(parameter) in free) == is_bias, name
        assert (id(parameter) in decayed) != is_bias, name


def test_scheduler_follows_the_factors() -> None:
    weights = torch.nn.Linear(2, 2)
    config = OptimConfig(kind="sgd", lr=0.5, schedule="cosine", warmup=0.2)
    optimizer = make_optimizer(weights, config)
    scheduler = make_scheduler(optimizer, config, total_steps=10)
    for step in range(10):
        assert scheduler.get_last_lr()[0] == 0.5 * learning_rate_factor(step, config, total_steps=10)
        optimizer.step()
        scheduler.step()
