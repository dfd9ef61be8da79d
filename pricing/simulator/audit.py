"""The audit file: what was really written to clients, as JSON lines, so that a test can check decisions against it.

    {"connection":1,"event":"open","utc_ns":…,"feed":"iex"}
    {"connection":1,"T":"q","symbol":"SPY","bid":559.2,"bid_size":100,"ask":559.21,"ask_size":300,"t_ns":…}
    {"connection":1,"T":"t","symbol":"SPY","price":559.2,"size":10,"id":7,"t_ns":…}
    {"connection":1,"T":"s","symbol":"SPY","code":"H","message":"…","reason":"…","t_ns":…}
    {"connection":1,"T":"q","symbol":"SPY","bid":559.21,…,"fault":"crossed"}
    {"connection":1,"T":"misshapen","symbol":"SPY","fault":"missing_fields","written":[["T","q"],["S","SPY"],…]}
    {"connection":1,"T":"bad_frame","size":109,"fault":"garbage"}
    {"connection":1,"T":"raw","size":12}
    {"connection":1,"event":"close","utc_ns":…,"why":"closed by client"}
    {"order":"<id>","event":"fill","utc_ns":…,"client_order_id":"…","symbol":"SPY","side":"buy","qty":"10",
     "filled_qty":"10","limit_price":"559.21","status":"filled","fill_qty":"10","fill_price":"559.2"}
    {"exchange":"SPY","event":"halt","utc_ns":…}
    {"stream":1,"T":"update","event":"fill","order_id":"<id>"}

A record is listed when the last byte of its frame has gone into the socket, so half a frame is not listed. Lines are
written to the file once per turn of the loop. An order's line says what happened, whether or not an update was sent;
`stream` lines say what was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from quotebus.pricing.simulator.records import Written

MOST_PENDING_LINES = 4096


class Audit:
    """Writes the audit file. Raises OSError if the file cannot be written: a test must not run on without it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: list[str] = []

    def write_records(self, connection: int, records: Sequence[Written], of: str = "connection") -> None:
        """Add the records of a frame that was written. `of` is `connection`, or `stream` for an order stream."""
        for record in records:
            self._add({of: connection, **record.audit()})

    def write_order(self, utc_ns: int, update: Mapping[str, Any]) -> None:
        """Add an event of an order."""
        data = update["data"]
        entity = data["order"]
        kept = ("client_order_id", "symbol", "side", "qty", "notional", "filled_qty", "limit_price", "status")
        line = {"order": entity["id"], "event": data["event"], "utc_ns": utc_ns, **{key: entity[key] for key in kept}}
        if data["event"] in ("fill", "partial_fill"):
            line |= {"fill_qty": data["qty"], "fill_price": data["price"], "position_qty": data["position_qty"]}
        self._add(line)

    def write_event(self, connection: int, event: str, utc_ns: int, of: str = "connection", **details: str) -> None:
        """Add the opening or closing of a connection."""
        self._add({of: connection, "event": event, "utc_ns": utc_ns, **details})

    def write_halt(self, symbol: str, event: str, utc_ns: int) -> None:
        """Add the beginning (`halt`) or the end (`resume`) of a halt, whoever is told of it."""
        self._add({"exchange": symbol, "event": event, "utc_ns": utc_ns})

    def _add(self, line: dict[str, object]) -> None:
        self._lines.append(json.dumps(line, separators=(",", ":")))
        if len(self._lines) >= MOST_PENDING_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the pending lines to the file."""
        if self._lines:
            self._lines.append("")
            self._file.write("\n".join(self._lines))
            self._file.flush()
            self._lines.clear()
