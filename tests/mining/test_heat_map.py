"""The picture of a relation."""

import numpy as np
import pytest

from obrl.mining.heat_map import draw_heat_map


@pytest.mark.parametrize("size", [3, 130])
def test_the_picture_is_a_png(tmp_path, size):
    phi = np.corrcoef(np.random.default_rng(5).normal(size=(size, size)))
    phi[0, 1] = phi[1, 0] = np.nan
    draw_heat_map(tmp_path / "map.png", phi, [f"$label_{k}<script>" + "x" * 50 for k in range(size)])
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG\r\n")
