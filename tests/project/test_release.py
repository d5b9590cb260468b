"""What a release rests on: one version, a changelog in its form, a citation, workflows that call targets that exist."""

import re
import subprocess
import sys
import tarfile
from datetime import date

import jsonschema
import pytest
import yaml

from obrl import __version__
from tests.project.helpers import ROOT
from tools.dist import normalise

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
HEADING = re.compile(r"^## \[([^\]]+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "family-names": {"type": "string"}, "given-names": {"type": "string"}},
    "additionalProperties": False,
    "minProperties": 1,
}
CITATION = {
    "type": "object",
    "required": ["authors", "cff-version", "message", "title"],
    "additionalProperties": False,
    "properties": {
        "cff-version": {"const": "1.2.0"},
        "message": {"type": "string", "minLength": 1},
        "type": {"enum": ["dataset", "software"]},
        "title": {"type": "string", "minLength": 1},
        "abstract": {"type": "string", "minLength": 1},
        "version": {"type": "string"},
        "date-released": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "license": {"const": "Apache-2.0"},
        "authors": {"type": "array", "items": PERSON, "minItems": 1, "uniqueItems": True},
        "keywords": {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
        "references": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["authors", "title", "type"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["article", "conference-paper", "generic"]},
                    "title": {"type": "string"},
                    "notes": {"type": "string"},
                    "authors": {"type": "array", "items": PERSON, "minItems": 1},
                },
            },
        },
    },
}
"""The part of the schema of the Citation File Format 1.2.0 that CITATION.cff uses; another key needs its rule here."""


def problems_of(changelog):
    """What is wrong with a changelog, one sentence each."""
    headings = HEADING.findall(changelog)
    wrong = [line for line in re.findall(r"^## .*$", changelog, re.MULTILINE) if not HEADING.fullmatch(line)]
    problems = [f"not the heading of a version: {line}" for line in wrong]
    if not headings or headings[0] != ("Unreleased", ""):
        problems.append("[Unreleased] is not on top")
    versions = [tuple(map(int, name.split("."))) for name, _ in headings[1:]]
    if versions != sorted(versions, reverse=True) or len(set(versions)) < len(versions):
        problems.append("versions do not descend")
    dates = [day for _, day in headings[1:] if day]
    if dates != sorted(dates, reverse=True):
        problems.append("dates do not descend")
    problems += [f"no day of the calendar: {day}" for day in dates if not is_day(day)]
    problems += [f"no section of Keep a Changelog: {name}" for name in section_names(changelog) if name not in SECTIONS]
    return problems


def is_day(text):
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def section_names(changelog):
    return re.findall(r"^### (.*)$", changelog, re.MULTILINE)


def test_the_changelog_has_its_form():
    assert problems_of(CHANGELOG) == []
    assert "https://keepachangelog.com/en/1.1.0/" in CHANGELOG
    assert "https://semver.org/" in CHANGELOG
    assert HEADING.findall(CHANGELOG)[1][0] == __version__


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("## [0.1.0]\n", "[Unreleased] is not on top"),
        ("## [Unreleased]\n## [0.1.0]\n## [0.2.0]\n", "versions do not descend"),
        ("## [Unreleased]\n## [0.9.0]\n## [0.10.0]\n", "versions do not descend"),
        ("## [Unreleased]\n## [0.2.0] - 2024-01-01\n## [0.1.0] - 2024-02-01\n", "dates do not descend"),
        ("## [Unreleased]\n## [0.1.0] - 2024-02-30\n", "no day of the calendar: 2024-02-30"),
        ("## [Unreleased]\n## 0.1.0\n", "not the heading of a version: ## 0.1.0"),
        ("## [Unreleased]\n### New\n", "no section of Keep a Changelog: New"),
    ],
)
def test_a_changelog_in_another_form_is_refused(text, problem):
    assert problem in problems_of(text)


def test_the_citation_is_of_this_version_and_in_its_form():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    jsonschema.validate(citation, CITATION)
    assert citation["version"] == __version__
    (paper,) = citation["references"]
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert paper["title"] in readme
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**citation, "doi": "10.0/unknown"}, CITATION)


def test_the_documentation_takes_its_version_from_the_package():
    assert re.search(r"__version__|obrl\.version|version\(", (ROOT / "docs" / "conf.py").read_text())
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = re.compile(r"obrl(?:==| )(\d+\.\d+\.\d+)")
    assert [page for page in pages if named.search(page.read_text())] == []  # it would be out of date soon
    assert named.search(f"pip install obrl=={__version__}")


def targets_in(text):
    """The targets of make in commands."""
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", text))


def test_workflows_and_the_checklist_call_targets_that_exist():
    exist = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = targets_in((ROOT / "docs/contributing/release.md").read_text())
    for path in WORKFLOWS:
        steps = [step for job in yaml.safe_load(path.read_text())["jobs"].values() for step in job["steps"]]
        assert all(("run" in step) != ("uses" in step) for step in steps)
        for step in steps:
            called |= targets_in(step.get("run", ""))
            for script in re.findall(r"bash (\S+)", step.get("run", "")):
                assert (ROOT / script).is_file()
    assert {"docs", "dist"} <= called <= exist
    assert targets_in("run: make nothing") - exist == {"nothing"}


def test_publishing_needs_no_secret():
    text = (ROOT / ".github/workflows/release.yml").read_text()
    publish = yaml.safe_load(text)["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert not any("secrets." in path.read_text() for path in WORKFLOWS)


def test_every_extra_resolves_together(tmp_path):
    """`pip install 'obrl[all]'` with the pinned versions, without installing anything."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "obrl/_version.py", "obrl/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "adapters").mkdir()
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-build-isolation", "--quiet"]
    done = subprocess.run(
        [*command, "--constraint", str(ROOT / "constraints.txt"), f"{tmp_path}[all]"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_extra_all_names_every_other():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"[a-z-]+", everything.partition("[")[2])) == set(extras) - {"all"}


def test_a_source_distribution_does_not_show_who_built_it(tmp_path):
    archives = []
    for number, (mode, time) in enumerate([(0o600, 1e9), (0o644, 1.5e9)]):
        (tmp_path / "file").write_text("text")
        (tmp_path / "file").chmod(mode)
        path = tmp_path / f"{number}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            entry = archive.gettarinfo(tmp_path / "file", "obrl/file")
            entry.mtime, entry.uname = time, f"user {number}"
            with (tmp_path / "file").open("rb") as content:
                archive.addfile(entry, content)
        assert path.read_bytes() not in archives
        normalise(path, 1_700_000_000)
        archives.append(path.read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(path) as archive:
        assert archive.extractfile("obrl/file").read() == b"text"
