"""A cell of a table: an ordinary run, known by a key of everything that its result depends on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from reference_model.config import FACE_NETS, SHUFFLED_PEOPLE, NetConfig, RunConfig
from reference_model.pipeline.state import PLACES, weights_digest
from reference_model.pipeline.tables.stored import DifferenceStore
from reference_model.reports.right import Right, unpack_right
from reference_model.runs import RunError, read_figures
from reference_model.settings.files import FREE_ON_RESUME, PATHS
from reference_model.settings.plain import flatten, plain

FORMAT = 1  # to be raised where a setting's default changes, which keys leave out; a test pins the defaults to it
KEY_DIGITS = 20
_LARGEST_HEADER = 100_000_000  # the format .safetensors allows no more
# Beside the places: what a machine chooses. On another number of threads results differ in their last digits; another
# device draws other dropout masks, and a table of cells from several devices says so.
OF_THE_MACHINE = ("train.threads", "train.device", "train.eval_batch_size", "features.folder", "features.disk_gb")
FREE_IN_KEYS = frozenset({*FREE_ON_RESUME, *PLACES, *OF_THE_MACHINE, *PATHS})
ATTRIBUTES_ONLY = ("relation.", "loss", "train.influence_every", "net.nets", "net.frozen", "net.group")


class NoRightError(RunError):
    """A finished cell does not say which predictions were right."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell: one run with its place in a table.

    Args:
        columns: What distinguishes it in its table, by the column's name, such as ``{"loss": "obrl", "seed": "0"}``.
        config: The settings of the run; its folder and what ``sources`` name are filled in where it is trained.
        sources: The cell whose product a setting names: ``"weights.init"``, ``"weights.net_1"``, ``"weights.model"`` or
            ``"relation.file"`` to a cell.
    """

    columns: Mapping[str, str]
    config: RunConfig
    sources: Mapping[str, Cell] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CellResult:
    """A finished cell.

    Args:
        cell: The cell.
        key: Its key.
        content: What its file holds: settings, data, origins, report, seconds ...; null has become NaN.
        differences: Where the table of the cell looks up differences; None to compute each of them.
    """

    cell: Cell
    key: str
    content: Mapping[str, Any]
    differences: DifferenceStore | None = None

    @property
    def report(self) -> Mapping[str, Any]:
        """The figures of the run's report."""
        report: Mapping[str, Any] = self.content["report"]
        return report

    @property
    def seconds(self) -> float:
        """How long the training and testing took."""
        return float(self.content["seconds"])

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each net comes from, in words, by the net's name."""
        origins: Mapping[str, str] = self.content["origins"]
        return origins

    def figure(self, *names: str) -> float:
        """Return a number of the report by the names that lead to it, NaN where it is not there."""
        value: Any = self.report
        for name in names:
            value = value.get(name, math.nan) if isinstance(value, Mapping) else math.nan
        return float(value) if isinstance(value, int | float) else math.nan

    def right(self) -> Right:
        """Return which attributes of which test pictures were predicted rightly.

        Raises:
            NoRightError: If the cell's file does not hold it.
        """
        stored = self.content.get("right")
        if not isinstance(stored, Mapping):
            raise NoRightError(
                f"the finished cell {self.key} does not say which predictions were right, as cells that are published "
                "do not; take the file that its training wrote, or train it anew"
            )
        return unpack_right(stored)


def canonical(config: RunConfig) -> RunConfig:
    """Return the settings that mean the same in the simplest form: a relation loss of weight 0 is cross-entropy."""
    if config.stage == "attributes" and config.loss == "obrl" and config.relation.alpha == 0:
        return replace(config, loss="ce")
    return config


def settings_of_key(config: RunConfig) -> dict[str, Any]:
    """Return the settings that a cell's result depends on, without those at their defaults and without files."""
    flat, usual = (flatten(plain(asdict(part))) for part in (canonical(config), RunConfig()))
    unused = tuple(_unused(canonical(config)))
    return {
        name: value
        for name, value in flat.items()
        if name not in FREE_IN_KEYS and not name.startswith(unused) and value != usual.get(name)
    }


def _unused(config: RunConfig) -> Iterable[str]:
    """Yield the beginnings of the names of settings that this run does not look at."""
    if config.stage == "attributes":
        yield from ("head.", "pool.", *(("relation.", "train.influence_every") if config.loss == "ce" else ()))
    else:
        yield from ATTRIBUTES_ONLY
    if config.data != "synthetic":
        yield from ("synthetic.", "pool.")


def input_files(config: RunConfig, sources: Iterable[str] = ()) -> dict[str, Path]:
    """Return the files that a run starts from, by setting, without those that come from other cells."""
    flat = flatten(asdict(config))
    places = {*FREE_ON_RESUME, *PLACES, *OF_THE_MACHINE, *sources}
    unused = tuple(_unused(canonical(config)))
    used = [name for name in sorted(PATHS) if name not in places and not name.startswith(unused)]
    return {name: flat[name] for name in used if flat.get(name) is not None}


