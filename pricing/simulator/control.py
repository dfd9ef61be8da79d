"""Controls a running simulator from a test, a script or a prompt, over its control endpoint.

```python
control = SimulatorControl("http://127.0.0.1:8767")
control.faults(half_open=True)
control.quote("SPY", bid=560.01, ask=560.02)
assert control.state()["max_simultaneous"] == 1
```
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from quotebus.bus.errors import QuotebusError


class ControlError(QuotebusError):
    """The simulator refused a request. `status` is the HTTP status; the text has the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


class SimulatorControl:
    """A client of one simulator's control endpoint.

    Every method raises ControlError for a refused request and OSError if there is no answer within `timeout_s`.
    """

    def __init__(self, url: str, timeout_s: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def state(self) -> dict[str, Any]:
        """Open connections, totals, faults in force and rate, as `/state` gives them."""
        return self._request("GET", "/state")

    def counters(self) -> dict[str, int]:
        """All counters since the start, and what is open and queued now."""
        counters: dict[str, int] = self._request("GET", "/counters")
        return counters

    def faults(self, **changes: object) -> dict[str, Any]:
        """Set faults (None or False lifts one). Returns the plan in force."""
        plan: dict[str, Any] = self._request("POST", "/faults", changes)["faults"]
        return plan

    def fault_names(self) -> dict[str, str]:
        """Every fault that exists, with its description."""
        meanings: dict[str, str] = self._request("GET", "/faults")
        return meanings

    def lift_faults(self) -> None:
        """Lift all faults."""
        self._request("DELETE", "/faults")

    def rate(self, quotes_per_s: float) -> None:
        """Set the rate; 0 is as fast as the clients read."""
        self._request("POST", "/rate", {"rate": quotes_per_s})

    def quote(self, symbol: str, bid: float, ask: float, **fields: object) -> int:
        """Send this quote now, values verbatim; how many connections got it. `fields`: bid_size, ask_size, t_ns, …"""
        return self._inject("/quote", symbol=symbol, bid=bid, ask=ask, **fields)

    def trade(self, symbol: str, price: float, **fields: object) -> int:
        """Send this trade now; how many connections got it. `fields`: size, id, exchange, tape, t_ns."""
        return self._inject("/trade", symbol=symbol, price=price, **fields)

    def status(self, symbol: str, code: str, **fields: object) -> int:
        """Send this trading status now; how many got it. `fields`: message, reason_code, reason, tape, t_ns."""
        return self._inject("/status", symbol=symbol, code=code, **fields)

    def halt(self, symbol: str, **fields: object) -> int:
        """Halt trading now, as the symbol's own tape says it; how many connections got it. `fields`: t_ns."""
        return self._inject("/halt", symbol=symbol, **fields)

    def halts(self) -> list[dict[str, Any]]:
        """All halts so far, the oldest first: symbol, began_ns, ended_ns (UTC; None while it lasts)."""
        found: list[dict[str, Any]] = self._request("GET", "/halts")  # type: ignore[assignment]
        return found

    def pause(self, symbol: str, **fields: object) -> int:
        """Pause trading for volatility now, as the symbol's own tape says it; how many connections got it."""
        return self._inject("/pause", symbol=symbol, **fields)

    def resume(self, symbol: str, **fields: object) -> int:
        """Resume trading now, as the symbol's own tape says it; how many connections got it."""
        return self._inject("/resume", symbol=symbol, **fields)

    def resume_quotes(self, symbol: str, **fields: object) -> int:
        """Resume quotes alone (tapes C and O; on A and B trading too); how many connections got it."""
        return self._inject("/resume_quotes", symbol=symbol, **fields)

    def order_event(self, order: str, event: str, reason: str = "") -> None:
        """Force an event on an order (given by either id) now: done_for_day, suspended, expired, restated, …"""
        self._request("POST", "/order_event", {"order": order, "event": event, "reason": reason})

    def bust(self, order: str) -> None:
        """Take back the last execution of an order, given by either id."""
        self._request("POST", "/bust", {"order": order})

    def correct(self, order: str, qty: float, price: float) -> None:
        """Put another execution in place of the last one of an order, given by either id."""
        self._request("POST", "/correct", {"order": order, "qty": qty, "price": price})

    def session(self, session: str) -> None:
        """Begin a session of the market: regular, pre, post, overnight, closed. Orders that are not for it wait."""
        self._request("POST", "/session", {"session": session})

    def raw(self, payload: str | bytes) -> int:
        """Send a text or binary frame with this payload to all clients. Returns how many connections got it."""
        return self._inject("/raw", **({"text": payload} if isinstance(payload, str) else {"hex": payload.hex()}))

    def _inject(self, path: str, **body: object) -> int:
        return int(self._request("POST", path, body)["sent_to"])

    def _request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                reason = json.load(error).get("error", "")
            raise ControlError(error.code, reason) from None
        return answer
