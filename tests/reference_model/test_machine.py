"""What results say of the machine and of the sources that they were computed with."""

import subprocess
from pathlib import Path

from reference_model.machine import commit_of, processor_name


def test_the_commit_says_whether_the_sources_differ_from_it(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None  # no checkout
    assert commit_of(tmp_path / "absent") is None

    git = ["git", "-c", "user.name=A", "-c", "user.email=a@b", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    source = tmp_path / "source.py"
    source.write_text("a = 1\n")
    subprocess.run([*git, "add", "source.py"], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "first"], check=True)
    commit = commit_of(tmp_path)
    assert commit is not None and len(commit) == 40

    installed = tmp_path / "dist-packages"
    installed.mkdir()
    (installed / "package.py").write_text("b = 1\n")
    assert commit_of(installed) is None, "the commit is that of the repository around it"

    source.write_text("a = 2\n")
    assert commit_of(tmp_path) == f"{commit}-dirty"


def test_the_processor_has_a_name() -> None:
    assert processor_name().strip()
