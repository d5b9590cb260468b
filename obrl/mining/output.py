"""Results appear whole or not at all: they are written beside their place and renamed at the end."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obrl.mining.errors import MiningError

RUN = "run.json"
SUSPECTS = "suspects.json"
TASKS = "tasks.json"
MARKS = (RUN, SUSPECTS, TASKS)
"""The files that say how results came about; results may be written into a folder that has one."""
RELATION = "relation.npz"
REPORT = "report.html"
HISTORY = "history.npz"
PART = ".part"


def check_folder(path: str | os.PathLike[str], option: str = "--out") -> Path:
    """Check that a folder of results can be written, before any work is done.

    Args:
        path: a folder that does not exist yet, is empty, or holds earlier results. Files of the same names will be
            replaced, and others stay.
        option: what the user named it with, for errors.

    Raises:
        MiningError: a file, a folder that holds something else, or a place where nothing can be written.
    """
    folder = Path(path)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise MiningError(f"{folder}: expected a folder for the results, got a file; name another with {option}")
    if folder.is_dir() and any(folder.iterdir()) and not any((folder / mark).is_file() for mark in MARKS):
        raise MiningError(
            f"{folder}: the folder holds files that are no results of obrl; name an empty or a new one with {option}"
        )
    _check_parent(folder)
    return folder


def beside(folder: str | os.PathLike[str], ending: str) -> Path:
    """The path of what belongs to a folder and lies beside it, under the folder's name with an ending.

    `.` and `..` are no names, so that the folder they stand for is asked.
    """
    path = Path(folder)
    if path.name in ("", ".."):
        path = path.resolve()
    return path.with_name(path.name + ending)


def check_file(path: str | os.PathLike[str], option: str = "--out") -> Path:
    """Check that a file of results can be written, before any work is done.

    Args:
        path: of the file; one that exists will be replaced.
        option: what the user named it with, for errors.

    Raises:
        MiningError: a folder, or a place where nothing can be written.
    """
    file = Path(path)
    if file.is_dir():
        raise MiningError(f"{file}: expected a file for the results, got a folder; name a file with {option}")
    _check_parent(file)
    return file


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir():
        raise MiningError(f"{path}: nothing can be written there, for {parent} is a file")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise MiningError(f"{path}: nothing can be written there, for the folder {parent} is not writable")


@contextmanager
def folder_of_results(path: str | os.PathLike[str], option: str = "--out") -> Iterator[Path]:
    """A folder to write into, which takes its name once the block ends well, and disappears otherwise.

    Where the folder exists, its files are moved there one by one.

    Args:
        path: as in `check_folder`, which is asked first.
        option: what the user named it with, for errors.

    Yields:
        `path` with `.part` appended.

    Raises:
        MiningError: nothing can be written there, or the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with folder_of_results(f"{directory}/mined") as part:
        ...         _ = (part / "run.json").write_text("{}")
        ...     sorted(entry.name for entry in Path(directory).iterdir())
        ['mined']
    """
    folder = check_folder(path, option)
    part = beside(folder, PART)
    _remove(part)
    try:
        part.mkdir(parents=True)
        yield part
        for file in part.iterdir():
            _sync(file)
        if folder.is_dir():
            for file in sorted(part.iterdir(), key=lambda file: file.name in MARKS):  # what says how comes last
                file.replace(folder / file.name)
            _remove(part)
        else:
            part.rename(folder)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError):
            raise _refused(folder, error) from error
        raise


@contextmanager
def file_of_results(path: str | os.PathLike[str], option: str = "--out") -> Iterator[Path]:
    """A file to write, which takes its name once the block ends well, and disappears otherwise.

    Args:
        path: as in `check_file`, which is asked first.
        option: what the user named it with, for errors.

    Yields:
        A path in the same folder with the same ending.

    Raises:
        MiningError: nothing can be written there, or the disk is full.
    """
    file = check_file(path, option)
    part = file.with_name(f"{file.stem}{PART}{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        part.replace(file)
    except BaseException as error:
        _remove(part)
        if isinstance(error, OSError):
            raise _refused(file, error) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(file: Path) -> None:
    """Have the system write the file out, so that a full disk is noticed now."""
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _refused(path: Path, error: OSError) -> MiningError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = "the disk is full" if full else (error.strerror or str(error)).lower()
    return MiningError(f"{path}: {reason}; nothing was written there")
