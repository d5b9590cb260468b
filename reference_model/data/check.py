"""Checking a data set before training: its files and labels, its people, and whether its pictures can be decoded."""

from __future__ import annotations

import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from reference_model.data.catalogue import SPLITS, Catalogue
from reference_model.data.errors import DataError, first_few
from reference_model.data.pictures import decode_picture
from reference_model.data.recognise import recognise
from reference_model.data.registry import MODULES, DataSet, Finding, ReadOptions
from reference_model.data.sets.common import LEFT_OUT, people_in_several_partitions, remedy_of_empty

MAX_UNUSABLE = 0.05
"""Largest share of unusable pictures that training passes over by default (``read.max_unusable``)."""
_DECODED_SIZE = 64
_NAMED = 5


def check_data_set(data_set: DataSet, root: Path, *, pictures: int | None) -> list[Finding]:
    """Return everything there is to say about a data set.

    Args:
        data_set: What the folder should hold.
        root: The folder, or the data set's file.
        pictures: How many pictures, evenly spaced, are decoded; None for all.
    """
    return [replace(finding, text=for_check(finding.text)) for finding in _findings(data_set, root, pictures)]


def for_check(text: str) -> str:
    """Return what a reader says with the check's arguments, NAME and ROOT, in place of the training's options.

    Example:
        >>> for_check("it looks like the data set lfwa: give --data lfwa")
        'it looks like the data set lfwa: check it by this name'
    """
    return re.sub(r"give --data \w+", "check it by this name", text).replace(" with --root", " as ROOT")


def _findings(data_set: DataSet, root: Path, pictures: int | None) -> list[Finding]:
    findings = data_set.check(root)
    errors = [finding.text for finding in findings if finding.level == "error"]
    if errors:
        layout = recognise(root)
        other = layout not in (None, data_set.name) and MODULES.get(str(layout)) != MODULES[data_set.name]
        hints = (
            (f"expected is {data_set.layout}", not any(data_set.layout in text for text in errors)),
            (f"it looks like the data set {layout}", other and not any(f"--data {layout}" in text for text in errors)),
        )
        return [*findings, *(Finding("note", text) for text, needed in hints if needed)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the check has named these differences
        try:
            catalogue = data_set.read(root, ReadOptions(missing="skip"))
        except DataError as error:
            return [*findings, Finding("error", str(error))]
    findings = [explain_missing(finding) for finding in findings]
    empty = [name for name in SPLITS if not (catalogue.split == name).any()]
    if empty:
        text = f"no picture is left in the partition {' and '.join(empty)}; training needs some in each"
        text = f"{text}: {remedy_of_empty(data_set.name)}"
        findings = [*findings, Finding("error", text)]
    if not any("in more than one partition" in finding.text for finding in findings):
        findings = [*findings, *check_people(catalogue)]
    return [*findings, check_pictures(catalogue, pictures)]


def explain_missing(finding: Finding) -> Finding:
    """Say of rows whose pictures are missing that training asks before it leaves them out."""
    text = finding.text.replace(LEFT_OUT, "training stops unless --images.missing skip leaves out their rows")
    return Finding(finding.level, text)


def check_people(catalogue: Catalogue) -> list[Finding]:
    """Say whether people are in more than one partition.

    Held-out pictures of people who are learnt by name, the validation of identities, are as they should be.
    """
    if catalogue.person is None:
        return []
    split = catalogue.split
    if "identity" in catalogue.labels:
        split = np.where(split == "valid", "train", split)
    shared = people_in_several_partitions(catalogue.person, split).tolist()
    if not shared:
        return []
    text = f"{len(shared)} people are in more than one partition, so results say less about strangers"
    return [Finding("warning", f"{text}: {first_few(shared)}")]


def check_pictures(catalogue: Catalogue, count: int | None) -> Finding:
    """Decode pictures, and say how many cannot be used and why.

    Args:
        catalogue: The data.
        count: How many, evenly spaced; None for all.
    """
    total = len(catalogue)
    rows = np.unique(np.linspace(0, total - 1, total if count is None else min(count, total)).astype(np.int64))

    def reason(row: int) -> str | None:
        try:
            decode_picture(catalogue.pictures.read(row), _DECODED_SIZE, where=catalogue.pictures.describe(row))
        except DataError as error:
            return str(error)
        return None

    with ThreadPoolExecutor() as pool:
        reasons = [text for text in pool.map(reason, rows.tolist(), chunksize=64) if text is not None]
    tried = f"all {total} pictures" if len(rows) == total else f"{len(rows)} pictures of {total}"
    if not reasons:
        return Finding("note", f"{tried} were decoded, each can be used")
    share = len(reasons) / len(rows)
    text = f"{tried} were decoded, and {len(reasons)} cannot be used ({share:.1%}): {first_few(reasons, limit=_NAMED)}"
    if share > MAX_UNUSABLE:
        return Finding("error", f"{text}; training stops above {MAX_UNUSABLE:.0%}: download the pictures again")
    return Finding("warning", f"{text}; training passes over them")
