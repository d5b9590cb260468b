"""The make targets, files and modules that the pages name exist, and the first page shows what matters."""

import re
from importlib.util import find_spec

import pytest

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_refers_to_exists(page):
    text = page.read_text()
    assert make_targets(text) <= TARGETS
    assert {module for module in run_modules(text) if find_spec(module) is None} == set()
    assert {link for link in relative_links(text) if not (page.parent / link).exists()} == set()


def test_references_are_read_from_a_page():
    text = (
        "Run `make demo`.\n```bash\nmake test\n```\n`python -m benchmarks.loss_step`, [x](docs/a.md#b), [y](https://z)"
    )
    assert make_targets(text) == {"demo", "test"}
    assert run_modules(text) == {"benchmarks.loss_step"}
    assert relative_links(text) == {"docs/a.md"}


README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "needed",
    [
        *("docs/pictures/front.svg", "**`OBRLoss`**", "**`condition`**", "**`suspicion`**", "**`query_scores`**"),
        *("loss equals cross-entropy on most data", "drawn data", "three of four public tables", "pip install"),
        *("from obrl.torch import OBRLoss", "RelationMiner", "docs/howto/use_what_the_labels_know.md"),
    ],
)
def test_the_first_screen_of_the_readme_says_what_matters(needed):
    first_screen, heading, _ = README.partition("\n## ")
    assert heading and first_screen.count("\n") < 80
    assert needed in re.sub(r"\s+", " ", first_screen)


@pytest.mark.parametrize(
    "needed", ["make demo", "make test", "unit_pearson", '`measure="pearson"`', "No reading is", "no difference"]
)
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


def test_the_readme_shows_no_interface_that_does_not_exist():
    for name in re.findall(r"\bobrl\.(\w+)", README):
        assert find_spec(f"obrl.{name}") is not None, name


def test_the_changelog_has_its_form():
    text = (ROOT / "CHANGELOG.md").read_text()
    sections = set(re.findall(r"^### (.*)$", text, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_contributing_has_its_checklists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for checklist in ("Add a measure", "Add a framework", "Add a kernel", "Add a data set"):
        assert re.search(rf"^### {checklist}$", text, re.MULTILINE)
