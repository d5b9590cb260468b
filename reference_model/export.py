"""``python -m reference_model.export``: the net of a finished run as ONNX or safetensors, with a model card."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from pathlib import Path

from reference_model.runs import RunError, find_run, refuse
from reference_model.settings.files import load_config
from reference_model.settings.plain import SettingsError

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
FORMATS = ("onnx", "safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the program's name; by default those of this process.

    Returns:
        The exit status: 0, or 2 for a run that cannot be exported or a file that cannot be written.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if not (options.onnx or options.safetensors):
        parser.error("name what to write: --onnx FILE, --safetensors FILE or both")
    try:
        stage = check_run(options.run)
        targets = {name: target_file(getattr(options, name), name, stage) for name in FORMATS if getattr(options, name)}
        check_libraries(targets)
        from reference_model.exporting import export  # imports torch and Lightning

        for name, path in targets.items():
            card, result = export(options.run, path, format_name=name)
            print(f"{path}: {result}\n{card}: the model card", flush=True)
    except (RunError, SettingsError, ValueError, OSError) as error:
        return refuse(error)
    return 0


def check_run(folder: Path) -> str:
    """Check that a folder holds one finished run; return its stage.

    Raises:
        RunError: If it does not; the message says what to do.
    """
    if (folder / "pipeline.yaml").is_file():
        runs = sorted(path.name for path in folder.iterdir() if (path / "report.json").is_file())
        raise RunError(f"{folder} holds a pipeline; choose one of its finished runs: {', '.join(runs) or 'none yet'}")
    run = find_run(folder)
    config = load_config(run.config)
    if config.loss == "both" and config.stage == "attributes":
        raise RunError(f"{folder} holds two runs; choose {folder / 'ce'} or {folder / 'obrl'}")
    if not (run.report.is_file() and run.weights.is_file()):
        raise RunError(
            f"the run in {folder} is not finished; finish it first: python -m reference_model.train --resume {folder}"
        )
    return config.stage


def target_file(path: Path, format_name: str, stage: str) -> Path:
    """Return the file to write.

    Args:
        path: What the user named: a file with the suffix of the format, or a folder.
        format_name: ``"onnx"`` or ``"safetensors"``.
        stage: The file's name in a folder.

    Raises:
        RunError: If the file is there already.
    """
    target = path if path.suffix == f".{format_name}" and not path.is_dir() else path / f"{stage}.{format_name}"
    if target.parent.exists() and not target.parent.is_dir():
        raise RunError(f"{target.parent} is a file; name a folder, or a file that ends with .{format_name}")
    for there in (target, card_file(target)):
        if there.exists():
            raise RunError(f"{there} exists; delete it, or write to another place")
    return target


def card_file(path: Path) -> Path:
    """Return the place of a file's model card: beside it, under its name and ``.md``."""
    return path.with_name(f"{path.name}.md")


def check_libraries(formats: Collection[str]) -> None:
    """Check that what writes the formats is installed.

    Args:
        formats: What to write.

    Raises:
        RunError: If a library is missing.
    """
    absent = [name for name in LIBRARIES if find_spec(name) is None]
    if absent and "onnx" in formats:
        raise RunError(f'--onnx needs {", ".join(absent)}, not installed here: pip install "obrl[reference,export]"')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reference_model.export",
        description="Write the net of a finished run for other programs, with a model card beside it.",
        epilog="A folder in place of FILE gets a file named after the stage. What exists is not overwritten.",
        allow_abbrev=False,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's folder")
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="write ONNX; needs the extra export")
    parser.add_argument("--safetensors", type=Path, metavar="FILE", help="write safetensors")
    return parser


if __name__ == "__main__":
    sys.exit(main())
