"""How the verbs that show messages begin: their settings, what they select, and how they log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from quotebus.bus.process.log import setup
from quotebus.bus.settings import die, load
from quotebus.bus.tap.selection import Selection
from quotebus.bus.tap.settings import EchoSettings, ListSettings, RateSettings

SettingsT = TypeVar("SettingsT", EchoSettings, RateSettings, ListSettings)


def load_selection(settings: type[SettingsT], argv: Sequence[str], program: str) -> tuple[SettingsT, Selection]:
    """Settings from a command line, and the messages they select. Ends the program at a mistake, with status 78."""
    loaded = load(settings, argv, program)
    setup(loaded.log_level, loaded.log_format)
    try:
        return loaded, Selection(loaded.topics, loaded.symbol)
    except ValueError as error:
        die(program, error)
