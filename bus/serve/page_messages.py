"""A picture as the messages that the page gets: plain values, texts escaped, times in milliseconds of UTC. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.events import Cause, ConnectionState
from quotebus.bus.serve.activity import Activity
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.serve.timeline import SILENT, ConnectionTimeline, StateSpan
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.freshness import describe_currency
from quotebus.bus.tap.price_history import PricePoint, bucket_points
from quotebus.bus.tap.snapshot import FAMILIES, ConnectionLine, Snapshot
from quotebus.bus.tap.view import View
from quotebus.bus.tap.why.explain import Explanation
from quotebus.bus.tap.why.meanings import CAUSES, LINE_STATES, SUSPECT

TONES: dict[str, str] = {
    ConnectionState.STREAMING: "good", ConnectionState.IDLE: "calm", ConnectionState.STANDBY: "calm",
    ConnectionState.CONNECTING: "warn", ConnectionState.AUTHENTICATING: "warn", ConnectionState.SUBSCRIBING: "warn",
    ConnectionState.SUSPECT: "warn", ConnectionState.BACKING_OFF: "bad", ConnectionState.CIRCUIT_OPEN: "bad",
    ConnectionState.REFUSED: "bad", ConnectionState.STOPPED: "bad",
    SILENT: "blind", "hearing": "good", "deaf": "blind", "behind": "blind",
}  # fmt: skip
"""How a state of a connection is coloured; one that is not known is `blind`."""
_WATCHER_MEANS = {
    "hearing": "this page hears the bus",
    "deaf": "this page heard nothing",
    "behind": "this page was given too little CPU",
    SILENT: "the node was not heard",
}
SPARK_COLUMNS = 60
SPARK_S = 300
SPARKS = 100
"""Symbols in one request for small price lines."""
_COUNTERS_SHOWN = 60


def make_head(state: PageState, picture: Picture, run: str) -> dict[str, Any]:
    """What changes all the time: how current this is, the connections, the totals. `run` names this start of us."""
    shown, currency = picture.shown, picture.currency
    return {
        "run": run,
        "now": shown.now_ns // NS_PER_MS,
        "began": state.began_ns // NS_PER_MS,
        "origin": clean(shown.origin, 100),
        "connected": bool(shown.connected),
        "current": currency.current,
        "trouble": describe_currency(currency),
        "silent": currency.silent_ns // NS_PER_MS,
        "ready": picture.ready.ready,
        "ready_why": clean(picture.ready.why, 400),
        "quotes_per_s": round(shown.quotes_per_s, 1),
        "messages_per_s": round(shown.messages_per_s, 1),
        "bytes_per_s": round(shown.bytes_per_s),
        "symbols": len(shown.rows),
        "usable": picture.usable,
        "undecided": picture.undecided,
        "reasons": picture.by_reason if currency.current else {},
        "lost_here": shown.lost_here,
        "unreadable": sum(shown.unreadable.values()),
        "beyond": shown.beyond_bound,
        "no_history": state.history.left_out,
        "requests": picture.requests,
        "lines": [_line(line, currency.current) for line in shown.lines],
    }


def make_timeline(timeline: ConnectionTimeline) -> dict[str, Any]:
    """Every node's spans of the last hour, and what each means."""
    return {
        "version": timeline.version,
        "tracks": [
            {"node": clean(node, 80), "spans": [_span(span) for span in spans], "forgotten": forgotten}
            for node, spans, forgotten in timeline.list_tracks()
        ],
    }


def make_programs(view: View, shown: Snapshot) -> dict[str, Any]:
    """Every program's counters and losses, and the recorders."""
    now_ns = shown.now_ns
    programs = []
    for counters, heard_ns in view.counters.values():
        values = {clean(name, 40): value for name, value in counters.counters.items() if value}
        programs.append(
            {
                "program": clean(counters.program, 40),
                "source": clean(counters.source, 80),
                "heard": heard_ns // NS_PER_MS,
                "silent": now_ns - heard_ns > 3_000 * NS_PER_MS,
                "losses": _losses(counters.counters),
                "counters": dict(list(values.items())[:_COUNTERS_SHOWN]),
            }
        )
    recorders = [
        {
            "name": clean(each.name, 40),
            "state": clean(each.state, 20),
            "cause": clean(each.cause, 20),
            "file": clean(each.file, 120),
            "messages": each.messages,
            "bytes": each.bytes,
            "lost": each.lost,
            "silent": each.heard_ago_ns > 3_000 * NS_PER_MS,
        }
        for each in shown.recorders
    ]
    return {"programs": sorted(programs, key=lambda each: (each["program"], each["source"])), "recorders": recorders}


