"""`python -m obrl` is the command `obrl`."""

import sys

from obrl.mining.cli import main

if __name__ == "__main__":
    sys.exit(main())
