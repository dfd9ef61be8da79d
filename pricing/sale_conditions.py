"""Which trades may set a symbol's last price, by their sale conditions. Pure.

Source: the sale conditions of the consolidated tape (CTS) and of UTP (UTDF), column "last". The strictest member of a
trade's list decides; what is not in the table sets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

_ON_ANY_TAPE = frozenset(
    {
        " ",  # regular on tapes A and B
        "@",  # regular on tape C
        "E",  # automatic execution
        "F",  # intermarket sweep
        "5",  # reopening
        "O",  # opening
        "6",  # closing
        "X",  # cross
        "K", "Y", "S", "A", "D", "1",  # rule 127 or 155, yellow flag, split, acquisition, distribution, stopped
        "T",  # extended hours: sets none in the regular session, in which there are no such trades; outside it all are
    }
)  # fmt: skip
_ON_TAPE_C = frozenset({"B"})
"""Bunched; on tapes A and B it is an average price."""


def sets_last(conditions: Iterable[str], tape: str) -> bool:
    """Whether a trade with these conditions may set the last price. A venue without conditions has only such trades."""
    return all(code in _ON_ANY_TAPE or (tape == "C" and code in _ON_TAPE_C) for code in conditions)
