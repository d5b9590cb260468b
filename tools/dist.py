"""Build the wheel and the source distribution, twice, and refuse what differs: python -m tools.dist OUT.

Both builds start from copies of the repository's files as git knows them, in folders of other names, with the time of
the last commit for every file. What is equal goes to OUT, after the checks of twine, of the wheel's contents and of the
source distribution's files, and after a test that runs from the latter.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEST = "tests/core/test_logits.py"
"""What runs from the unpacked source distribution; all of tests/core would."""


def git(*words: str) -> str:
    """What git prints in the repository."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def repository_files() -> list[str]:
    """The files that git knows, or would add."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return [name for name in listed if name and (ROOT / name).is_file()]


def build(work: Path, epoch: int) -> Path:
    """Build both distributions from a copy of the repository, whose permissions are those that git knows.

    Returns:
        The folder of the two.
    """
    source = work / "source"
    for name in repository_files():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        target.chmod(0o755 if os.access(ROOT / name, os.X_OK) else 0o644)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(work / "dist"), str(source)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    ended = subprocess.run(command, env=environment, umask=0o022, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"the build failed\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}")
    for path in (work / "dist").glob("*.tar.gz"):
        normalise(path, epoch)
    return work / "dist"


def normalise(path: Path, epoch: int) -> None:
    """Write a source distribution again, without its builder's name, permissions, order of files and times."""
    fresh = path.with_suffix(".new")
    with (
        tarfile.open(path) as archive,
        fresh.open("wb") as raw,
        gzip.GzipFile("", "wb", mtime=epoch, fileobj=raw) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            entry = tarfile.TarInfo(member.name)
            entry.type, entry.size, entry.mtime = member.type, member.size, epoch
            entry.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            target.addfile(entry, archive.extractfile(member) if member.isfile() else None)
    fresh.replace(path)


def check_source_distribution(path: Path, work: Path) -> None:
    """Refuse a source distribution that lacks a file of the repository, or in which a test of the core fails."""
    with tarfile.open(path) as archive:
        archive.extractall(work, filter="data")
    (unpacked,) = work.iterdir()
    if missing := [name for name in repository_files() if not (unpacked / name).is_file()]:
        sys.exit(f"{path.name} lacks {', '.join(missing[:20])}: name them in MANIFEST.in")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(unpacked), str(unpacked / "adapters")])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TEST]
    subprocess.run(command, cwd=unpacked, env=environment, check=True)


def main() -> None:
    """Build, compare, check, and put the distributions into the folder that the command line names."""
    out, epoch = Path(sys.argv[1]), int(git("log", "-1", "--format=%ct"))
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        built = build(Path(first), epoch)
        again = build(Path(second) / "elsewhere", epoch)
        paths = sorted(built.iterdir())
        for path in paths:
            if path.read_bytes() != (again / path.name).read_bytes():
                sys.exit(f"{path.name} differs between two builds of the same commit")
        subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *map(str, paths)], check=True)
        (wheel,) = built.glob("*.whl")
        contents = ROOT / "tests/wheel/check_contents.py"
        subprocess.run([sys.executable, str(contents), str(wheel), str(Path(first) / "source")], check=True)
        check_source_distribution(next(built.glob("*.tar.gz")), Path(first) / "unpacked")
        out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copyfile(path, out / path.name)
            print(out / path.name)


if __name__ == "__main__":
    main()
