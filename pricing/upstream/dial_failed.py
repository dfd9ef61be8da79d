"""Why an attempt to connect brought no socket. Pure."""

from __future__ import annotations

from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import Cause
from quotebus.pricing import faults


class DialFailed(QuotebusError):
    """The attempt brought no socket. `detail` is for people and holds no secret and no text from the peer.

    `retry_after_ns` is the wait that the peer asked for.
    """

    def __init__(
        self, cause: Cause, *, for_operator: bool | None = None, detail: str = "", retry_after_ns: int = 0
    ) -> None:
        """`for_operator`: None for what the fault table says of the cause; an HTTP answer knows better."""
        super().__init__(f"{cause} {detail}".strip())
        self.retry_after_ns = retry_after_ns
        self.cause = cause
        self.for_operator = faults.find_by_dial_cause(cause).for_operator if for_operator is None else for_operator
        self.detail = detail