def make_activity(activity: Activity) -> dict[str, Any]:
    """Decisions, intents and orders, newest first."""
    return {
        "version": activity.version,
        **{
            name: [_escaped(msgspec.structs.asdict(note)) for note in reversed(list(notes.values()))]
            for name, notes in (
                ("decisions", activity.decisions),
                ("intents", activity.intents),
                ("orders", activity.orders),
            )
        },
    }


def make_sparks(state: PageState, symbols: Iterable[str], now_ns: int) -> dict[str, Any]:
    """Small price lines of the last five minutes: prices and answers in columns, for at most SPARKS symbols."""
    lines = {}
    for symbol, _ in zip(symbols, range(SPARKS), strict=False):
        columns = bucket_points(state.history.list_points(symbol, now_ns, SPARK_S), SPARK_COLUMNS)
        if columns:
            lines[symbol] = [[price for price, _ in columns], [answer for _, answer in columns]]
    return {"lines": lines}


def make_symbol(state: PageState, explanation: Explanation) -> dict[str, Any]:
    """What the page shows of one symbol: the explanation, and the last ten minutes second by second."""
    points = state.history.list_points(explanation.symbol, explanation.now_ns)
    return {"why": _escaped(explanation.to_dict()), "history": [_point(point) for point in points]}


def _line(line: ConnectionLine, current: bool) -> dict[str, Any]:
    known = current and not line.silent
    means = _explain(line.state, line.cause)
    return {
        "node": clean(line.node, 60),
        "source": clean(line.source, 60),
        "feed": clean(line.feed, 20),
        "state": clean(line.state, 20) if known else f"{clean(line.state, 20)}?",
        "cause": clean(line.cause, 40),
        "means": means,
        "detail": clean(line.detail, 300),
        "tone": TONES.get(line.state, "blind") if known else "blind",
        "silent": line.silent,
        "heard_ago": line.heard_ago_ns // NS_PER_MS,
        "for": line.for_ns // NS_PER_MS,
        "retry_in": _ms(line.retry_in_ns),
        "attempt": line.attempt,
        "connection": line.connection,
        "desired": line.desired,
        "acknowledged": line.acknowledged,
        "live": line.live,
        "lag": None if line.lag_ns is None else line.lag_ns / 1e6,
        "last_byte_ago": _ms(line.last_byte_ago_ns),
        "gap": _ms(line.last_gap_ns),
        "gap_ago": _ms(line.last_gap_ago_ns),
        "orders": line.orders,
        "replayed": line.replayed,
    }


def _span(span: StateSpan) -> dict[str, Any]:
    return {
        "start": span.start_ns // NS_PER_MS,
        "state": clean(span.state, 20),
        "cause": clean(span.cause, 40),
        "detail": clean(span.detail, 200),
        "connection": span.connection,
        "tone": TONES.get(span.state, "blind"),
        "means": _explain(span.state, span.cause),
    }


def _explain(state: str, cause: str) -> str:
    """A state and its cause in words; empty for a state that nobody here knows."""
    if state in _WATCHER_MEANS:
        return _WATCHER_MEANS[state]
    if state not in list(ConnectionState):
        return ""
    known = Cause(cause) if cause in list(Cause) else None
    if state == ConnectionState.SUSPECT and known in SUSPECT:
        return SUSPECT[known].means
    means = LINE_STATES[ConnectionState(state)].means
    quiet = known in (None, Cause.DEMAND, Cause.NO_DEMAND)
    return means if quiet or known is None else f"{CAUSES[known].means}; {means}"


def _losses(counters: Mapping[str, int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for family, counts in FAMILIES.items():
        total = sum(value for name, value in counters.items() if counts(name))
        if total and family != "conflated":
            sums[family] = total
    return sums


def _point(point: PricePoint) -> list[float | int | None]:
    return [point.utc_s, *(price if price == price else None for price in (point.bid, point.ask)), point.answer]


def _ms(duration_ns: int | None) -> int | None:
    return None if duration_ns is None else duration_ns // NS_PER_MS


def _escaped(value: Any) -> Any:
    """Every text of a value escaped, whatever it is in."""
    if isinstance(value, str):
        return clean(value, 400)
    if isinstance(value, dict):
        return {str(key): _escaped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(item) for item in value]
    return value
