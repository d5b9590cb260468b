"""The make targets, files and modules that the pages name exist, and the first page shows what matters."""

import argparse
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import pytest

from benchmarks.evidence.__main__ import MEASUREMENTS
from obrl.mining.cli import COMMANDS
from tests.project.helpers import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
SUITES = re.search(r"^SUITES := (.*)$", MAKEFILE, re.MULTILINE)[1].split()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) | {f"suite-{name}" for name in SUITES}


def make_targets(text):
    """The targets that a page tells its reader to make: in code, or at the start of a line of a block."""
    return set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))


def run_modules(text):
    """The modules that a page runs with `python -m`, less those of the standard library's own tools."""
    return set(re.findall(r"python -m ([a-z_.]+[a-z_])", text)) - {"venv", "pip"}


def relative_links(text):
    """The files that a page links to, without the section; code has no links."""
    text = re.sub(r"^```.*?^```$|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
    return {link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in link}


def wrong_commands(text):
    """The commands `obrl NAME --option` within a sentence whose name or one of whose options does not exist."""
    return {command for command in re.findall(r"`obrl ([a-z][^`]*)`", text) if not exists(command.split())}


@cache
def options_of(command):
    parser = argparse.ArgumentParser()
    import_module(f"obrl.mining.cli.{command}").add_arguments(parser)
    return parser.format_help()


def exists(words):
    """Whether `obrl` has the command, and the command the options that follow."""
    options = [word for word in words if word.startswith("--")]
    return words[0] in COMMANDS and all(
        re.search(rf"{re.escape(option)}\b(?!-)", options_of(words[0])) for option in options
    )


def measurements(text):
    """The measurements that a page names."""
    return set(re.findall(r"python -m benchmarks\.evidence ([a-z_]+)", text))


def installed_from_an_index(text):
    """What a page installs by the name of the package."""
    return re.findall(r"""pip install ["']?(obrl[^"'`\s]*)""", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_refers_to_exists(page):
    text = page.read_text()
    assert make_targets(text) <= TARGETS
    assert {module for module in run_modules(text) if find_spec(module) is None} == set()
    assert {link for link in relative_links(text) if not (page.parent / link).exists()} == set()
    assert wrong_commands(text) == set()
    assert {name for name in measurements(text) if name not in MEASUREMENTS} == set()
    if page.name not in ("release.md", "CHANGELOG.md"):  # a reader has a checkout: no index has obrl
        assert installed_from_an_index(text) == []


def test_references_are_read_from_a_page():
    text = (
        "Run `make demo`.\n```bash\nmake test\n```\n`python -m benchmarks.loss_step`, [x](docs/a.md#b), [y](https://z)"
    )
    assert make_targets(text) == {"demo", "test"}
    assert run_modules(text) == {"benchmarks.loss_step"}
    assert relative_links(text) == {"docs/a.md"}
    wrong = wrong_commands("`obrl fill TABLE --only-missing`, `obrl fill --only`, `obrl paint`")
    assert wrong == {"fill --only", "paint"}
    assert measurements("`python -m benchmarks.evidence nothing`") - set(MEASUREMENTS) == {"nothing"}
    assert installed_from_an_index('pip install "obrl[torch]" or pip install ".[torch]"') == ["obrl[torch]"]


README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "needed",
    [
        *("docs/pictures/front.svg", "**`OBRLoss`**", "**`condition`**", "**`suspicion`**", "**`query_scores`**"),
        *("loss equals cross-entropy on most data", "drawn data", "three of four public tables", "pip install"),
        *(
            "`make demo`",
            "`make test`",
            "from obrl.torch import OBRLoss",
            "RelationMiner",
            "docs/howto/use_what_the_labels_know.md",
        ),
    ],
)
def test_the_first_screen_of_the_readme_says_what_matters(needed):
    first_screen, heading, _ = README.partition("\n## ")
    assert heading and first_screen.count("\n") < 80
    assert needed in re.sub(r"\s+", " ", first_screen)


@pytest.mark.parametrize("needed", ["unit_pearson", '`measure="pearson"`', "No reading is", "no difference"])
def test_the_readme_says_what_else_matters(needed):
    assert needed in re.sub(r"\s+", " ", README)


@pytest.mark.parametrize(
    ("page", "start", "end"),
    [
        ("index.md", "# obrl", "<!-- end of the first screen -->"),
        ("start/index.md", "<!-- what it is -->", "<!-- installation -->"),
        ("explanation/when_it_helps.md", "<!-- what to expect -->", "<!-- installation -->"),
    ],
)
def test_the_site_says_what_obrl_is_and_what_to_expect_in_the_words_of_the_readme(page, start, end):
    text = (ROOT / "docs" / page).read_text()
    options = re.search(r"^```{include} (?:\.\./)+README\.md\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[1]
    assert f":end-before: {end}\n" in options
    assert (f":start-after: {start}\n" in options) == start.startswith("<!--")
    assert README.index(start) < README.index("equals cross-entropy") < README.index(end)


def is_interface(name):
    """Whether a name such as `obrl.torch.OBRLoss` is a module, or stands in the last module before it."""
    place = ROOT / "obrl"
    for part in name.split(".")[1:]:
        if not (place / part).is_dir() and not (place / f"{part}.py").is_file():
            source = place / "__init__.py" if place.is_dir() else place
            return re.search(rf"\b{part}\b", source.read_text()) is not None
        place = place / part if (place / part).is_dir() else place / f"{part}.py"
    return True


def test_the_readme_shows_no_interface_that_does_not_exist():
    names = set(re.findall(r"\bobrl(?:\.[A-Za-z_]\w*)+", README))
    assert len(names) > 3
    assert {name for name in names if not is_interface(name)} == set()
    assert is_interface("obrl.torch.OBRLoss") and not is_interface("obrl.torch.NoSuchLoss")


CHECKLISTS = {"a measure", "a framework", "a kernel", "a data set", "a stage", "a page to the documentation"}


def test_contributing_has_its_checklists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"^### Add (.*)$", text, re.MULTILINE)) == CHECKLISTS
