"""A small set of synthetic faces and one finished run of each loss, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_model.data.synthetic import write_synthetic_faces
from tests.reference_model.training.commands import tiny_arguments, train


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 training, 32 validation and 32 test faces in CelebA's layout."""
    root = tmp_path_factory.mktemp("faces") / "celeba"
    return write_synthetic_faces(root, num_train=96, num_valid=32, num_test=32, seed=3)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> dict[str, Path]:
    """A finished run of each loss."""
    runs = {loss: tmp_path_factory.mktemp("finished") / loss for loss in ("ce", "obrl")}
    for loss, out in runs.items():
        assert train(*tiny_arguments(faces, out), "--loss", loss) == 0
    return runs
