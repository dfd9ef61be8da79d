"""Command-line arguments of a verb: a mistake prints one line and exits with 78, as for settings."""

from __future__ import annotations

from typing import NoReturn

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.command_line import CommandLine
from quotebus.bus.settings import die


class Arguments(CommandLine):
    """A command line that ends the program."""

    def error(self, message: str) -> NoReturn:
        """One line, exit status 78."""
        die(self.prog, ConfigError(self.reword(message)))
