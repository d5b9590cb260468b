"""What a run of a pipeline was trained from, and so whether it is done. Nothing stores a state: it is compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from reference_model.config import RunConfig
from reference_model.runs import RunError, RunFolder, read_json, write_json
from reference_model.settings.files import FREE_ON_RESUME
from reference_model.settings.plain import flatten, plain

_LARGEST_HEADER = 100_000_000  # the format allows no more
INPUTS_FILE = "inputs.json"
# Where a file lies does not matter; its content is compared: that of pictures as the data, that of weights and of a
# relation by SHA-256.
PLACES = ("preset", "read.scenes", "read.exclude_names")


class State(Enum):
    """How far a run is."""

    DONE = "done"
    START = "to train"
    RESUME = "to go on with"
    STALE = "stale"


@dataclass(frozen=True)
class Inputs:
    """Everything that the result of a run depends on.

    Args:
        settings: The settings by name, without those that may differ on resuming and without paths.
        data: Fingerprint of the data.
        weights: SHA-256 of the files that it starts from, by setting (``"init"``, ``"net_1"`` ...); None where the
            file does not exist yet. The same for ``"relation.file"``.
    """

    settings: Mapping[str, Any]
    data: str
    weights: Mapping[str, str | None]


def settings_that_matter(config: RunConfig) -> dict[str, Any]:
    """Return the settings that a result depends on, flat and as plain values."""
    flat = flatten(plain(asdict(config)))
    free = {*FREE_ON_RESUME, *PLACES}
    files = ("weights.", "relation.file")
    return {key: value for key, value in flat.items() if key not in free and not key.startswith(files)}


def weights_digest(path: Path) -> str:
    """Return the SHA-256 of a file of weights in hexadecimal, the same for every order of the entries in its header.

    A .safetensors file is the header's length in 8 bytes, the header in JSON, which the library writes in any order,
    and the tensors.
    """
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(size) if size <= _LARGEST_HEADER else b""
        try:
            start = json.dumps(json.loads(header), sort_keys=True).encode()
        except ValueError:  # not such a file: all of its bytes count
            file.seek(0)
            start = b""
        digest = hashlib.sha256(start)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def derive_inputs(config: RunConfig, *, data: str) -> Inputs:
    """Return what a run with these settings and data would be trained from."""
    stated = {**asdict(config.weights), "relation.file": config.relation.file}
    files = {name: path for name, path in stated.items() if path is not None}
    weights = {name: weights_digest(path) if path.is_file() else None for name, path in files.items()}
    return Inputs(settings_that_matter(config), data, weights)


def read_inputs(folder: Path) -> Inputs | None:
    """Return what the run in a folder is trained from; None if no training has begun there."""
    path = folder / INPUTS_FILE
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        return Inputs(dict(content["settings"]), str(content["data"]), dict(content["weights"]))
    except (KeyError, TypeError, ValueError):
        raise RunError(f"{path} is damaged; delete {folder} to train this stage anew") from None


def differences(stored: Inputs, derived: Inputs) -> list[str]:
    """Return what differs, each as a phrase; weights that do not exist yet are not compared.

    A setting that is newer than what is stored had its default there.
    """
    phrases = []
    defaults = settings_that_matter(RunConfig())
    for key in sorted({*stored.settings, *derived.settings}):
        there, here = (settings.get(key, defaults.get(key)) for settings in (stored.settings, derived.settings))
        if there != here:
            phrases.append(f"{key} is {there!r} there and {here!r} here")
    if stored.data != derived.data:
        phrases.append("the data is not the same: its file names, partitions, labels or pictures differ")
    for key in sorted({*stored.weights, *derived.weights}):
        there, here = stored.weights.get(key), derived.weights.get(key)
        absent = key in derived.weights and here is None
        if there != here and not absent:
            phrases.append(f"it starts from other weights: {key} has changed")
    return phrases


def state_of(folder: Path, derived: Inputs) -> tuple[State, list[str]]:
    """Return how far a run is, and what differs if it is stale.

    Args:
        folder: The run's folder.
        derived: What it should be trained from.
    """
    stored = read_inputs(folder)
    if stored is None:
        return State.START, []
    different = differences(stored, derived)
    if different:
        return State.STALE, different
    return (State.DONE if RunFolder(folder).report.is_file() else State.RESUME), []


def write_inputs(folder: Path, inputs: Inputs) -> None:
    """Write down what the run in a folder is trained from."""
    write_json(folder / INPUTS_FILE, asdict(inputs))
