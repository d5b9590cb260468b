"""Draw the picture of a report that the documentation shows: `python -m tools.report_picture`.

The table is the one that the tutorial draws. It needs Chromium and Pillow.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from obrl.mining.cli import main as obrl
from tools.chromium import chromium_path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PICTURE = DOCS / "pictures" / "mining_report.png"
SIZE = (1200, 1450)
"""Width and height in CSS pixels: the first parts of the page."""
COLOURS = 128


def write_report(folder: Path) -> None:
    """Draw the tutorial's table there, mine it and write its report as report.html.

    Raises:
        ValueError: the tutorial draws no table any more.
    """
    block = re.search(
        r"^```python\n(.*?)^```$", (DOCS / "mining" / "mining.md").read_text(encoding="utf-8"), re.M | re.S
    )
    if block is None or "train" not in block[1]:
        raise ValueError("expected the first example of docs/mining/mining.md to draw train.csv, got another one")
    before = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(block[1], "mining.md", "exec"), {"__name__": "__main__"})
        for command in ("mine train.csv --out mined", "report mined train.csv --out report.html"):
            if obrl([*command.split(), "--quiet"]) != 0:
                raise ValueError(f"expected `obrl {command}` to succeed, got an error")
    finally:
        os.chdir(before)


def photograph(page: Path, picture: Path) -> None:
    """Open a page in Chromium and write what it shows as a PNG of few colours.

    Raises:
        FileNotFoundError: Chromium is not installed.
        subprocess.CalledProcessError: Chromium failed.
    """
    browser = chromium_path()
    width, height = SIZE
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1")
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "page.png"
        subprocess.run(
            [
                *(browser, *options, f"--user-data-dir={folder}/profile", "--virtual-time-budget=5000"),
                *(f"--window-size={width},{height}", f"--screenshot={large}", page.resolve().as_uri()),
            ],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with Image.open(large) as image:
            image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


def main(arguments: Sequence[str]) -> None:
    """Write the picture to the documentation, or to the file that the only argument names."""
    with tempfile.TemporaryDirectory() as folder:
        write_report(Path(folder))
        photograph(Path(folder) / "report.html", Path(arguments[0]) if arguments else PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
