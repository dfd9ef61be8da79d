"""What happened in a capture, in order of time: the list that leads into the pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quotebus.bus.capture.report.collect import ReportData, Span, SymbolData
from quotebus.bus.capture.report.labels import escape_text, format_count
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.process.units import format_clock, format_duration

MOST_EVENTS = 2_000
KINDS = {
    "line": "connection",
    "failover": "failover",
    "gap": "data missed or lost",
    "halt": "halt",
    "decision": "decision",
}


@dataclass(frozen=True, slots=True)
class ReportEvent:
    """One line of the list; `symbol` is the picture that it leads to, empty for the connection's."""

    at_ns: int
    kind: str
    symbol: str
    text: str


def list_events(data: ReportData, drawn: Sequence[SymbolData]) -> tuple[list[ReportEvent], int]:
    """The events in order, at most MOST_EVENTS, and how many were left out: decisions first, then the latest ones."""
    found = [*_connection(data), *_symbols(data, drawn)]
    decisions = [
        ReportEvent(mark.at_ns, "decision", symbol.symbol, mark.text) for symbol in drawn for mark in symbol.marks
    ]
    decisions.sort(key=lambda event: event.at_ns)
    kept = [*found[:MOST_EVENTS], *decisions[: max(0, MOST_EVENTS - len(found))]]
    left_out = len(found) + len(decisions) - len(kept)
    return sorted(kept, key=lambda event: (event.at_ns, event.kind, event.symbol)), left_out


def render_events(data: ReportData, drawn: Sequence[SymbolData]) -> str:
    """The list with a box for each kind; without a script all kinds are shown."""
    events, left_out = list_events(data, drawn)
    if not events:
        return "<p class=why>Nothing but quotes: the connection did not change, and no symbol was halted.</p>"
    counts = {kind: sum(event.kind == kind for event in events) for kind in KINDS}
    boxes = "".join(
        f'<label><input type=checkbox checked data-kind="{kind}"><i class="dot e-{kind}"></i>{KINDS[kind]} '
        f"<small>{format_count(number)}</small></label>"
        for kind, number in counts.items()
        if number
    )
    rows = "".join(_row(event) for event in events)
    more = f"<p class=why>{format_count(left_out)} further events are not listed.</p>" if left_out else ""
    return f"<div class=kinds>{boxes}</div><ol class=events>{rows}</ol>{more}"


def _row(event: ReportEvent) -> str:
    target = f"p-{escape_text(event.symbol)}" if event.symbol else "connection"
    name = escape_text(event.symbol)
    return (
        f'<li class="e-{event.kind}"><a href="#{target}" data-ms="{event.at_ns / NS_PER_MS:.3f}">'
        f'<time>{format_clock(event.at_ns)}</time><i class="dot e-{event.kind}"></i><b>{name}</b>'
        f"<span>{escape_text(event.text)}</span></a></li>"
    )


def _connection(data: ReportData) -> Iterable[ReportEvent]:
    found = [
        ReportEvent(span.begin_ns, "line", "", f"{span.what} ({span.detail}) for {_length(span, data)}")
        for span in data.line
    ]
    found += [ReportEvent(span.begin_ns, "failover", "", span.detail) for span in data.failovers]
    found += [
        ReportEvent(span.begin_ns, "gap", "", f"{span.what} for {_length(span, data)}: {span.detail}")
        for span in data.missed
        if (span.end_ns or data.columns.end_ns) >= data.columns.begin_ns  # a node repeats its last gap for ever
    ]
    return sorted(found, key=lambda event: event.at_ns)


def _symbols(data: ReportData, drawn: Sequence[SymbolData]) -> Iterable[ReportEvent]:
    for symbol in drawn:
        for span in symbol.unusable:
            if span.what == "halted":
                yield ReportEvent(span.begin_ns, "halt", symbol.symbol, f"halted for {_length(span, data)}")
        for span in symbol.gaps:
            yield ReportEvent(span.begin_ns, "gap", symbol.symbol, span.detail)


def _length(span: Span, data: ReportData) -> str:
    return format_duration(max(0, (span.end_ns or data.columns.end_ns) - span.begin_ns))
