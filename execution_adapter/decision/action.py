"""What may be done with an order, and a reason besides those against the price itself. Pure."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What to do with an order."""

    LIMIT = "limit"
    MARKET = "market"
    REFUSE = "refuse"


class Reason(StrEnum):
    """Reasons beside those against the price itself."""

    HALT_UNKNOWN = "halt_unknown"
