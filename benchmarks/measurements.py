"""Packages of measurements: each is a module with `main(arguments)`, called by its name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module


def run_measurement(package: str, measurements: Mapping[str, str], arguments: list[str]) -> int:
    """Run one measurement, or list them.

    Args:
        package: the full name of the package.
        measurements: what each of its modules measures, by name.
        arguments: the name, and what the module takes.

    Returns:
        The exit status.
    """
    name = arguments[0] if arguments else "--help"
    if name not in measurements:
        lines = [f"  {known:12} {summary}" for known, summary in measurements.items()]
        print(f"usage: python -m {package} NAME [--help]", *lines, sep="\n")
        return 0 if name in ("-h", "--help") else 2
    return int(import_module(f"{package}.{name}").main(arguments[1:]))
