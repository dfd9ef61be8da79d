"""Command-line arguments of a verb: a mistake prints one line and exits with 78, as for settings."""

from __future__ import annotations

import argparse
from typing import NoReturn

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import die


class Arguments(argparse.ArgumentParser):
    """argparse, except for how a mistake is reported."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 78."""
        die(self.prog, ConfigError(message))
