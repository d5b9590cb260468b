"""The digests of the full lists, on stand-ins small enough for a test."""

import hashlib
from pathlib import Path

import pytest

from reference_model.data import lists, signatures
from reference_model.data.errors import DataWarning
from reference_model.data.sets.celeba import read_celeba_labels
from tests.reference_model.data.builders import TinyCelebA

NAMES = ("list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt")


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of six pictures that passes for the full one."""
    root = TinyCelebA(newline="\r\n").write(tmp_path)
    for name in NAMES:
        digest = hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(signatures.OFFICIAL_MD5, name, digest)
    monkeypatch.setattr(lists, "FULL_COUNT", 6)
    return root


def test_the_official_files_pass_and_with_other_line_ends(official: Path) -> None:
    assert len(read_celeba_labels(official)) == 6
    for path in (official / name for name in NAMES):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    assert len(read_celeba_labels(official)) == 6


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [(NAMES[0], b"-1  1", b" 1  1"), (NAMES[1], b"jpg 1", b"jpg 2"), (NAMES[2], b"jpg 7", b"jpg 8")],
)
def test_another_content_is_only_a_warning(official: Path, name: str, old: bytes, new: bytes) -> None:
    path = official / name
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.warns(DataWarning, match=rf"{name} has as many rows as the file .* but not its content"):
        assert len(read_celeba_labels(official)) == 6
