"""The documentation builds without a warning; a public name without an entry in the reference is a warning."""

import sys
from types import SimpleNamespace

import obrl
from tests.docs.conftest import build
from tests.project.helpers import ROOT

sys.path.insert(0, str(ROOT / "docs" / "ext"))
from coverage_check import public_names, undocumented


def test_the_site_builds_without_warnings(site):
    for page in (
        "index",
        "start/first_loss",
        "tutorials/pytorch",
        "howto/resume",
        "guides/torch",
        "explanation/relation",
        "evidence",
        "reference_model/reference_model",
        "api/torch",
        "api/settings",
        "contributing/map",
    ):
        assert (site / f"{page}.html").exists()


def test_the_equations_stand_beside_their_code(site):
    text = (site / "explanation" / "definition.html").read_text()
    for name in ("Eq. 1, R_sb", "Eq. 2, second term", "Eq. 3, f_n", "# Eq. 4", "merge_states", "relation_terms"):
        assert name in text


def test_names_without_an_entry_or_a_docstring_are_reported(monkeypatch):
    names = {name for name, _ in public_names(obrl)}
    assert {"obrl.OBRLoss", "obrl.OBRLoss.value_and_grad", "obrl.OBRLoss.relation", "obrl.count_pairs"} <= names
    assert {name for name in names if name.rpartition(".")[2].startswith("_")} == {"obrl.__version__"}
    assert undocumented(["obrl"], names) == []
    assert undocumented(["obrl"], names - {"obrl.OBRLoss.terms"}) == ["obrl.OBRLoss.terms"]

    def silent():
        pass

    module = SimpleNamespace(__name__="example", __all__=["silent"], silent=silent)
    monkeypatch.setitem(sys.modules, "example", module)
    assert undocumented(["example"], {"example.silent"}) == ["example.silent"]


def test_a_build_fails_on_an_undocumented_name(tmp_path):
    (tmp_path / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'docs' / 'ext')!r})\n"
        "extensions = ['coverage_check']\npublic_modules = ['obrl']\n"
    )
    (tmp_path / "index.rst").write_text("Title\n=====\n")
    done = build(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert "public name without an entry in the API reference: obrl.OBRLoss" in done.stderr
