"""`--framework NAME`: which adapter the suite runs on; `--device cuda`: where; `--shard 2/8`: which part of it."""

from __future__ import annotations

import pytest

from tests.parity.coverage import COVERAGE
from tests.parity.subjects import FRAMEWORKS, Framework, NoDeviceError, load
from tests.parity.templates import TEMPLATES
from tests.support.profiles import draws_few, load_profile

NEEDS = {
    "test_joint_loss": "joint",
    "test_joint_loss_of_degenerate_cases": "joint",
    "test_relation_loss_with_state": "relation_criterion",
    "test_stateless_relation_loss": "stateless",
    "test_relation_losses_of_degenerate_cases": "stateless",
    "test_relation": "relation",
    "test_compiled": "compiled_joint",
    "test_endpoint": "endpoint",
    "test_endpoint_of_degenerate_cases": "endpoint",
}
"""What each test asks of a framework."""

OF_THE_WHOLE_RUN = ("test_the_degenerate_cases_were_run", "test_enough_was_drawn")
"""Tests that check what the other tests ran. A shard skips both; a profile that draws few examples skips the second."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--framework", choices=tuple(FRAMEWORKS), help="the adapter that tests/parity runs on")
    parser.addoption("--device", choices=("cpu", "cuda"), default="cpu", help="where torch's tensors are")
    parser.addoption("--shard", type=shard, default=(1, 1), metavar="I/N", help="every N-th test, from the I-th")


def shard(text: str) -> tuple[int, int]:
    """`"2/8"` as (2, 8)."""
    index, count = (int(part) for part in text.split("/"))
    if not 1 <= index <= count:
        raise ValueError(text)
    return index, count


def pytest_configure(config: pytest.Config) -> None:
    framework = framework_of(config)
    load_profile(scale=framework.scale)
    for line in framework.ignored_warnings:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    framework = framework_of(config)
    left_out = [item for item in items if getattr(framework, NEEDS.get(item.originalname, "plain")) is None]
    index, count = config.getoption("--shard")
    meaningless = OF_THE_WHOLE_RUN if count > 1 else OF_THE_WHOLE_RUN[1:] if draws_few() else ()
    left_out += [item for item in items if item.originalname in meaningless]
    selected = [item for item in items if item not in left_out][index - 1 :: count]
    config.hook.pytest_deselected(items=[item for item in items if item not in selected])
    items[:] = selected


def framework_of(config: pytest.Config) -> Framework:
    name = config.getoption("--framework")
    if name is None:
        raise pytest.UsageError(f"tests/parity needs --framework, one of {', '.join(FRAMEWORKS)}")
    try:
        return load(name, config.getoption("--device"))
    except NoDeviceError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(scope="session")
def framework(request: pytest.FixtureRequest) -> Framework:
    return framework_of(request.config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = set(metafunc.fixturenames)
    if {"impl", "dtype"} <= names:
        eager = framework_of(metafunc.config).eager
        combinations = [(impl, dtype) for impl, dtypes in eager.items() for dtype in dtypes]
        metafunc.parametrize(("impl", "dtype"), combinations, ids=["-".join(pair) for pair in combinations])
    if "template" in names:
        dtypes = framework_of(metafunc.config).compiled
        fitting = [template for template in TEMPLATES if template.dtype in dtypes]
        metafunc.parametrize("template", fitting, ids=[template.name for template in fitting])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COVERAGE.examples:
        terminalreporter.section("what was run")
        for line in COVERAGE.lines():
            terminalreporter.line(line)
