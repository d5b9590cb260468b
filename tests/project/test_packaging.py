"""The version and the pins have one source, and pyproject keeps its promises; `make wheel` tries the wheel itself."""

import re
import tomllib
from importlib.metadata import version

import pytest

import obrl
from tests.project.helpers import ROOT, tracked_files

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
PINNED = {
    re.split(r"[=<>!~\[ ]", line, maxsplit=1)[0].lower().replace("_", "-")
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
}


def requirement_name(requirement):
    """`"torch>=2.6"` as `torch`."""
    return re.split(r"[=<>!~\[; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def all_requirements():
    """Every requirement of every extra and development group."""
    extras, groups = PROJECT["optional-dependencies"].values(), PYPROJECT["dependency-groups"].values()
    in_groups = {entry for group in groups for entry in group if isinstance(entry, str)}
    requirements = {*PROJECT["dependencies"], *(entry for extra in extras for entry in extra), *in_groups}
    return sorted(entry for entry in requirements if requirement_name(entry) != "obrl")


def test_the_version_has_one_source():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "obrl._version.__version__"}
    assigned = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix == ".py" and re.search(r"^__version__\s*[:=]", path.read_text(), re.MULTILINE)
    ]
    assert assigned == ["obrl/_version.py"]


def test_the_installed_version_is_that_of_the_source():
    assert version("obrl") == obrl.__version__


def test_the_changelog_knows_the_version():
    headings = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert obrl.__version__ in headings


@pytest.mark.parametrize("requirement", all_requirements())
def test_every_requirement_is_pinned_for_development(requirement):
    assert requirement_name(requirement) in PINNED


def test_a_malicious_upload_is_out_of_reach():
    (lightning,) = [r for r in PROJECT["optional-dependencies"]["reference"] if requirement_name(r) == "lightning"]
    lowest = tuple(int(part) for part in lightning.split(">=")[1].split("."))
    assert lowest > (2, 6, 3)


@pytest.mark.parametrize(
    "package",
    ["obrl", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("adapters/obrl_*")), "reference_model"],
)
def test_packages_are_typed(package):
    assert (ROOT / package / "py.typed").exists()
