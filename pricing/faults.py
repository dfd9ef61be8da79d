"""Every fault that an upstream can show and the node's answer to it: one table, which the fault suite is made from.

`failures.py` holds the rows that are looked up by code, HTTP status or failed dial; the rows here follow from how the
session, the line and the judgement of quotes work, and are held to it by the suite alone. `FAULTS.md` shows all.
Pure.
"""

from __future__ import annotations

from quotebus.bus.events import Cause, ConnectionState, Flag, SymbolState
from quotebus.pricing.failures import (
    CODES,
    DIALS,
    HTTP_3XX,
    HTTP_4XX,
    HTTP_5XX,
    HTTP_429,
    UNKNOWN_CODE,
    FaultResponse,
    Scope,
)

_STREAMING = ConnectionState.STREAMING
_FRAMING = "the line is no longer understood: dialled again"


def _lost(name: str, fault: str, cause: Cause, within_s: float, action: str = "dialled again") -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, ConnectionState.BACKING_OFF, cause, within_s, action)


def _silent(name: str, fault: str) -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, ConnectionState.SUSPECT, Cause.NO_LIFE, 3.0,
                  "pinged after 1 s of silence, then suspect, then cut and dialled again",
                  then=ConnectionState.BACKING_OFF, then_within_s=5.0)  # fmt: skip


def _slow(name: str, fault: str, within_s: float) -> FaultResponse:
    return FaultResponse(name, fault, Scope.CONNECTION, ConnectionState.SUSPECT, Cause.SLOW_LINE, within_s,
                  "the line stays, its prices are not used until the lag is gone")  # fmt: skip


def _harmless(name: str, fault: str, action: str, within_s: float = 1.0, counter: str = "") -> FaultResponse:
    return FaultResponse(name, fault, Scope.NOTHING, _STREAMING, Cause.DEMAND, within_s, action, counter=counter)


def _nonsense(name: str, fault: str) -> FaultResponse:
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.STALE, Cause.BAD_DATA, 1.0,
                  "dropped and counted; stale until the next good quote", counter="bad_data")  # fmt: skip


def _flagged(name: str, fault: str, flag: Flag, action: str = "published with the flag, not usable") -> FaultResponse:
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.LIVE, Cause.DEMAND, 1.0, action, flag=flag)


def _quiet(name: str, fault: str) -> FaultResponse:
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.QUIET, Cause.DEMAND, 2.0,
                  "the line is proven alive: the standing quote holds, up to the consumer's maximum age",
                  after="PRICING_QUIET_S")  # fmt: skip


def _halted(name: str, fault: str, cause: Cause) -> FaultResponse:
    return FaultResponse(name, fault, Scope.SYMBOL, SymbolState.HALTED, cause, 0.5,
                  "no price is used until trading resumes and a new quote has come")  # fmt: skip


