import os

# Several devices for shard_map, pmap and sharded arrays; read when JAX starts its backend.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()

from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from obrl_jax import rows
from tests.support.blocks import few_rows
from tests.support.profiles import load_profile

load_profile()


@pytest.fixture(params=["whole", "by rows"])
def size(request: pytest.FixtureRequest) -> Iterator[None]:
    """A relation as one of few labels is taken, and by blocks of rows, as one of many is."""
    with few_rows(rows) if request.param == "by rows" else nullcontext():
        yield
