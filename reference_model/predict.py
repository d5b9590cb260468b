"""``python -m reference_model.predict``: what a trained net says of the pictures in a folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reference_model.pipeline.files import PIPELINE_FILE
from reference_model.runs import CTRL_C_EXIT, RunError, find_run, refuse
from reference_model.settings.files import load_config
from reference_model.settings.plain import SettingsError

CUTOFFS = ("half", "accuracy", "f1", "balanced")
UNUSABLE_EXIT = 1

DESCRIPTION = """\
Write what a trained net says of every picture in a folder: probabilities of the attributes, years, or the
probabilities of classes. The preprocessing comes from the weights.

No face is searched for. Every picture must show one face, framed like the pictures that the net was trained on;
--landmarks turns and cuts pictures to where CelebA's faces lie, from landmarks that something else has found.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0, also where pictures cannot be used; 1 for these with ``--strict``; 2 for a run, a folder or
        a place that cannot be used; 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    try:
        weights = weights_of(options.run)
        check_places(options)
        from reference_model.predicting import predict_folder  # imports torch

        unusable = predict_folder(weights, options)
    except (RunError, SettingsError, ValueError, OSError) as error:
        return refuse(error)
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        return CTRL_C_EXIT
    return UNUSABLE_EXIT if unusable and options.strict else 0


def weights_of(run: Path) -> Path:
    """Return the file of weights that a user means.

    Args:
        run: The folder of a finished run, or the file.

    Raises:
        RunError: If there is none; the message says what to do.
    """
    if run.is_file() and run.suffix == ".safetensors":
        return run
    if (run / PIPELINE_FILE).is_file():
        finished = sorted(path.parent.name for path in run.glob("*/model.safetensors"))
        raise RunError(f"{run} holds a pipeline; choose one of its finished runs: {', '.join(finished) or 'none yet'}")
    if run.is_file():
        raise RunError(f"{run} is no run and no model.safetensors; give a run's folder or such a file")
    folder = find_run(run)
    config = load_config(folder.config)
    if config.loss == "both" and config.stage == "attributes":
        raise RunError(f"{run} holds two runs; choose {run / 'ce'} or {run / 'obrl'}")
    if not folder.weights.is_file():
        raise RunError(f"the run in {run} is not finished; go on with python -m reference_model.train --resume {run}")
    return folder.weights


def check_places(options: argparse.Namespace) -> None:
    """Check where the results go, before anything is read.

    Raises:
        RunError: If a result would replace something, or two results have one place.
    """
    places = {name: getattr(options, name) for name in ("out", "sheet", "embeddings")}
    stated = {f"--{name}": path for name, path in places.items() if path is not None}
    if len({path.resolve() for path in stated.values()}) < len(stated):
        raise RunError(f"{' and '.join(stated)} name the same file; give each its own")
    for name, ending in {"--sheet": ".png", "--embeddings": ".npy"}.items():
        if name in stated and stated[name].suffix.lower() != ending:
            raise RunError(f"{name} {stated[name]}: the name must end in {ending}")
    for name, path in stated.items():
        if path.is_dir():
            raise RunError(f"{name} {path} is a folder; give the name of a file")
        parent = next(folder for folder in path.resolve().parents if folder.exists())
        if not parent.is_dir():
            raise RunError(f"{name} {path}: {parent} is a file, not a folder")
        if path.exists() and not options.overwrite:
            raise RunError(f"{name} {path} exists; choose another name, or replace it with --overwrite")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.predict",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's folder, or a model.safetensors")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the pictures, also in its folders")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="the table: a row a file")
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="pictures as the net saw them, with what it said; 48 at most"
    )
    parser.add_argument(
        "--cutoffs",
        choices=CUTOFFS,
        default="half",
        help="from which probability on an attribute counts as present: one half (the default), or what was best on "
        "the validation partition for accuracy, F1 or balanced accuracy",
    )
    parser.add_argument(
        "--landmarks",
        type=Path,
        metavar="FILE",
        help="align by five points, in the format of CelebA's list_landmarks_align_celeba",
    )
    parser.add_argument(
        "--race", action="store_true", help="needed for a net of the stage race, which says nothing else"
    )
    parser.add_argument(
        "--embeddings", type=Path, metavar="FILE.npy", help="needed for a net of the stage identity: its embeddings"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a file cannot be used")
    return parser


if __name__ == "__main__":
    sys.exit(main())
