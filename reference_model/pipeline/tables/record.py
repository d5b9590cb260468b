"""The record of a table: its options, the keys of its cells, and their differences.

These and the files of the cells are enough to make the table again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
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
            from, the single predictions; none in a record of an earlier version.
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


def record_of(request: TableRequest, keys: Sequence[str], finished: Collection[str]) -> Record:
    """Return the record of a table.

    Args:
        request: What the command line asked for, with the training pictures in the options.
        keys: The keys of the cells, in order.
        finished: The keys of those that did not diverge.
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
    return Record(table.name, tuple(options.bases), words, tuple(keys), diverged, options.training_pictures)


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
        RunError: If the file is missing, damaged, or of another version.
    """
    content = read_json(path)
    fields: dict[str, Any] = {name: content.get(name) for name in Record.__dataclass_fields__}
    differences = _differences(content.get("differences", []))
    lists = [fields[name] for name in ("data", "cells", "diverged")]
    usable = content.get("format") == RECORD_FORMAT and isinstance(fields["table"], str)
    usable = usable and all(isinstance(part, list) and all(isinstance(one, str) for one in part) for part in lists)
    usable = usable and differences is not None and all(_KEY.fullmatch(key) for part in lists[1:] for key in part)
    usable = usable and all(
        isinstance(fields[name], dict) and all(isinstance(one, kind) for one in fields[name].values())
        for name, kind in (("options", str), ("training_pictures", int))
    )
    if not usable:
        raise RunError(f"{path} is no record of a table of this version; give the NAME{ENDING} beside a finished table")
    fields |= {name: tuple(fields[name]) for name in ("data", "cells", "diverged")} | {"differences": differences}
    return Record(**fields)


def _differences(plain: Any) -> dict[Pair, Difference] | None:
    """Return the differences of a record; None if they are not of the form that is written."""
    try:
        return differences_of(plain)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
