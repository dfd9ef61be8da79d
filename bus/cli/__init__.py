"""`quotebus`: one verb a file. Started so that Ctrl-C is quiet from its first instant."""

from quotebus.bus.process.start import start


def main() -> int:
    """Run the program; its exit status."""
    return start("quotebus.bus.cli.program")
