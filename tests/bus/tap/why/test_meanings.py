"""What the tap says of a reason or a state is what `EVENTS.md` says, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

from quotebus import bus
from quotebus.bus.book import Unusable
from quotebus.bus.events import ConnectionState, SymbolState
from quotebus.bus.tap.why.meanings import LINE_STATES, REASONS, SYMBOL_STATES

ROWS = re.findall(r"^\| `(\w+)` \| (.+) \|$", (Path(bus.__file__).parent / "EVENTS.md").read_text(), re.MULTILINE)


def test_every_reason_and_state_is_explained_in_the_words_of_the_specification() -> None:
    assert set(REASONS) == set(Unusable)
    assert set(LINE_STATES) == set(ConnectionState)
    assert set(SYMBOL_STATES) == set(SymbolState)
    for table in (REASONS, LINE_STATES, SYMBOL_STATES):
        for name, (meaning, change) in table.items():
            assert (str(name), meaning) in ROWS, name
            assert change
