"""Writing synthetic faces in CelebA's own layout."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import secrets
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.catalogue import SPLITS, AttributeLabels, Catalogue, PictureFolder
from reference_model.data.errors import DataError
from reference_model.data.synthetic.plan import JPEG_QUALITY, Parameters, Plan, make_plan
from reference_model.data.synthetic.render import render_face
from reference_model.data.synthetic.scene import make_person, make_scene
from reference_model.data.writers.celeba import write_celeba

MARKER = "synthetic_faces.json"
"""Written last: a folder with this file holds a finished set, drawn with the parameters in it."""

# A new process takes as long to start as a hundred faces take to draw.
_FACES_A_PROCESS = 200
_CHUNK = 50


def write_synthetic_faces(
    root: Path,
    *,
    num_train: int,
    num_valid: int,
    num_test: int,
    seed: int = 0,
    strength: float = 1.0,
    label_noise: float = 0.0,
    pictures_per_person: int = 8,
    identity_strength: float = 0.4,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Draw faces and write them as CelebA is laid out, so that `read_celeba` reads them.

    The folder gets ``img_align_celeba/000001.jpg`` and so on (178 x 218), the three lists and a marker with the
    parameters. It appears under its name only when it is complete; where it is there already with the same parameters,
    nothing is done. The files do not depend on the number of workers.

    Args:
        root: The folder to write.
        num_train: Pictures in the training partition.
        num_valid: Pictures in the validation partition; no person is in two partitions.
        num_test: Pictures in the test partition.
        seed: Seed of labels, people and scenes.
        strength: How visible the attributes are, in [0, 1]; at 0 the pictures tell nothing about the labels.
        label_noise: Probability that a written label is the wrong one, in [0, 0.5].
        pictures_per_person: Largest number of pictures of one person.
        identity_strength: How far people differ in geometry, brows and moles, in [0, 1].
        workers: Processes that draw: one a processor, fewer for small sets. More than one start anew from the calling
            script, which therefore needs ``if __name__ == "__main__":``.
        overwrite: Replace a finished set that was drawn with other parameters.

    Returns:
        ``root``.

    Raises:
        ValueError: If a parameter is out of range.
        DataError: If ``root`` holds a set with other parameters and ``overwrite`` is False, or holds anything else.
    """
    root = Path(root)
    parameters = Parameters(
        num_train, num_valid, num_test, seed, strength, label_noise, pictures_per_person, identity_strength
    )
    if _is_finished(root, parameters, overwrite=overwrite):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.with_name(f".{root.name}.partial-{secrets.token_hex(4)}")
    try:
        _write(partial, parameters, workers)
        _move(partial, root, parameters)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root


def _is_finished(root: Path, parameters: Parameters, *, overwrite: bool = False) -> bool:
    """Return whether the set of these parameters is there, False if it may be written; raise if the folder is used."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        stored: Any = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise DataError(
            f"{root} exists and is not a finished set of synthetic faces (it has no readable {MARKER}): "
            "name another folder"
        ) from None
    requested = parameters.as_marker()
    if stored == requested:
        return True
    if overwrite:
        return False
    stored = stored if isinstance(stored, dict) else {}
    different = [
        f"{name} {stored.get(name)!r} instead of {requested.get(name)!r}"
        for name in sorted(set(stored) | set(requested))
        if stored.get(name) != requested.get(name)
    ]
    raise DataError(
        f"{root} holds synthetic faces drawn with {', '.join(different)}: name another folder, or overwrite it"
    )


def _move(partial: Path, root: Path, parameters: Parameters) -> None:
    """Give the finished set its name, in place of an older one; another process may have been faster."""
    old = root.with_name(f".{root.name}.old-{secrets.token_hex(4)}")
    with contextlib.suppress(FileNotFoundError):
        root.rename(old)
    try:
        partial.rename(root)
    except OSError:
        if not _is_finished(root, parameters):
            raise
    shutil.rmtree(old, ignore_errors=True)


def _write(folder: Path, parameters: Parameters, workers: int | None) -> None:
    drawn = folder / "drawn"
    drawn.mkdir(parents=True)
    plan = make_plan(parameters)
    _draw_all(drawn, parameters, plan, workers)
    catalogue = Catalogue(
        "synthetic",
        PictureFolder(drawn, np.array([_file_name(row) for row in range(parameters.total)])),
        {"attributes": AttributeLabels(CELEBA_ATTRIBUTES, plan.written.astype(np.float32))},
        np.array(SPLITS)[plan.split],
        plan.person,
    )
    write_celeba(folder, catalogue)
    shutil.rmtree(drawn)
    (folder / MARKER).write_text(json.dumps(parameters.as_marker(), indent=2) + "\n", encoding="utf-8")


def _file_name(row: int) -> str:
    return f"{row + 1:06d}.jpg"


def _draw_all(images: Path, parameters: Parameters, plan: Plan, workers: int | None) -> None:
    most = max(1, parameters.total // _FACES_A_PROCESS)
    workers = min(os.cpu_count() or 1, most) if workers is None else workers
    starts = range(0, parameters.total, _CHUNK)
    tasks = [
        (images, parameters, start, plan.drawn[start : start + _CHUNK], plan.person[start : start + _CHUNK])
        for start in starts
    ]
    if workers <= 1:
        for task in tasks:
            _draw_some(*task)
        return
    # Forking a process that runs threads, as training does, is not safe.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        for future in [pool.submit(_draw_some, *task) for task in tasks]:
            future.result()


def _draw_some(
    images: Path,
    parameters: Parameters,
    start: int,
    labels: npt.NDArray[np.uint8],
    people: npt.NDArray[np.int64],
) -> None:
    for row, (values, number) in enumerate(zip(labels.astype(bool).tolist(), people.tolist(), strict=True), start):
        person = make_person(parameters.seed, number, identity_strength=parameters.identity_strength)
        scene = make_scene(parameters.seed, row)
        shown = dict(zip(CELEBA_ATTRIBUTES, values, strict=True))
        picture = render_face(person, scene, shown, strength=parameters.strength)
        picture.save(images / _file_name(row), "JPEG", quality=JPEG_QUALITY)
