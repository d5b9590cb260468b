"""A small set of synthetic faces, and a finished table, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_model.data.synthetic import write_synthetic_faces
from tests.reference_model.pipeline.tables.commands import arguments, tables


@pytest.fixture(scope="session")
def table_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 training, 16 validation and 16 test faces in CelebA's layout."""
    root = tmp_path_factory.mktemp("table-faces") / "celeba"
    return write_synthetic_faces(root, num_train=48, num_valid=16, num_test=16, seed=3)


@pytest.fixture(scope="session")
def table2(tmp_path_factory: pytest.TempPathFactory, table_faces: Path) -> Path:
    """Table II of net_0 and net_1 with both losses and one seed."""
    out = tmp_path_factory.mktemp("tables") / "t2"
    assert tables(*arguments("table2", table_faces, out, "--fusions", "net_0,net_1")) == 0
    return out
