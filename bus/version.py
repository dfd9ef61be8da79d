"""The version of the package: the wheel, `quotebus.__version__` and every `--version` take it from here."""

__version__ = "0.1.0"
