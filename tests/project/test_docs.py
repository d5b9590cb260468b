"""The documentation builds without a warning, and a public name that it leaves out is one."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

import obrl
from tests.project.helpers import ROOT

sys.path.insert(0, str(ROOT / "docs" / "ext"))
from coverage_check import public_names, undocumented


def build(source, out):
    """Build a site as `make docs` does, without touching the repository."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(source), str(out)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs", out)
    assert done.returncode == 0, done.stderr
    return out


def test_the_site_builds_without_warnings(site):
    for page in ("index", "guide", "numpy", "relation", "definition", "evidence", "reference_model", "api/torch"):
        assert (site / f"{page}.html").exists()


def test_the_equations_stand_beside_their_code(site):
    text = (site / "definition.html").read_text()
    for name in ("Eq. 1, R_sb", "Eq. 2, second term", "Eq. 3, f_n", "# Eq. 4", "merge_states", "relation_terms"):
        assert name in text


def test_public_names_are_those_of_the_module_and_its_classes():
    names = dict(public_names(obrl))
    for expected in ("obrl.OBRLoss", "obrl.OBRLoss.value_and_grad", "obrl.OBRLoss.relation", "obrl.count_pairs"):
        assert expected in names
    assert not [name for name in names if name.rpartition(".")[2].startswith("_") and name != "obrl.__version__"]


def test_the_check_of_coverage_can_fail(monkeypatch):
    everything = dict(public_names(obrl))
    assert undocumented(["obrl"], everything) == []
    assert undocumented(["obrl"], set(everything) - {"obrl.OBRLoss.terms"}) == ["obrl.OBRLoss.terms"]

    def silent():
        pass

    module = SimpleNamespace(__name__="made_up", __all__=["silent"], silent=silent)
    monkeypatch.setitem(sys.modules, "made_up", module)
    assert undocumented(["made_up"], {"made_up.silent"}) == ["made_up.silent"]


def test_a_build_fails_on_an_undocumented_name(tmp_path):
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'docs' / 'ext')!r})\n"
        "extensions = ['coverage_check']\npublic_modules = ['obrl']\n"
    )
    (tmp_path / "index.rst").write_text("Title\n=====\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "public name without an entry in the API reference: obrl.OBRLoss" in done.stderr
