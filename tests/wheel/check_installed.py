"""Fail unless exactly the distributions named as arguments are installed beside the installer's own."""

import sys
from importlib.metadata import distributions

INSTALLER = {"pip", "setuptools", "wheel"}


def main() -> None:
    """Compare what is installed with what is expected."""
    installed = {distribution.metadata["Name"].lower() for distribution in distributions()} - INSTALLER
    if installed != set(sys.argv[1:]):
        sys.exit(f"expected {sorted(sys.argv[1:])} to be installed, got {sorted(installed)}")
    print(f"installed: {', '.join(sorted(installed))}")


if __name__ == "__main__":
    main()
