"""An explanation as lines of text, at any width. Pure."""

from __future__ import annotations

from rich.cells import cell_len, chop_cells
from rich.text import Text

from quotebus.bus.process.units import format_duration, format_price, format_quantity
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.usability import Usability
from quotebus.bus.tap.why.explain import Explanation, Requester, format_when
from quotebus.bus.tap.why.meanings import NO_CHANGE

_LABEL = 10
_HEADLINES = {
    Usability.YES: ("may be used", "bold green"),
    Usability.NO: ("may NOT be used", "bold red"),
    Usability.UNKNOWN: ("cannot tell whether it may be used", "bold yellow"),
}


def render_explanation(told: Explanation, width: int) -> list[Text]:
    """Every line at most `width` columns wide."""
    headline, style = _HEADLINES[told.answer]
    lines = [Text.assemble((told.symbol, "bold"), "  ", (headline, style), "  ", (format_when(told), "dim"))]
    if told.remark:
        lines += _wrapped("", told.remark, width)
    for reason in told.reasons if told.answer is Usability.NO else ():
        here = f": {reason.here}" if reason.here else ""
        lines += _wrapped("because", f"{reason.name}: {reason.rule}{here}", width, "red")
        lines += _wrapped("", f"-> {reason.change}", width, "dim")
    lines.append(Text(""))
    lines += _wrapped("quote", _quote(told), width)
    lines += _wrapped("symbol", _symbol(told), width)
    lines += _wrapped("halt", _halt(told), width)
    if told.venue_says:
        lines += _wrapped("venue", told.venue_says, width)
    lines += _wrapped("line", _line(told), width)
    if told.line is not None and told.line.detail:
        lines += _wrapped("", f"detail: {told.line.detail}", width)
    lines += _wrapped("", f"-> {told.line_change}", width, "dim")
    if not told.askers:
        lines += _wrapped("asked by", "no known client", width)
    for number, asker in enumerate(told.askers):
        lines += _wrapped("" if number else "asked by", _asker(asker), width)
    return lines


def _quote(told: Explanation) -> str:
    quote = told.quote
    announced = ""
    if told.announced_seq:
        announced = (
            f"#{told.announced_seq} is the newest announced, published {format_duration(told.announced_ago_ns)} ago"
        )
    if quote is None:
        return f"none received; {announced or 'none announced'}"
    parts = [
        f"bid {format_price(quote.bid_price)} x {format_quantity(quote.bid_size) or '-'}, "
        f"ask {format_price(quote.ask_price)} x {format_quantity(quote.ask_size) or '-'}",
        f"spread {format_price(quote.spread)}",
        f"{format_duration(quote.age_ns)} old (limit {format_duration(told.max_age_ns)})",
        f"{quote.source}#{quote.seq} over connection {quote.connection}",
    ]
    if quote.flags:
        parts.append("flags " + ", ".join(quote.flags))
    if told.announced_seq > quote.seq:
        parts.append(announced)
    return "; ".join(parts)


def _symbol(told: Explanation) -> str:
    if not told.state:
        return "no state received"
    since = f" for {format_duration(told.state_for_ns)}" if told.state_for_ns is not None else ""
    means = f": {told.state_means}" if told.state_means else ""
    change = "" if told.state_change in ("", NO_CHANGE) else f" -> {told.state_change}"
    return f"{told.state} ({told.state_cause}){since}{means}{change}"


def _halt(told: Explanation) -> str:
    evidence = f" {told.halt_evidence}" if told.halt_evidence else ""
    change = "" if told.halt_change in ("", NO_CHANGE) else f" -> {told.halt_change}"
    return f"{told.halt}{evidence}: {told.halt_means}{change}"


def _line(told: Explanation) -> str:
    line = told.line
    if line is None:
        return told.line_means
    state = f"silent, was {line.state}," if line.silent else line.state
    parts = [f"{line.node} ({line.feed}) {state} ({line.cause}) for {format_duration(line.for_ns)}: {told.line_means}"]
    parts.append(f"connection {line.connection}, {line.attempt} failures in a row")
    if line.last_byte_ago_ns is not None:
        parts.append(f"last byte {format_duration(line.last_byte_ago_ns)} ago")
    if line.lag_ns is not None:
        parts.append(f"lag {format_duration(line.lag_ns)}")
    if line.last_gap_ns is not None:
        parts.append(f"last gap {format_duration(line.last_gap_ns)} long, {format_duration(line.last_gap_ago_ns)} ago")
    return "; ".join(parts)


def _asker(asker: Requester) -> str:
    parts = [f"{clean(asker.client, 80)}, priority {asker.priority}"]
    if asker.holds:
        parts.append(f"lease ends in {format_duration(asker.lease_left_ns)} unless renewed")
    elif asker.answered:
        parts.append(f"no lease, answered {clean(asker.answered, 40)}")
    else:
        parts.append("no lease, no node has answered")
    if asker.asked_ago_ns is not None:
        channels = "+".join(clean(channel, 20) for channel in asker.channels)
        parts.append(f"asked {format_duration(asker.asked_ago_ns)} ago ({asker.symbols} symbols, {channels})")
    return "; ".join(parts)


def _wrapped(label: str, text: str, width: int, style: str = "") -> list[Text]:
    room = max(20, width - _LABEL)
    broken = _broken(clean(text, 2_000), room) or [""]
    return [
        Text.assemble(((label if number == 0 else "").ljust(_LABEL), "bold"), (part, style))
        for number, part in enumerate(broken)
    ]


def _broken(text: str, room: int) -> list[str]:
    """Whole words in lines of at most `room` cells; some characters take two cells."""
    lines: list[str] = []
    for word in text.split():
        for part in chop_cells(word, room):
            if lines and cell_len(lines[-1]) + 1 + cell_len(part) <= room:
                lines[-1] += f" {part}"
            else:
                lines.append(part)
    return lines
