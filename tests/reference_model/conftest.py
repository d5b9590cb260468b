from pathlib import Path

import pytest

from reference_model.data.synthetic import write_synthetic_faces
from tests.support.profiles import load_profile

load_profile()


@pytest.fixture(scope="session")
def synthetic_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 synthetic faces (40 train, 10 valid, 10 test) in CelebA's layout."""
    root = tmp_path_factory.mktemp("faces") / "synthetic"
    return write_synthetic_faces(root, num_train=40, num_valid=10, num_test=10, seed=1, workers=1)
