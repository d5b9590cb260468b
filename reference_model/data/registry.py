"""The data sets by name. Each has its reader in a file of its own in `reference_model.data.sets`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from reference_model.data.catalogue import Catalogue


@dataclass(frozen=True)
class ReadOptions:
    """What readers may be asked.

    Args:
        missing: What to do about rows whose picture file is missing.
        seed: Of partitions that the data set does not define.
        classes: Read the pictures of at most this many people or classes, those with the most pictures; None for all.
        exclude_names: A file of people's names, one a line, whose pictures are left out; None leaves none out.
        max_unusable: Largest share of pictures whose names may say nothing, where the labels stand in the names.
    """

    missing: Literal["error", "skip"] = "error"
    seed: int = 0
    classes: int | None = None
    exclude_names: Path | None = None
    max_unusable: float = 0.05


@dataclass(frozen=True)
class Finding:
    """One thing that an integrity check noticed.

    Args:
        level: ``"note"`` states a fact, ``"warning"`` a difference that training survives, ``"error"`` what stops it.
        text: A sentence that names the file, the row and the remedy.
    """

    level: Literal["note", "warning", "error"]
    text: str


@dataclass(frozen=True)
class DataSet:
    """A data set: how to read it, and what a user should know.

    Args:
        name: As on the command line.
        title: The name in words.
        labels: What its pictures are labelled with: keys of `Catalogue.labels`.
        layout: What the folder holds, in one sentence.
        terms: The terms of use, in one sentence.
        read: The reader.
        check: The integrity check; takes the root and gives its findings.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    layout: str
    terms: str
    read: Callable[[Path, ReadOptions], Catalogue]
    check: Callable[[Path], list[Finding]]


# The module of each data set in `reference_model.data.sets`; every module has `DATA_SETS`, a tuple of `DataSet`.
MODULES: dict[str, str] = {
    "celeba": "celeba",
    "celeba_people": "celeba",
    "lfwa": "lfwa",
    "table": "user_table",
    "image_folder": "image_folder",
    "imagenet": "image_folder",
    "casia": "casia",
    "sun397": "sun397",
    "msceleb": "msceleb",
    "msceleb_tsv": "msceleb_tsv",
    "recordio": "recordio",
    "imdb_wiki": "imdb_wiki",
    "fairface": "fairface",
    "utkface": "utkface",
}


def load_data_set(name: str) -> DataSet:
    """Return a data set by name.

    Raises:
        ValueError: If there is none of this name.
    """
    if name not in MODULES:
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(MODULES)}")
    module = import_module(f"reference_model.data.sets.{MODULES[name]}")
    return next(data_set for data_set in module.DATA_SETS if data_set.name == name)
