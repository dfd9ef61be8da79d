"""Arguments of a verb: a mistake is one line and exit status 78, as with settings."""

from __future__ import annotations

import argparse
from typing import NoReturn

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import die


class Arguments(argparse.ArgumentParser):
    """`argparse`, but for how it ends."""

    def error(self, message: str) -> NoReturn:
        """One line, exit status 78."""
        die(self.prog, ConfigError(message))
