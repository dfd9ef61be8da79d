"""What may be done with an order. Pure."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What to do with an order."""

    LIMIT = "limit"
    MARKET = "market"
    REFUSE = "refuse"
