"""The record of a table: its options, the keys of its cells, and their differences.

These and the files of the cells are enough to make the table again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from reference_model.pipeline.cells import KEY_DIGITS
from reference_model.pipeline.tables.command import TableRequest, parse_tables
from reference_model.pipeline.tables.statistics import Difference
from reference_model.pipeline.tables.stored import Pair, differences_of, plain_differences
from reference_model.pipeline.tables.table import Table, TableOptions
from reference_model.runs import RunError, read_json, write_json
from reference_model.settings.files import PATHS

RECORD_FORMAT = 1
ENDING = ".record.json"
_NOT_OPTIONS = ("data", "cells", "nets")
_NO_DATA = "."  # options name a folder for each data set, and nothing is read there
_SHOWN = 60
_KEY = re.compile(rf"[0-9a-f]{{{KEY_DIGITS}}}")


@dataclass(frozen=True)
class Record:
    """What a finished table was made of.

    Args:
        table: The table's name.
        data: The names of its data sets, in order.
        options: The text of its options by name, without places of the machine; seeds, fusions, preset and whether
            nets are frozen are there also where the command line left them out.
        training_pictures: As of `TableOptions`.
        differences: The paired differences that its rows have, so that nobody needs to know what they are computed
            from, the single predictions.
        cells: The keys of its cells, in order; one may be there several times.
        diverged: The keys among them of the cells that diverged, which have no file.
    """

    table: str
    data: tuple[str, ...]
    options: Mapping[str, str]
    cells: tuple[str, ...]
    diverged: tuple[str, ...] = ()
    training_pictures: Mapping[str, int] = field(default_factory=dict)
    differences: Mapping[Pair, Difference] = field(default_factory=dict)

    def finished(self) -> tuple[str, ...]:
        """Return the keys of the cells that have a file, each once."""
        return tuple(key for key in dict.fromkeys(self.cells) if key not in self.diverged)

    def request(self) -> tuple[Table, TableOptions]:
        """Return the table and its options, as the command line had them but for places.

        Raises:
            SettingsError, RunError: If this version has no such table or options.
        """
        places = {f"roots.{name}": "" if name == "synthetic" else _NO_DATA for name in self.data}
        words = places | {"out": _NO_DATA} | dict(self.options)
        request = parse_tables([self.table, *(f"--{name}={text}" for name, text in words.items())])
        return request.table, replace(request.options, training_pictures=dict(self.training_pictures))


def record_of(
    request: TableRequest, keys: Sequence[str], finished: Collection[str], differences: Mapping[Pair, Difference]
) -> Record:
    """Return the record of a table.

    Args:
        request: What the command line asked for, with the training pictures in the options.
        keys: The keys of the cells, in order.
        finished: The keys of those that did not diverge.
        differences: The paired differences that its rows have.
    """
    table, options = request.table, request.options
    words = {name: text for name, text in request.words.items() if not _is_place(name)}
    if "relation.file" in request.words:  # a relation that stays at a file is told apart from others by its name
        words["relation.file"] = Path(request.words["relation.file"]).name
    resolved = {
        "seeds": str(len(options.seeds)),
        "first-seed": str(options.seeds[0]),
        "fusions": ",".join("+".join(fusion) for fusion in options.fusions),
        "nets-frozen": "yes" if options.nets_frozen else "no",
    }
    presets = {config.preset for config in options.bases.values()}
    if len(presets) == 1:
        resolved["preset"] = presets.pop()
    words |= {name: text for name, text in resolved.items() if name not in table.flags_of_cells}
    diverged = tuple(key for key in dict.fromkeys(keys) if key not in finished)
    return Record(
        table=table.name,
        data=tuple(options.bases),
        options=words,
        cells=tuple(keys),
        diverged=diverged,
        training_pictures=options.training_pictures,
        differences=differences,
    )


def _is_place(name: str) -> bool:
    """Say whether an option is a place of the machine, or says in the record's other fields what it is."""
    return name in _NOT_OPTIONS or name.startswith("roots.") or bool({name, name.partition(".")[2]} & PATHS)


def write_record(folder: Path, record: Record, name: str | None = None) -> Path:
    """Write the record of a table beside it, and return the file, ``NAME.record.json``.

    Args:
        folder: Where to.
        record: What it holds.
        name: NAME; None for the table's.
    """
    path = folder / f"{name or record.table}{ENDING}"
    fields = asdict(replace(record, differences={})) | {"differences": plain_differences(record.differences)}
    write_json(path, {"format": RECORD_FORMAT, **fields}, depth=2)
    return path


def read_record(path: Path) -> Record:
    """Read the record of a table.

    Raises:
        RunError: If the file is missing or damaged, is of another version, or lacks an entry.
    """
    content = read_json(path)
    if content.get("format") != RECORD_FORMAT:
        stated = f"format {json.dumps(content['format'])}" if "format" in content else "no format"
        raise RunError(
            f"{path} is no record of a table that this version reads: it reads format {RECORD_FORMAT}, and the file "
            f"has {stated}; give the NAME{ENDING} beside a finished table of this version"
        )
    for name, (expected, fits) in _ENTRIES.items():
        if name not in content:
            raise RunError(f"{path} is a damaged record of a table: it has no {name!r}, which must be {expected}")
        if not fits(content[name]):
            raise RunError(
                f"{path} is a damaged record of a table: {name!r} must be {expected}; got {_shortened(content[name])}"
            )
    entries: dict[str, Any] = {name: content[name] for name in _ENTRIES}
    entries |= {name: tuple(entries[name]) for name in ("data", "cells", "diverged")}
    try:
        entries["differences"] = differences_of(content["differences"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path} is a damaged record of a table: a difference cannot be read ({error!r})") from None
    return Record(**entries)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def _list_of(fits: Callable[[str], object]) -> Callable[[Any], bool]:
    """Return what says whether a value is a list of texts that fit."""
    return lambda value: isinstance(value, list) and all(isinstance(one, str) and fits(one) for one in value)


def _object_of(kind: type) -> Callable[[Any], bool]:
    """Return what says whether a value is an object with values of a kind."""
    return lambda value: isinstance(value, dict) and all(isinstance(one, kind) for one in value.values())


_KEYS = f"a list of keys of cells, each of {KEY_DIGITS} hexadecimal digits"
_ENTRIES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "table": ("the name of a table", lambda value: isinstance(value, str)),
    "data": ("a list of names of data sets", _list_of(bool)),
    "options": ("an object of texts", _object_of(str)),
    "cells": (_KEYS, _list_of(_KEY.fullmatch)),
    "diverged": (_KEYS, _list_of(_KEY.fullmatch)),
    "training_pictures": ("an object of whole numbers", _object_of(int)),
    "differences": ("a list of differences", lambda value: isinstance(value, list)),
}
"""What each entry of a record must be, in words and as a function that says whether it is."""
