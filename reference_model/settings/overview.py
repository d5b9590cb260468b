"""What ``--help`` lists beside the settings of a run: the options of ``--stage all``."""

from __future__ import annotations

from jsonargparse import ArgumentParser

from reference_model.settings.names import ROOTS, SCENES, STAGES
from reference_model.settings.presets import PRESETS


def list_options_of_all_stages(parser: ArgumentParser) -> None:
    """Add the options of ``--stage all`` to a parser of the settings, which is then fit for printing its help only.

    Args:
        parser: From `reference_model.settings.files.make_parser`.
    """
    choices = {"--stage": (*STAGES, "all"), "--preset": PRESETS}
    for action in parser._actions:
        for option in choices.keys() & set(action.option_strings):
            action.metavar = f"{{{','.join(choices[option])}}}"
    group = parser.add_argument_group("Every stage in one folder, with --stage all")
    group.add_argument(
        "--redo", metavar="STAGE", help="With --resume RUN: train this stage and every one that follows from it anew."
    )
    readers = {SCENES: ["face, as pictures without faces"]}
    for stage, names in ROOTS.items():
        for name in names:
            readers.setdefault(name, []).append(stage)
    for name, stages in sorted(readers.items()):
        group.add_argument(f"--roots.{name}", metavar="DIR", help=f"Where {name} lies; for {', '.join(stages)}.")
    group.add_argument(
        "--weights.pretrained", metavar="FILE", help="Weights that take the place of the stage pretrain."
    )
    group.add_argument(
        "--STAGE.SETTING", metavar="VALUE", help="A setting of one stage, such as --identity.train.epochs 8."
    )
