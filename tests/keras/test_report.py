"""A layer of Keras writes the report that NumPy's loss writes."""

from pathlib import Path

import numpy as np
import pytest

from obrl.keras import OBRLossLayer
from tests.support.html_report import assert_reported, run_code
from tests.support.start import LABELS, NAMES, table


def test_a_layer_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = OBRLossLayer(LABELS, estimator="counts", label_names=NAMES)
    layer(np.zeros((400, LABELS), np.float32), table(), training=True)
    layer.report(tmp_path / "report.html")
    assert_reported(tmp_path / "report.html")
    monkeypatch.chdir(tmp_path)
    again = run_code(tmp_path / "report.html", layer=layer)
    assert type(again) is OBRLossLayer
    assert again.pairs() == layer.pairs()
