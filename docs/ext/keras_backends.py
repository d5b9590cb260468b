"""A Sphinx extension that gives the pages of other Keras backends the text of one, with the backend's name exchanged.

The text is written once. Every page runs in a kernel of its own, since Keras chooses its backend once a process.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

WRITTEN = "tutorials/keras"
REPLACED = ("# Keras on TensorFlow\n", 'os.environ["KERAS_BACKEND"] = "tensorflow"\n')
"""The title and the line that chooses the backend."""
BACKENDS = {
    "tutorials/keras_jax": ("# Keras on JAX\n", 'os.environ["KERAS_BACKEND"] = "jax"\n'),
    "tutorials/keras_torch": ("# Keras on PyTorch\n", 'os.environ["KERAS_BACKEND"] = "torch"\n'),
}
"""What stands in the place of `REPLACED` on each other page."""


def on_backend(text: str, page: str) -> str:
    """The text for another backend's page.

    Raises:
        ExtensionError: a replaced line does not occur exactly once.
    """
    for old, new in zip(REPLACED, BACKENDS[page], strict=True):
        if text.count(old) != 1:
            raise ExtensionError(f"{WRITTEN}.md must hold the line {old!r} once, got it {text.count(old)} times")
        text = text.replace(old, new)
    return text


def read_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the text of another backend's page."""
    if page in BACKENDS:
        written = Path(app.env.doc2path(WRITTEN))
        app.env.note_dependency(str(written))
        source[0] = on_backend(written.read_text(encoding="utf-8"), page)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the reader of pages."""
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True}
