"""`python -m monosemy` is the command `monosemy`."""

import sys

from monosemy.cli import main

if __name__ == "__main__":
    sys.exit(main())
