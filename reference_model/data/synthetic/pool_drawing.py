"""Drawing the pictures of a pool, by all processors; a cut drawing goes on where it stopped."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reference_model.attributes import CELEBA_ATTRIBUTES
from reference_model.data.synthetic.objects import draw_object
from reference_model.data.synthetic.plan import JPEG_QUALITY
from reference_model.data.synthetic.pool_plan import ClassPlan, FacePlan, PoolParameters
from reference_model.data.synthetic.render import render_face
from reference_model.data.synthetic.scene import make_person, make_scene
from reference_model.data.synthetic.scenes import draw_scene

_OBJECT, _PLACE = 8, 9
_CHUNK = 100
# A new process takes as long to start as some hundred pictures take to draw.
_PICTURES_A_PROCESS = 300


@dataclass(frozen=True)
class FaceTask:
    """A face to draw: its file below the pool, its number, its person, the attributes that it has, and its age."""

    name: str
    row: int
    person: int
    present: tuple[str, ...]
    years: float


@dataclass(frozen=True)
class ClassTask:
    """An object or a place to draw: its file below the pool, its kind, class and numbers."""

    name: str
    kind: str
    label: str
    place: int
    number: int


Task = FaceTask | ClassTask


def face_name(row: int) -> str:
    """Return the file of a face below the pool."""
    return f"faces/{row + 1:06d}.jpg"


def class_name(kind: str, label: str, number: int) -> str:
    """Return the file of an object or a place (``kind``: objects or scenes) below the pool."""
    return f"{kind}/{label}/{number + 1:04d}.jpg"


def face_tasks(plan: FacePlan) -> list[Task]:
    """Return the faces to draw."""
    present = [tuple(np.array(CELEBA_ATTRIBUTES)[row == 1].tolist()) for row in plan.drawn]
    rows = zip(plan.person.tolist(), present, plan.years.tolist(), strict=True)
    return [FaceTask(face_name(row), row, *values) for row, values in enumerate(rows)]


def class_tasks(kind: str, plan: ClassPlan) -> list[Task]:
    """Return the objects or places to draw."""
    rows = zip(plan.value.tolist(), plan.number.tolist(), strict=True)
    return [
        ClassTask(class_name(kind, plan.names[place], number), kind, plan.names[place], place, number)
        for place, number in rows
    ]


def draw_missing(root: Path, parameters: PoolParameters, tasks: list[Task], *, workers: int | None = None) -> int:
    """Draw the pictures that are not there yet.

    Each file appears under its name only when it is complete, and depends on the parameters and its number alone; so a
    drawing that was killed goes on, and the number of workers changes nothing.

    Args:
        root: The pool.
        parameters: What decides every picture.
        tasks: All of its pictures.
        workers: Processes that draw: one a processor, fewer for small pools. More than one start anew from the calling
            script, which therefore needs ``if __name__ == "__main__":``.

    Returns:
        How many pictures were drawn.
    """
    folders = sorted({str(Path(task.name).parent) for task in tasks})
    existing: set[str] = set()
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        existing.update(f"{folder}/{entry.name}" for entry in os.scandir(root / folder))
    missing = [task for task in tasks if task.name not in existing]
    chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
    if workers is None:
        workers = min(os.cpu_count() or 1, max(1, len(missing) // _PICTURES_A_PROCESS))
    show = _Progress(len(tasks), len(tasks) - len(missing))
    for count in _draw_chunks(root, parameters, chunks, workers):
        show.add(count)
    return len(missing)


def _draw_chunks(root: Path, parameters: PoolParameters, chunks: list[list[Task]], workers: int) -> Iterator[int]:
    if workers <= 1:
        for chunk in chunks:
            yield _draw_some(root, parameters, chunk)
        return
    # Forking a process that runs threads, as training does, is not safe.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_draw_some, root, parameters, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _draw_some(root: Path, parameters: PoolParameters, tasks: list[Task]) -> int:
    for task in tasks:
        path = root / task.name
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            _draw(parameters, task).save(partial, "JPEG", quality=JPEG_QUALITY)
            partial.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
    return len(tasks)


def _draw(parameters: PoolParameters, task: Task) -> Image.Image:
    seed = parameters.seed
    if isinstance(task, FaceTask):
        sizes, labels = parameters.sizes, dict.fromkeys(task.present, True)
        person = make_person(seed, task.person, identity_strength=sizes.identity_strength)
        scene = make_scene(seed, task.row, variation=sizes.variation)
        return render_face(person, scene, labels, years=task.years, strength=parameters.strength)
    purpose = _OBJECT if task.kind == "objects" else _PLACE
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose, task.place, task.number])))
    return draw_object(task.label, generator) if task.kind == "objects" else draw_scene(task.label, generator)


class _Progress:
    """Says how far a drawing is: all the time on a terminal, else where it starts and ends."""

    def __init__(self, total: int, done: int) -> None:
        self._total, self._done = total, done
        self._started, self._live = time.perf_counter(), sys.stderr.isatty()
        if done < total:
            before = f", {done:,} of them already there" if done else ""
            print(f"Drawing {total:,} pictures of people, objects and places{before} ...", flush=True)

    def add(self, count: int) -> None:
        """Count pictures that were drawn."""
        self._done += count
        seconds = time.perf_counter() - self._started
        if self._live:
            print(f"\r{self._done:,} of {self._total:,} ({seconds:.0f} s) ", end="", file=sys.stderr, flush=True)
        if self._done == self._total:
            if self._live:
                print(file=sys.stderr)
            print(f"Drawn in {seconds:.0f} s.", flush=True)
