"""Tiny data sets in CelebA's layouts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("Bald", "Male", "Young")


@dataclass
class TinyCelebA:
    """Six pictures with three attributes, of which tests change one thing at a time.

    The lists are text: what a test writes is exactly what is read.
    """

    names: Sequence[str] = NAMES
    files: Sequence[str] = tuple(f"{number:06d}.jpg" for number in range(1, 7))
    rows: Sequence[str] = ("-1  1 -1", "-1 -1  1", " 1  1 -1", "-1 -1 -1", "-1  1  1", " 1 -1 -1")
    partition: Sequence[str] = ("0", "0", "0", "1", "2", "2")
    identity: Sequence[str] | None = ("5", "5", "7", "9", "11", "12")
    newline: str = "\n"
    header_end: str = " "
    folders: dict[str, str] = field(default_factory=lambda: {"attr": "", "eval": "", "img": ""})

    @property
    def expected(self) -> np.ndarray:
        """The targets of the rows as they stand."""
        return np.array([[0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]], dtype=np.float32)

    def attribute_text(self) -> str:
        lines = [str(len(self.rows)), " ".join(self.names) + self.header_end]
        lines += [f"{name} {row}" for name, row in zip(self.files, self.rows, strict=True)]
        return self.newline.join(lines) + self.newline

    def pair_text(self, values: Sequence[str]) -> str:
        return self.newline.join([*map(" ".join, zip(self.files, values, strict=True)), ""])

    def write(self, root: Path) -> Path:
        lists, parts = root / self.folders["attr"], root / self.folders["eval"]
        images = root / self.folders["img"] / "img_align_celeba"
        for folder in (lists, parts, images):
            folder.mkdir(parents=True, exist_ok=True)
        (lists / "list_attr_celeba.txt").write_bytes(self.attribute_text().encode())
        (parts / "list_eval_partition.txt").write_bytes(self.pair_text(self.partition).encode())
        if self.identity is not None:
            (lists / "identity_CelebA.txt").write_bytes(self.pair_text(self.identity).encode())
        write_pictures(images, self.files)
        return root

    def write_csv(self, root: Path, *, newline: str = "\n") -> Path:
        images = root / "img_align_celeba" / "img_align_celeba"
        images.mkdir(parents=True)
        rows = [",".join([name, *row.split()]) for name, row in zip(self.files, self.rows, strict=True)]
        lines = [",".join(["image_id", *self.names]), *rows]
        (root / "list_attr_celeba.csv").write_bytes((newline.join(lines) + newline).encode())
        pairs = ["image_id,partition", *map(",".join, zip(self.files, self.partition, strict=True))]
        (root / "list_eval_partition.csv").write_bytes((newline.join(pairs) + newline).encode())
        write_pictures(images, self.files)
        return root


def write_pictures(folder: Path, names: Sequence[str]) -> None:
    """Write small pictures of one colour each."""
    for number, name in enumerate(names):
        Image.new("RGB", (12, 16), (20 * number, 100, 50)).save(folder / name, "JPEG")


def replace(path: Path, old: str, new: str) -> None:
    """Replace text that must occur in a file."""
    text = path.read_bytes().decode()
    assert old in text, f"{old!r} is not in {path}"
    path.write_bytes(text.replace(old, new, 1).encode())