SESSION = (
    _lost("no greeting", "HTTP 101, then not a word", Cause.AUTH_TIMEOUT, 10.5),
    _lost("no answer to auth", "the credentials are not answered", Cause.AUTH_TIMEOUT, 10.5),
    _lost("closed after auth", "closed right after `authenticated`", Cause.CLOSED, 1.0,
          "dialled again; only 10 s of streaming forgive the failures"),
    FaultResponse("closed after auth, repeatedly", "five failures in a row", Scope.CONNECTION,
                  ConnectionState.CIRCUIT_OPEN, Cause.CLOSED, 8.0, "one try a minute", retry_s=60),
    _lost("no acknowledgement", "a subscribe is not answered", Cause.ACK_TIMEOUT, 6.0),
    _harmless("late acknowledgement", "a subscribe is answered 2 s late", "waited for; the line streams on", 3.5),
    FaultResponse("acknowledgement lacks a symbol", "the answer leaves a wanted symbol out", Scope.SYMBOL,
           SymbolState.REFUSED, Cause.NOT_IN_ACK, 10.0, "asked again after 1, 2 and 4 s, then refused"),
    _harmless("acknowledgement has one more", "the answer lists a symbol nobody asked for", "unsubscribed"),
    _lost("close frame", "a WebSocket close frame, whatever its code", Cause.CLOSED, 0.5),
    _lost("illegal close frame", "a close frame with a code that may not be sent", Cause.PROTOCOL, 0.5),
)  # fmt: skip
LINE = (
    _lost("reset", "TCP RST", Cause.RESET, 0.3),
    _lost("closed", "FIN", Cause.CLOSED, 0.3),
    _lost("reset in a frame", "RST in the middle of a frame", Cause.RESET, 0.5, "half discarded; dialled again"),
    _lost("closed in a frame", "FIN in the middle of a frame", Cause.CLOSED, 0.5, "half discarded; dialled again"),
    _silent("half a frame", "half of a frame, then silence"),
    _silent("half-open", "no byte more, no FIN, nothing is read"),
    _quiet("mute", "no data, but pings are answered"),
    _quiet("one symbol mute", "one symbol stops, the others go on"),
    _slow("latency", "everything comes 2.4 s late", 5.0),
    _slow("narrow line", "fewer bytes a second than the data needs", 10.0),
    _slow("drop by drop", "one byte in 4 ms", 10.0),
    _harmless("jitter", "everything comes 100 to 900 ms late", "`lag_ns` says so", 3.0),
    _harmless("flood", "fifty times the rate", "conflated only if the broker is behind; the latest quote is prompt"),
)  # fmt: skip
FRAMES = (
    _harmless("unreadable frame", "one data frame that cannot be decoded", "dropped and counted", 2.5, "bad_frames"),
    _lost("unreadable frames", "three within 10 s", Cause.PROTOCOL, 2.0, _FRAMING),
    _harmless("swapped opcode", "text for binary, or binary for text", "read as what was agreed"),
    _lost("wrong opcode", "a reserved opcode", Cause.PROTOCOL, 1.0, _FRAMING),
    _lost("reserved bits", "a reserved bit is set", Cause.PROTOCOL, 1.0, _FRAMING),
    _lost("masked frame", "masked, as only a client's may be", Cause.PROTOCOL, 1.0, _FRAMING),
    _lost("huge frame", "a header claims 2⁴⁰ bytes", Cause.TOO_BIG, 1.0, "cut before it comes; dialled again"),
    _lost("endless fragments", "a message without an end", Cause.TOO_BIG, 1.5, "cut at 4 MiB; dialled again"),
)  # fmt: skip
RECORDS = (
    _nonsense("wrong types", "a field of another type"),
    _nonsense("missing fields", "a field is missing"),
    _flagged("duplicate keys", "a price twice, the second one doubled", Flag.CROSSED, "the last one is judged"),
    _harmless("unknown type", "a record of a type that does not exist", "dropped and counted", 2.5, "unknown_types"),
    _nonsense("not a number", "the bid is NaN"),
    _nonsense("infinite", "the ask is infinite"),
    _nonsense("huge price", "prices of 1e308"),
    _flagged("negative", "the bid is below zero", Flag.ONE_SIDED, "an absent side, never a price"),
    _flagged("zero bid", "price and size 0", Flag.ONE_SIDED, "an absent side, never a price"),
    _flagged("size 0", "sizes are 0", Flag.ONE_SIDED),
    _flagged("crossed", "bid above ask", Flag.CROSSED),
    _flagged("locked", "bid equal to ask", Flag.LOCKED),
    _flagged("jump", "a mid a fifth away from the one before", Flag.SUSPICIOUS, "flagged until the next confirms it"),
    _harmless("repeated time", "every record has the time of the one before", "taken in the order it comes"),
    _flagged("backward time", "every record is older than the one before", Flag.BACKWARD_TIME,
             "published with the flag; the held quote stays"),
    _harmless("clock ahead", "the exchange's clock steps 5 minutes ahead", "only differences count"),
    _flagged("clock steps back", "the exchange's clock steps 5 minutes back", Flag.BACKWARD_TIME,
             "three flagged as above, then the new time is taken"),
    _harmless("clock behind", "the exchange's clock is 5 minutes behind", "only differences count", 3.0),
)  # fmt: skip
TRADING = (
    _halted("halt", "a halt as the symbol's tape says it", Cause.HALT),
    _halted("pause", "a volatility pause as the symbol's tape says it", Cause.PAUSE),
    _flagged("outside the band", "a quote beyond the limit-up limit-down band", Flag.SUSPICIOUS),
)
AROUND = (_harmless("proxy variables", "the environment names a dead proxy", "ignored", 3.0),)
GROUPS: dict[str, tuple[FaultResponse, ...]] = {
    "Error codes": (*CODES.values(), UNKNOWN_CODE),
    "Dialling": (HTTP_3XX, HTTP_4XX, HTTP_429, HTTP_5XX, *DIALS.values()),
    "Authentication, subscription, closing": SESSION,
    "The line": LINE,
    "Frames": FRAMES,
    "Records": RECORDS,
    "Trading statuses": TRADING,
    "Around it": AROUND,
}  # fmt: skip
FAULTS: dict[str, FaultResponse] = {row.name: row for rows in GROUPS.values() for row in rows}
