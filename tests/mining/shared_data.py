"""Where the real label tables lie that the repository does not contain."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "labels"


def shared_labels(name: str) -> str:
    """The path of a real label table; skips the test where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data is not at ../shared/labels/{name}")
    return str(path)
