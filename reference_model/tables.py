"""``python -m reference_model.tables NAME``: the paper's tables and figures, and others, from runs.

``python -m reference_model.tables again RECORD`` makes one again from its finished cells, which needs no torch.

The command line is parsed and checked here, before torch and Lightning are imported: help and mistakes show at once.
"""

from __future__ import annotations

import reference_model.openmp  # noqa: F401 - before torch

# isort: split

import sys
from collections.abc import Sequence

from reference_model.pipeline.tables.again import AGAIN, make_again, parse_again
from reference_model.pipeline.tables.command import help_text, parse_tables
from reference_model.pipeline.tables.direct import make_direct_table
from reference_model.runs import CTRL_C_EXIT, RunError, refuse
from reference_model.settings.plain import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0, 2 for settings or data that cannot be used, 130 or 143 after Ctrl-C or SIGTERM.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if any(word in ("-h", "--help") for word in words):
        print(help_text())
        return 0
    try:
        if words and words[0] == AGAIN:
            return make_again(parse_again(words[1:]))
        request = parse_tables(words)
        if not request.table.data:
            return make_direct_table(request)
        from reference_model.pipeline.tables.making import make_table  # imports torch and Lightning

        return make_table(request)
    except (SettingsError, RunError) as error:
        return refuse(error)
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on.", file=sys.stderr)
        return CTRL_C_EXIT


if __name__ == "__main__":
    sys.exit(main())
