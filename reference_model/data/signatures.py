"""Recognising files that are not what their name says: a web page, a pointer, an archive."""

from __future__ import annotations

from pathlib import Path

OFFICIAL_MD5 = {
    "list_attr_celeba.txt": "75e246fa4810816ffd6ee81facbd244c",
    "list_eval_partition.txt": "d32c9cbf5e040fd4025c592c306e6668",
    "identity_CelebA.txt": "32bd1bd63d3c78cd57e08160ec5ed1e2",
}
"""MD5 of the files of the full data set as they are distributed."""

_MARKS = (
    ("UTF-32", b"\xff\xfe\0\0"),
    ("UTF-32", b"\0\0\xfe\xff"),
    ("UTF-16", b"\xff\xfe"),
    ("UTF-16", b"\xfe\xff"),
)


def describe_impostor(source: Path | bytes) -> str | None:
    """Say what a file is if it is plainly not data.

    Downloads that hit a quota leave a web page under the file's name, and checkouts without Git LFS a pointer.

    Args:
        source: The file, or its first bytes.

    Returns:
        What it is and what to do, or None if nothing speaks against it.

    Example:
        >>> describe_impostor(b"<!DOCTYPE html><html>")
        'it is a web page saved in place of the file: download it again'
    """
    if isinstance(source, Path):
        try:
            with source.open("rb") as stream:
                start = stream.read(512)
        except OSError as error:
            return str(error)
    else:
        start = source[:512]
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text:
        return "it is empty: download it again"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        return "it is a web page saved in place of the file: download it again"
    if text.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file itself: run `git lfs pull`"
    if start.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"\x1f\x8b")):
        return "it is an archive: unpack it"
    return None


def describe_encoding(content: bytes) -> str | None:
    """Name the encoding of a text that is not in UTF-8 or ASCII, as far as its first bytes tell.

    Returns:
        What it is and what to do, or None if nothing speaks against UTF-8.

    Example:
        >>> describe_encoding("a.jpg 1".encode("utf-16"))
        'it is encoded in UTF-16: save it in UTF-8'
    """
    start = content[:512]
    for name, mark in _MARKS:
        if start.startswith(mark):
            return f"it is encoded in {name}: save it in UTF-8"
    if b"\0" in start:
        return "it is encoded in UTF-16, or no text at all: save it in UTF-8"
    return None
