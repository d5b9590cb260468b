"""The picture of the documentation is drawn by a program."""

from pathlib import Path

import pytest
from PIL import Image

from tools.report_picture import SIZE, main


@pytest.mark.browser
def test_the_picture_of_the_documentation_is_drawn_again(tmp_path: Path) -> None:
    main([str(tmp_path / "report.png")])
    assert (tmp_path / "report.png").stat().st_size < 150_000
    with Image.open(tmp_path / "report.png") as picture:
        assert picture.size == SIZE
        assert len(picture.getcolors() or []) > 20  # a page that failed has few colours
