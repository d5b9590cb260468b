"""Writing a table of pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import yaml  # type: ignore[import-untyped]

from reference_model.data.catalogue import AttributeLabels, Catalogue, YearLabels
from reference_model.data.writers.common import place_picture


def write_table(root: Path, catalogue: Catalogue) -> Path:
    """Write the pictures, ``pictures/000001.jpg`` and so on, ``labels.csv``, and ``groups.yaml`` if there are groups.

    Args:
        root: The folder to write to.
        catalogue: Pictures with labels ``"attributes"``, ``"age"`` or both.

    Raises:
        ValueError: If there are neither.
    """
    attributes, age = catalogue.labels.get("attributes"), catalogue.labels.get("age")
    columns: dict[str, list[str]] = {
        "file": [f"pictures/{row + 1:06d}.jpg" for row in range(len(catalogue))],
        "split": catalogue.split.tolist(),
    }
    if catalogue.person is not None:
        columns["person"] = [str(person) if person >= 0 else "" for person in catalogue.person.tolist()]
    if isinstance(age, YearLabels):
        columns["age"] = [_plain(value) for value in age.values.tolist()]
    if isinstance(attributes, AttributeLabels):
        for name, values in zip(attributes.names, attributes.values.T.tolist(), strict=True):
            columns[name] = [_plain(value) for value in values]
        if attributes.groups is not None:
            groups = {name: [attributes.names[place] for place in part] for name, part in attributes.groups.items()}
            root.mkdir(parents=True, exist_ok=True)
            (root / "groups.yaml").write_text(yaml.safe_dump(groups, sort_keys=False), encoding="utf-8")
    elif not isinstance(age, YearLabels):
        raise ValueError(f"a table needs attributes or ages, which {catalogue.data} does not have")
    for row, name in enumerate(columns["file"]):
        place_picture(catalogue.pictures, row, root / name)
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return root


def _plain(value: float) -> str:
    return "" if np.isnan(value) else f"{value:g}"
