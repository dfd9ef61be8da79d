"""`pricing-node`: the program, started so that Ctrl-C is quiet from its first instant."""

import sys

from quotebus.bus.process.start import start


def main() -> int:
    """Run the program; its exit status."""
    return start("quotebus.pricing.program")


if __name__ == "__main__":
    sys.exit(main())
