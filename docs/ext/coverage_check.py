"""A Sphinx extension that warns of every public name that the API reference leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from importlib import import_module
from types import ModuleType

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

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


def check_coverage(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn once for every name that is missing."""
    documented = {entry[0] for entry in env.get_domain("py").get_objects()}
    for name in undocumented(app.config.public_modules, documented):
        logger.warning("public name without an entry in the API reference: %s", name, type="coverage")


def setup(app: Sphinx) -> dict[str, object]:
    """Register the check."""
    app.add_config_value("public_modules", [], "env")
    app.connect("env-check-consistency", check_coverage)
    return {"parallel_read_safe": True}
