"""``python -m reference_model``: which commands there are."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "train": "train one stage, or with --stage all every one; resume; compare the losses",
        "evaluate": "report on a net that was trained earlier, on any partition and data",
        "predict": "say what a trained net says of the pictures in a folder: a table, and a sheet of pictures",
        "export": "write the net of a finished run as ONNX or safetensors, with a model card",
        "tables": "make the paper's tables and figures, and others, from runs that are trained once",
        "data": "check a data set, or write all of them from drawn pictures",
        "data.synthetic": "draw faces in the layout of CelebA",
    }
)
"""The programs, ``python -m reference_model.NAME``, and what each does."""


def main(arguments: Sequence[str] | None = None) -> int:
    """List the commands.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0 where help was asked for, 2 for anything else, which is no command.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    width = max(map(len, COMMANDS))
    lines = [f"  python -m reference_model.{name.ljust(width)}  {text}" for name, text in COMMANDS.items()]
    listed = "\n".join(["The reference model has these commands, each with --help:", "", *lines])
    if not words or words[0] in ("-h", "--help"):
        print(listed)
        return 0
    instead = f"; write python -m reference_model.{words[0]}" if words[0] in COMMANDS else ""
    print(f"error: unexpected {words[0]!r}{instead}\n\n{listed}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
