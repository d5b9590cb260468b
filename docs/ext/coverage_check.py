"""A Sphinx extension that warns of public names that the API reference leaves out, and of those without an example."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
logger = logging.getLogger(__name__)


def public_names(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The full names in a module's `__all__`, and the public methods and properties of the classes among them.

    Members that a class inherits count where the class that defines them is of the same project: a user of
    `nn.Module` looks up `parameters` elsewhere.
    """
    project = module.__name__.partition(".")[0]
    for name in module.__all__:
        value = getattr(module, name)
        yield f"{module.__name__}.{name}", value
        if not inspect.isclass(value):
            continue
        ours = [base for base in value.__mro__ if base.__module__.startswith(project)]
        members = {member: attribute for base in reversed(ours) for member, attribute in vars(base).items()}
        for member, attribute in members.items():
            documentable = inspect.isfunction(attribute) or isinstance(attribute, property | classmethod | staticmethod)
            if not member.startswith("_") and documentable:
                yield f"{module.__name__}.{name}.{member}", attribute


def undocumented(modules: Collection[str], documented: Collection[str]) -> list[str]:
    """The public names of the modules that are not documented, or documented without a docstring.

    Args:
        modules: names of modules to import.
        documented: full names in the reference.
    """
    missing = []
    for module in modules:
        for name, value in public_names(import_module(module)):
            if name.endswith(".__version__"):
                continue
            has_text = not callable(value) or bool(inspect.getdoc(value))
            if name not in documented or not has_text:
                missing.append(name)
    return missing


def without_example(modules: Collection[str], pages: Collection[str] = ()) -> list[str]:
    """The public classes and functions of the modules that no example shows, by their full names.

    An example is a doctest of the docstring; or one of the module's docstring, or a block of Python on a page of the
    reference that names the module, where it uses the name: values that belong together have an example in common.
    Methods and properties are shown by their class.

    Args:
        modules: names of modules to import.
        pages: the texts of the reference's pages.
    """
    blocks = [block for page in pages for block in BLOCK.findall(page)]
    missing = []
    for name in modules:
        module = import_module(name)
        parent, _, last = name.rpartition(".")
        imported = re.compile(rf"\b(from {name}|import {name}|from {parent} import {last})\b")
        shown = "\n".join([doctests(module), *(block for block in blocks if imported.search(block))])
        for public in module.__all__:
            value = getattr(module, public)
            is_code = inspect.isclass(value) or inspect.isfunction(value)
            if is_code and not doctests(value) and not re.search(rf"\b{public}\b", shown):
                missing.append(f"{name}.{public}")
    return missing


def doctests(value: object) -> str:
    """The doctests of a docstring, without what they print."""
    return "\n".join(re.findall(r"^\s*(?:>>>|\.\.\.) (.*)$", inspect.getdoc(value) or "", re.MULTILINE))


def check_coverage(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn once for every name that is missing, and for every one without an example."""
    documented = {entry[0] for entry in env.get_domain("py").get_objects()}
    for name in undocumented(app.config.public_modules, documented):
        logger.warning("public name without an entry in the API reference: %s", name, type="coverage")
    pages = [page.read_text(encoding="utf-8") for page in Path(app.srcdir, "api").glob("*.md")]
    for name in without_example(app.config.public_modules, pages):
        logger.warning("public name without an example: %s", name, type="coverage")


def setup(app: Sphinx) -> dict[str, object]:
    """Register the check."""
    app.add_config_value("public_modules", [], "env")
    app.connect("env-check-consistency", check_coverage)
    return {"parallel_read_safe": True}
