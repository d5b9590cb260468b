"""The Keras tutorial is written once; the pages of the other backends are the same text with another backend."""

import sys

import pytest
from sphinx.errors import ExtensionError

from tests.project.helpers import ROOT

sys.path.insert(0, str(ROOT / "docs" / "ext"))
from keras_backends import BACKENDS, REPLACED, WRITTEN, on_backend

TEXT = (ROOT / "docs" / f"{WRITTEN}.md").read_text()


@pytest.mark.parametrize("page", BACKENDS)
def test_a_page_differs_in_its_title_and_its_backend_alone(page):
    assert (ROOT / "docs" / f"{page}.md").exists()
    lines, others = TEXT.splitlines(), on_backend(TEXT, page).splitlines()
    changed = [(old, new) for old, new in zip(lines, others, strict=True) if old != new]
    assert [(f"{old}\n", f"{new}\n") for old, new in changed] == list(zip(REPLACED, BACKENDS[page], strict=True))


@pytest.mark.parametrize("line", REPLACED)
def test_a_text_without_a_line_to_replace_is_refused(line):
    with pytest.raises(ExtensionError, match="once, got it 0 times"):
        on_backend(TEXT.replace(line, ""), "tutorials/keras_jax")
    with pytest.raises(ExtensionError, match="once, got it 2 times"):
        on_backend(TEXT + line, "tutorials/keras_jax")
