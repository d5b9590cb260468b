"""Fixtures of the tests of mining with Dask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from obrl.mining.cluster import pieces


@pytest.fixture(scope="session")
def dask_client() -> Iterator[Any]:
    """A client of two workers; skips where Dask is not installed."""
    pytest.importorskip("distributed")
    from tests.mining.dask_support import two_workers

    with two_workers() as client:
        yield client


@pytest.fixture(scope="session")
def labels_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three Parquet files of labels in 22 row groups."""
    pytest.importorskip("pyarrow")
    from tests.mining.dask_support import write_folder

    place = tmp_path_factory.mktemp("labels")
    write_folder(place)
    return str(place)


@pytest.fixture
def one_row_group_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row group is mined alone, however small."""
    monkeypatch.setattr(pieces, "ROWS_PER_TASK", 1)