def without_sources(config: RunConfig, sources: Iterable[str]) -> RunConfig:
    """Return settings without the files that other cells will have written when the run starts."""
    for setting in sources:
        if setting == "relation.file":
            config = replace(config, relation=replace(config.relation, source="online", file=None))
        else:
            config = with_setting(config, setting, None)
    return config


def with_sources(cells: Sequence[Cell]) -> Iterator[Cell]:
    """Yield cells, each after those that it starts from."""
    for cell in cells:
        yield from with_sources(list(cell.sources.values()))
        yield cell


def key_of(cell: Cell, fingerprint: Callable[[RunConfig], str]) -> str:
    """Return the key of a cell: a digest of its settings, its data, and what it starts from.

    Args:
        cell: The cell.
        fingerprint: From settings to the fingerprint of their data.
    """
    content = {
        "format": FORMAT,
        "settings": settings_of_key(cell.config),
        "data": fingerprint(cell.config),
        "files": {name: weights_digest(path) for name, path in input_files(cell.config, cell.sources).items()},
        "sources": {name: key_of(source, fingerprint) for name, source in cell.sources.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]


def with_setting(config: RunConfig, name: str, value: Any) -> RunConfig:
    """Return settings with one of them replaced, by its name on the command line."""
    *groups, key = name.split(".")
    if not groups:
        return replace(config, **{key: value})
    (group,) = groups
    return replace(config, **{group: replace(getattr(config, group), **{key: value})})


def read_cell(folder: Path, key: str) -> dict[str, Any] | None:
    """Return what a finished cell's file holds; None if the cell is not finished.

    Raises:
        RunError: If the file is damaged or belongs to another version.
    """
    path = folder / f"{key}.json"
    if not path.is_file():
        return None
    content = read_figures(path)
    if content.get("format") != FORMAT or content.get("key") != key or not isinstance(content.get("report"), dict):
        raise RunError(f"{path} is no finished cell of this version; delete it to train the cell anew")
    return content


def without_folders(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a report that names the file of a relation without its folder, which says nothing on other machines."""
    relation = report.get("relation")
    if not isinstance(relation, Mapping) or "file" not in relation:
        return report
    return {**report, "relation": {**relation, "file": Path(relation["file"]).name}}


def describe_origins(config: RunConfig, sources: Mapping[str, Cell]) -> dict[str, str]:
    """Return where each net of a run comes from, in words.

    Args:
        config: The settings, with every file filled in.
        sources: The cells that files come from.
    """
    nets = config.net.nets if config.stage == "attributes" else ("init",)
    origins = {}
    for net in nets:
        setting = "weights.model" if config.weights.model or "weights.model" in sources else f"weights.{net}"
        path = getattr(config.weights, setting.removeprefix("weights."))
        if setting in sources:
            source = sources[setting].config
            origins[net] = f"stage {source.stage} on {source.data_in_words()}"
        else:
            origins[net] = "random" if path is None else describe_file(path)
    return origins


def describe_file(path: Path) -> str:
    """Return what trained the net in a file of weights and what that started from, as the file itself says."""
    stated: Mapping[str, Any] = file_metadata(path)
    if "stage" not in stated or "data" not in stated:
        return f"a file that does not say what trained it ({path.name})"
    steps = []
    while isinstance(stated, Mapping) and stated.get("stage"):
        shuffled = SHUFFLED_PEOPLE if stated.get("shuffled") else ""
        steps.append(f"{stated['stage']} on {stated['data']}{shuffled}")
        earlier = stated.get("starts_from") or {}
        earlier = json.loads(earlier) if isinstance(earlier, str) else earlier
        stated = next(iter(earlier.values()), {}) if isinstance(earlier, Mapping) else {}
    return f"stage {', after '.join(steps)}"


def file_metadata(path: Path) -> dict[str, str]:
    """Return what a .safetensors file says of itself, nothing where it is no such file."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        try:
            header = json.loads(file.read(size)) if size <= _LARGEST_HEADER else {}
        except ValueError:
            return {}
    stated = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return {str(name): str(value) for name, value in stated.items()}


def treatment_of(net: NetConfig) -> str:
    """Return in a word whether the face-level nets are trained: frozen, tuned, or which of them are frozen."""
    if not net.frozen:
        return "tuned"
    return "frozen" if set(net.frozen) == set(net.nets) else f"{' and '.join(net.frozen)} frozen"


def net_names(nets: Iterable[str]) -> str:
    """Return the name of a fusion in the tables, such as ``net_1+net_2``; the nets are put in their order."""
    return "+".join(sorted(nets, key=FACE_NETS.index))
