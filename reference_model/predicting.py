"""What ``python -m reference_model.predict`` does once its arguments are known: load, predict, write."""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from reference_model.data.alignment import Landmarks, read_landmarks
from reference_model.data.catalogue import PictureFolder
from reference_model.data.every_file import list_files
from reference_model.engine.model_file import ModelFile, load_model
from reference_model.engine.predicting import Answer, predict
from reference_model.reports.implausible import pairs_from_plain
from reference_model.reports.predictions import (
    AttributeWording,
    ClassWording,
    EmbeddingWording,
    Wording,
    YearsWording,
    cutoffs_for,
    describe_cutoffs,
)
from reference_model.reports.sheet import MAX_PICTURES, SheetCell, write_sheet
from reference_model.runs import RunError


def predict_folder(weights: Path, options: argparse.Namespace) -> int:
    """Predict for every file of a folder, and write the results.

    Args:
        weights: The net's file.
        options: The command line, checked as far as that needs no torch.

    Returns:
        The number of files that cannot be used.

    Raises:
        ValueError: If the net, the folder or the landmarks cannot be used; nothing was written then.
    """
    results = tuple(path for path in (options.out, options.sheet, options.embeddings) if path is not None)
    files = list_files(options.folder, without=results)
    landmarks = None if options.landmarks is None else _landmarks(options.landmarks, files)
    model = load_model(weights)
    check_request(model, options)
    wording = wording_of(model, options.cutoffs)
    print(describe_net(model, options, aligned=landmarks is not None), flush=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # oddities of files that can be read all the same
        unusable, flagged = _write(options, files, wording, predict(model, files, landmarks))
    used = len(files) - unusable
    print(f"{options.out}: {used} pictures; {unusable} files cannot be used")
    if isinstance(wording, AttributeWording) and wording.pairs and used:
        print(
            f"{flagged} pictures ({flagged / used:.1%}) have a pair of values that the training labels all but exclude"
        )
    return unusable


def check_request(model: ModelFile, options: argparse.Namespace) -> None:
    """Check that what the net says was asked for.

    Raises:
        RunError: If not; the message says what to do.
    """
    stage = model.stage.name
    if stage == "race" and not options.race:
        raise RunError(f"{model.path} predicts race, which is written on request only: give --race")
    if stage == "identity" and options.embeddings is None:
        raise RunError(f"{model.path} gives embeddings, which are written on request only: give --embeddings FILE.npy")
    if options.race and stage != "race":
        raise RunError(f"--race is for a net of the stage race; {model.path} is one of the stage {stage}")
    if options.embeddings is not None and stage != "identity":
        raise RunError(f"--embeddings is for a net of the stage identity; {model.path} is one of the stage {stage}")
    if options.cutoffs != "half" and stage != "attributes":
        raise RunError(f"--cutoffs is for a net of the stage attributes; {model.path} is one of the stage {stage}")


def wording_of(model: ModelFile, cutoffs: str) -> Wording:
    """Return how the predictions of a net are written.

    Raises:
        ValueError: If the net's file has no such cut-offs.
    """
    if model.stage.name == "attributes":
        pairs = pairs_from_plain(model.details.get("implausible_pairs", ()))
        return AttributeWording(model.names, cutoffs_for(cutoffs, model.calibration, len(model.names)), pairs)
    if model.stage.name == "age":
        return YearsWording()
    if model.stage.name == "identity":
        return EmbeddingWording()
    return ClassWording(model.stage.name if model.stage.name == "race" else "class", model.names)


def describe_net(model: ModelFile, options: argparse.Namespace, *, aligned: bool) -> str:
    """Return what is loaded and what is done to the pictures, in words."""
    lines = [
        f"{model.path}: stage {model.stage.name}, trained on {model.data}; pictures become {model.size} x {model.size} "
        "pixels"
    ]
    if model.stage.name == "attributes":
        lines.append(describe_cutoffs(options.cutoffs, model.calibration))
    if aligned:
        lines.append(f"No face is searched for: pictures are turned and cut by the landmarks of {options.landmarks}.")
    else:
        lines.append(
            f"No face is searched for: each picture must show one face, framed like those of {model.data}; "
            "--landmarks aligns others."
        )
    return "\n".join(lines)


def _landmarks(path: Path, files: PictureFolder) -> Landmarks:
    landmarks = read_landmarks(path)
    if not any(name in landmarks.points for name in files.names.tolist()):
        raise RunError(
            f"{path} has landmarks for none of the {len(files)} files in {files.root}; names are relative to it, like "
            f"{printable(files.name(0))}"
        )
    return landmarks


def _write(
    options: argparse.Namespace, files: PictureFolder, wording: Wording, answers: Iterator[Answer]
) -> tuple[int, int]:
    """Write the results; return how many files cannot be used, and how many pictures contradict themselves."""
    shown = set(np.linspace(0, len(files) - 1, min(MAX_PICTURES, len(files))).astype(int).tolist())
    cells: list[SheetCell] = []
    vectors: dict[int, np.ndarray] = {}
    unusable = flagged = 0
    with _finished_or_nothing(options.out) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["file", *wording.columns, "error"])
        for answer in answers:
            name = printable(files.name(answer.row))
            if answer.values is None or answer.pixels is None:
                unusable += 1
                print(f"cannot be used: {printable(answer.reason)}", file=sys.stderr)
                table.writerow([name, *[""] * len(wording.columns), printable(answer.reason)])
                continue
            problems = wording.warnings(answer.values)
            flagged += bool(problems)
            table.writerow([name, *wording.cells(answer.values), ""])
            if options.sheet is not None and answer.row in shown:
                cells.append(SheetCell(answer.pixels, name, wording.lines(answer.values), problems))
            if options.embeddings is not None:
                vectors[answer.row] = answer.values.astype(np.float32)
    if options.embeddings is not None:
        _write_vectors(options.embeddings, vectors, len(files))
    if options.sheet is not None and cells:
        write_sheet(options.sheet, cells)
        print(f"{options.sheet}: {len(cells)} pictures as the net saw them")
    elif options.sheet is not None:
        print(f"{options.sheet} is not written: no picture can be used")
    return unusable, flagged


@contextmanager
def _finished_or_nothing(path: Path) -> Iterator[IO[str]]:
    """Open a text file that gets its name once it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_vectors(path: Path, vectors: dict[int, np.ndarray], count: int) -> None:
    """Write embeddings, a row a file; those of files that cannot be used are NaN."""
    length = len(next(iter(vectors.values()))) if vectors else 0
    rows = np.full((count, length), np.nan, dtype=np.float32)
    for row, vector in vectors.items():
        rows[row] = vector
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with unfinished.open("wb") as stream:
            np.save(stream, rows)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"{path}: embeddings, a row a file in the order of the table")


def printable(text: str) -> str:
    """Return a text whose bytes that are no UTF-8, as file names may have, are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
