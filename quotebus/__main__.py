"""`python -m quotebus`: the program `quotebus`."""

import sys

from quotebus.bus.cli import main

if __name__ == "__main__":
    sys.exit(main())
