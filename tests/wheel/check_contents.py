"""Fail unless a wheel contains the packages and their data, and nothing else: check_contents.py WHEEL SOURCE."""

import sys
import zipfile
from pathlib import Path

PACKAGES = {
    "obrl": "obrl",
    "obrl_native": "adapters/obrl_native",
    "obrl_torch": "adapters/obrl_torch",
    "obrl_jax": "adapters/obrl_jax",
    "obrl_keras": "adapters/obrl_keras",
    "obrl_tensorflow": "adapters/obrl_tensorflow",
    "reference_model": "reference_model",
}


def expected_files(source: Path) -> set[str]:
    """The files that the wheel must contain: the code, type markers and data of every package."""
    return {
        f"{name}/{path.relative_to(source / folder).as_posix()}"
        for name, folder in PACKAGES.items()
        for path in (source / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def main() -> None:
    """Compare the wheel with the sources."""
    wheel, source = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    expected = expected_files(source)
    if missing := expected - names:
        sys.exit(f"the wheel lacks {', '.join(sorted(missing))}")
    if extra := names - metadata - expected:
        sys.exit(f"the wheel contains more than its packages: {', '.join(sorted(extra))}")
    if not any(name.endswith("LICENSE") for name in metadata):
        sys.exit("the wheel lacks its licence")
    print(f"{wheel.name}: {len(expected)} files of {', '.join(PACKAGES)}")


if __name__ == "__main__":
    main()
