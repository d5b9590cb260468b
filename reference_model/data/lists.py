"""Reading CelebA's three lists: attributes, partition and identities, as text or CSV."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from reference_model.data.catalogue import SPLITS
from reference_model.data.errors import DataError, DataWarning, first_few
from reference_model.data.fields import Fields, split_fields, with_line_feeds
from reference_model.data.signatures import OFFICIAL_MD5, describe_encoding, describe_impostor

Encoding = Literal["auto", "signed", "binary"]
FULL_COUNT = 202_599
"""Number of pictures of the whole data set."""


@dataclass(frozen=True)
class AttributeList:
    """The content of ``list_attr_celeba``.

    Args:
        names: The M attributes, in the file's order.
        files: (N,) str: the pictures' file names.
        targets: (N, M) float32 in {0, 1}, NaN where a label is missing.
    """

    names: tuple[str, ...]
    files: npt.NDArray[np.str_]
    targets: npt.NDArray[np.float32]


def read_attribute_list(path: Path, *, encoding: Encoding = "auto") -> AttributeList:
    """Read ``list_attr_celeba.txt`` or ``.csv``.

    The text form has the number of rows in its first line, the names in its second, and then a row a picture, split at
    any number of spaces. The CSV form has a header whose first column names the pictures.

    Args:
        path: The file.
        encoding: ``"signed"``: 1 present, -1 absent, 0 missing. ``"binary"``: 1 present, 0 absent. ``"auto"``: signed
            if a -1 occurs, binary otherwise. In each, empty fields (of a CSV file) and ``nan`` are missing.

    Raises:
        DataError: If the file is not such a list, is cut off, has a row twice, or holds other values.
    """
    content = _read(path)
    lines = _head(content)
    declared: int | None = None
    if lines and lines[0][1].strip().isdecimal():
        declared = int(lines.pop(0)[1])
    if not lines:
        raise DataError(f"{path}: expected a line with the attributes' names, got none")
    position, header = lines[0]
    comma = "," in header
    names = [name.strip().strip('"') for name in (header.split(",") if comma else header.split())]
    rest = content[position:].split(b"\n", 1)
    body = rest[1] if len(rest) == 2 else b""
    # A CSV header names the pictures' column too; a text header does so only if its rows are no longer than it.
    first_row = body.lstrip().split(b"\n", 1)[0]
    if comma or len(first_row.split()) == len(names):
        names = names[1:]
    fields = split_fields(
        path, body, comma=comma, columns=len(names) + 1, first_line=content[:position].count(b"\n") + 2
    )
    files = fields.strings(0)
    if declared is not None and declared != len(files):
        raise DataError(
            f"{path}: the first line declares {declared} rows and there are {len(files)}; the file may be cut off"
        )
    _check_unique(path, names, "attribute")
    _check_unique(path, files.tolist(), "picture")
    if len(files) == FULL_COUNT:
        _check_md5(path, content)
    return AttributeList(tuple(names), files, _decode(path, fields.ternary(1), encoding))


def read_partition(path: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Read ``list_eval_partition``: a file name and 0 (train), 1 (valid) or 2 (test) a row.

    Returns:
        The file names (N,) and their partitions (N,).

    Raises:
        DataError: If the file is not such a list, or has a picture twice.
    """
    fields = _two_columns(path)
    files, codes = fields.strings(0), fields.integers(1, "a partition")
    wrong = np.flatnonzero((codes < 0) | (codes >= len(SPLITS)))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path}, line {fields.line(row)}: a partition must be 0 (train), 1 (valid) or 2 (test), got {codes[row]}"
        )
    _check_unique(path, files.tolist(), "picture")
    return files, np.array(SPLITS)[codes]


def read_identities(path: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """Read ``identity_CelebA``: a file name and the number of the person shown a row.

    Returns:
        The file names (N,) and the persons (N,).

    Raises:
        DataError: If the file is not such a list, or has a picture twice.
    """
    fields = _two_columns(path)
    files = fields.strings(0)
    _check_unique(path, files.tolist(), "picture")
    return files, fields.integers(1, "an identity")


def _two_columns(path: Path) -> Fields:
    content = _read(path)
    lines = _head(content)
    if not lines:
        raise DataError(f"{path}: expected a picture a line, got none")
    position, first = lines[0]
    comma = "," in first
    second = (first.split(",") if comma else first.split())[-1].strip().strip('"')
    skipped = 0
    if comma and not second.lstrip("-").isdecimal():  # a CSV file has a header
        content = content[position:].split(b"\n", 1)[-1]
        skipped = 1
    if len(content) and content.count(b"\n") >= FULL_COUNT - 1:
        _check_md5(path, content)
    return split_fields(path, content, comma=comma, columns=2, first_line=1 + skipped)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    impostor = describe_impostor(content) or describe_encoding(content)
    if impostor:
        raise DataError(f"{path}: {impostor}")
    return with_line_feeds(content.removeprefix(b"\xef\xbb\xbf"))


def _head(content: bytes) -> list[tuple[int, str]]:
    """Return position and text of the first two lines that are not empty."""
    lines: list[tuple[int, str]] = []
    position = 0
    while position < len(content) and len(lines) < 2:
        end = content.find(b"\n", position)
        end = len(content) if end < 0 else end
        line = content[position:end].decode("utf-8", errors="replace")
        if line.strip():
            lines.append((position, line))
        position = end + 1
    return lines


def _decode(path: Path, values: npt.NDArray[np.float32], encoding: Encoding) -> npt.NDArray[np.float32]:
    negative = values == -1
    if encoding == "auto":
        encoding = "signed" if negative.any() else "binary"
    if encoding == "signed":
        values[values == 0] = np.nan
        values[negative] = 0
    elif encoding != "binary":
        raise ValueError(f"encoding must be 'auto', 'signed' or 'binary', got {encoding!r}")
    elif negative.any():
        raise DataError(f"{path}: holds -1, but the encoding was said to be binary (0 and 1)")
    return values


def _check_unique(path: Path, names: list[str], what: str) -> None:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    repeated = []
    for name in names:
        if name in seen:
            repeated.append(name)
        seen.add(name)
    raise DataError(f"{path}: {len(repeated)} repeated {what} name(s): {first_few(repeated)}")


def _check_md5(path: Path, content: bytes) -> None:
    expected = OFFICIAL_MD5.get(path.name)
    if expected is None:
        return
    # The lists are distributed with either line end, and version control changes them; that alone is no difference.
    for version in (content, content.replace(b"\n", b"\r\n")):
        if hashlib.md5(version, usedforsecurity=False).hexdigest() == expected:
            return
    warnings.warn(
        f"{path} has as many rows as the file CelebA's authors distribute, but not its content",
        DataWarning,
        stacklevel=4,
    )
