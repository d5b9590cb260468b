"""One pool of drawn people, objects and places, and every data set that is written from it in its own format."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.cache import user_cache
from reference_model.data.catalogue import AttributeLabels, Catalogue, ClassLabels, PictureFolder, YearLabels
from reference_model.data.errors import DataError
from reference_model.data.synthetic.pool_drawing import class_name, class_tasks, draw_missing, face_name, face_tasks
from reference_model.data.synthetic.pool_formats import FORMATS, Pool
from reference_model.data.synthetic.pool_plan import (
    ClassPlan,
    FacePlan,
    PoolParameters,
    plan_faces,
    plan_objects,
    plan_scenes,
)
from reference_model.data.synthetic.scene import RACE_NAMES
from reference_model.settings.pictures import POOL_MARKER, PoolConfig, SyntheticConfig

POOL_FOLDERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "pretrain": ("imagenet", "imagenet"),
        "face": ("casia", "casia"),
        "scenes": ("sun397", "sun397"),
        "identity": ("msceleb", "msceleb"),
        "age": ("imdb_wiki", "imdb_wiki"),
        "race": ("fairface", "fairface"),
        "attributes": ("celeba", "celeba"),
        "lfwa": ("lfwa", "lfwa"),
    }
)
"""For every stage the data set that it reads and its folder inside the pool."""

# A folder that a killed process left half written is removed after this many seconds.
_ABANDONED = 3600.0


def open_pool(config: SyntheticConfig, root: Path | None, sizes: PoolConfig | None = None) -> Path:
    """Draw the pool unless it is there, and write the data sets that the stages read.

    Args:
        config: Seed, strength and label noise of what is drawn.
        root: The folder of the pool; None takes one in the user's cache.
        sizes: How many people, objects and places; None takes the defaults.

    Returns:
        The folder; `POOL_FOLDERS` says where in it a stage finds its data.

    Raises:
        DataError: If ``root`` holds something else, or a pool drawn with other parameters.
    """
    folder = root if root is not None else pool_cache(config, sizes or PoolConfig())
    formats = [name for name, _ in POOL_FOLDERS.values()]
    return write_pool(folder, config, sizes, formats=formats, overwrite=root is None)


def write_pool(
    out: Path,
    config: SyntheticConfig,
    sizes: PoolConfig | None = None,
    *,
    formats: Iterable[str] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw a pool and write data sets from it, each in a folder of its name; what is there already is not repeated.

    Args:
        out: The folder; new, empty, or a pool of the same parameters, finished or not.
        config: Seed, strength and label noise of what is drawn.
        sizes: How many people, objects and places; None takes the defaults.
        formats: The data sets to write, keys of `FORMATS`; None writes all.
        workers: Processes that draw; None takes one a processor.
        overwrite: Replace a pool of other parameters.

    Returns:
        ``out``.

    Raises:
        ValueError: If a format is not known.
        DataError: If ``out`` holds something else, or a pool of other parameters and ``overwrite`` is False.
    """
    chosen = tuple(FORMATS if formats is None else formats)
    unknown = [name for name in chosen if name not in FORMATS]
    if unknown:
        raise ValueError(f"unknown formats {', '.join(unknown)}; there are {', '.join(FORMATS)}")
    out, parameters = Path(out), PoolParameters.of(config, sizes or PoolConfig())
    _claim(out, parameters, overwrite=overwrite)
    faces, objects, scenes = plan_faces(parameters), plan_objects(parameters), plan_scenes(parameters)
    tasks = [*face_tasks(faces), *class_tasks("objects", objects), *class_tasks("scenes", scenes)]
    draw_missing(out, parameters, tasks, workers=workers)
    people = _face_catalogue(out, faces)
    pool = Pool(
        out,
        people.rows((faces.split == "test") | ~faces.labelled),
        people.rows(faces.labelled),
        _class_catalogue(out, "objects", objects),
        _class_catalogue(out, "scenes", scenes),
    )
    for name in chosen:
        _write_format(pool, name)
    return out


def pool_cache(config: SyntheticConfig, sizes: PoolConfig) -> Path:
    """Return the folder in the user's cache that stores the pool of these settings between runs."""
    settings = repr((config.seed, config.strength, config.label_noise, sizes))
    return user_cache() / f"synthetic-pool-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"


def _claim(root: Path, parameters: PoolParameters, *, overwrite: bool) -> None:
    """Make the folder that of a pool; raise if it is something else."""
    marker, requested = root / POOL_MARKER, parameters.as_marker()
    stored = _read_marker(marker)
    if stored == requested:
        return
    if stored is None and root.exists() and any(POOL_MARKER not in entry.name for entry in root.iterdir()):
        raise DataError(
            f"{root} exists and is not a pool of synthetic pictures (it has no readable {POOL_MARKER}): "
            "name another folder, or delete this one"
        )
    if stored is not None and not overwrite:
        different = sorted(name for name in requested if stored.get(name) != requested[name])
        raise DataError(
            f"{root} holds synthetic pictures drawn with other values of {', '.join(different)}: "
            "name another folder, or delete this one"
        )
    if stored is not None:
        shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    partial = marker.with_name(f".{POOL_MARKER}.{secrets.token_hex(4)}")
    partial.write_text(json.dumps(requested, indent=2) + "\n", encoding="utf-8")
    partial.replace(marker)


def _read_marker(path: Path) -> dict[str, Any] | None:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


def _face_catalogue(root: Path, plan: FacePlan) -> Catalogue:
    names = np.array([face_name(row) for row in range(len(plan.person))])
    people = int(plan.person.max())
    return Catalogue(
        "synthetic",
        PictureFolder(root, names),
        {
            "attributes": AttributeLabels(CELEBA_ATTRIBUTES, plan.written.astype(np.float32)),
            "identity": ClassLabels(tuple(f"Person_{number:05d}" for number in range(1, people + 1)), plan.person - 1),
            "age": YearLabels(plan.years),
            "race": ClassLabels(RACE_NAMES, plan.race),
        },
        plan.split,
        plan.person,
    )


def _class_catalogue(root: Path, kind: str, plan: ClassPlan) -> Catalogue:
    rows = zip(plan.value.tolist(), plan.number.tolist(), strict=True)
    names = np.array([class_name(kind, plan.names[value], number) for value, number in rows])
    return Catalogue(
        "synthetic", PictureFolder(root, names), {"class": ClassLabels(plan.names, plan.value)}, plan.split
    )


def _write_format(pool: Pool, name: str) -> None:
    """Write a data set under a name of its own, which it gives up for the right one when it is complete."""
    target, chosen = pool.root / name, FORMATS[name]
    if target.exists():
        return
    for entry in pool.root.glob(f".{name}.partial-*"):
        if time.time() - entry.stat().st_mtime > _ABANDONED:
            shutil.rmtree(entry, ignore_errors=True)
    partial = pool.root / f".{name}.partial-{secrets.token_hex(4)}"
    write = getattr(import_module(f"reference_model.data.writers.{chosen.module}"), chosen.function)
    try:
        partial.mkdir()
        write(partial, chosen.rows(pool))
        # Another process may have been faster.
        with contextlib.suppress(OSError):
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
