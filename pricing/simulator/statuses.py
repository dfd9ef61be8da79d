"""The codes and texts of trading statuses on each tape. Pure.

Tapes A and B have codes 2 and 3, and a volatility pause is a halt with reason M; C and O have H, P, Q and T.
"""

from __future__ import annotations

from typing import NamedTuple


class StatusWording(NamedTuple):
    """Code, message and reason of one status."""

    code: str
    message: str
    reason_code: str
    reason: str


_ON_A_AND_B = {
    "halt": StatusWording("2", "Trading Halt", "D", "News Released (No Delay)"),
    "pause": StatusWording("2", "Trading Halt", "M", "Volatility Trading Pause"),
    "resume": StatusWording("3", "Resume", "", ""),
}
_ON_C_AND_O = {
    "halt": StatusWording("H", "Trading Halt", "T12", "Trading Halted; For information requested by NASDAQ"),
    "pause": StatusWording("P", "Volatility Trading Pause", "LUDP", "Volatility Trading Pause"),
    "resume": StatusWording("T", "Trading Resumption", "", ""),
    "resume_quotes": StatusWording("Q", "Quotation Resumption", "", ""),
}
EVENTS = tuple(_ON_C_AND_O)


def word_status(event: str, tape: str) -> StatusWording:
    """The code and texts of `halt`, `pause`, `resume` or `resume_quotes` on a tape.

    Tapes A and B resume quotes and trades together.
    """
    if tape in ("A", "B"):
        return _ON_A_AND_B["resume" if event == "resume_quotes" else event]
    return _ON_C_AND_O[event]
