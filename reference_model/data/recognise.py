"""Guessing which data set a folder holds, for messages about a wrong `--data`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from reference_model.data.errors import first_few

_LOOK_AT = 200


def recognise(root: Path) -> str | None:
    """Return the name of the data set whose layout a folder has, None where it is none of them.

    Names of files and folders are looked at, nothing is opened.

    Args:
        root: The folder, or the data set's one file.
    """
    if root.is_file():
        return {".rec": "recordio", ".tsv": "msceleb_tsv"}.get(root.suffix)
    if not root.is_dir():
        return None
    with os.scandir(root) as entries:
        listed = sorted((entry.name, entry.is_dir()) for entry in entries)
    files = [name for name, folder in listed if not folder]
    folders = [name for name, folder in listed if folder]
    return next((name for name, test in _SIGNS if test(files, folders)), None) or _by_content(root, folders)


def describe_layout(root: Path) -> str:
    """Say what a folder looks like, and what to do: the end of an error's sentence.

    Example:
        >>> describe_layout(Path("/nowhere"))
        'there is no such folder: give the folder that holds the data set with --root'
    """
    if not root.exists():
        return "there is no such folder: give the folder that holds the data set with --root"
    name = recognise(root)
    if name is not None:
        return f"it looks like the data set {name}: give --data {name}"
    if root.is_file():
        return "it is a file: give the folder that holds the data set with --root"
    with os.scandir(root) as entries:
        listed = sorted(entry.name for entry in entries)
    if not listed:
        return "it is empty: give the folder that holds the data set with --root"
    return f"it holds {first_few(listed, limit=3)}: give the folder that holds the data set with --root"


def _files(pattern: str) -> Callable[[Sequence[str], Sequence[str]], bool]:
    return lambda files, _: any(re.fullmatch(pattern, name) for name in files[:_LOOK_AT])


def _folders(pattern: str) -> Callable[[Sequence[str], Sequence[str]], bool]:
    return lambda _, folders: any(re.fullmatch(pattern, name) for name in folders[:_LOOK_AT])


_SIGNS: tuple[tuple[str, Callable[[Sequence[str], Sequence[str]], bool]], ...] = (
    ("celeba", _files(r"list_attr_celeba\.(txt|csv)")),
    ("celeba", lambda _, folders: {"Anno", "Eval"} <= set(folders)),
    ("lfwa", _files(r"lfw_att_\d\d\.mat|indices_train_test\.mat")),
    ("fairface", _files(r"fairface_label_.*\.csv")),
    ("recordio", _files(r".*\.rec")),
    ("msceleb_tsv", _files(r".*\.tsv(?<!Name\.tsv)")),
    ("imdb_wiki", _folders(r"(imdb|wiki)_crop")),
    ("imdb_wiki", _files(r"(imdb|wiki)\.mat")),
    ("sun397", _files(r"ClassName\.txt")),
    ("table", _files(r"labels\.csv")),
    ("casia", _folders(r"\d{7}")),
    ("msceleb", _folders(r"m\.[0-9a-z_]+")),
    ("utkface", _files(r"\d+_\d_\d_.*")),
    ("utkface", _folders(r"UTKFace|utkface_aligned_cropped")),
    ("sun397", _folders(r"SUN397")),
    ("casia", _folders(r"CASIA-WebFace")),
    ("celeba", _folders(r"celeba|CelebA")),
)


def _by_content(root: Path, folders: list[str]) -> str | None:
    """Recognise folders of folders by what the first one holds."""
    if {"train", "val"} <= set(folders):
        return "imagenet" if recognise(root / "train") == "image_folder" else None
    for folder in folders[:1]:
        with os.scandir(root / folder) as entries:
            inner = [(entry.name, entry.is_dir()) for entry in entries]
        if len(folder) == 1 and any(is_folder for _, is_folder in inner):
            return "sun397"
        if any(name.lower().endswith((".jpg", ".jpeg", ".png")) for name, is_folder in inner if not is_folder):
            return "image_folder"
    return None
