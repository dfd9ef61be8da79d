"""One message as one line of text, or as one JSON object. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from quotebus.bus import codec
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    ConnectionHealth,
    Counters,
    Event,
    ExecutionDecision,
    FeedClass,
    Flag,
    HaltKnowledge,
    IntentReport,
    MarketSession,
    OrderUpdate,
    Quote,
    RecorderHealth,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolStatus,
    Trade,
    TradeIntent,
)
from quotebus.bus.interest import ask_for_near
from quotebus.bus.process.units import format_clock, format_duration, format_price, format_quantity, format_size
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.message_reader import ReceivedMessage

_LIST = 6
"""How many items of a list are shown; the rest is counted."""
_LINE = 1_000


def format_event(heard: ReceivedMessage) -> str:
    """`14:30:00.123 quote.SPY pricing-3f9c2a#7 …`; control characters are escaped."""
    event = heard.event
    missing = f"  ({heard.missing} missing before)" if heard.missing else ""
    topic, source = heard.topic, f"{event.source}#{event.seq}"
    return clean(f"{format_clock(heard.received_ns)} {topic:<14} {source:<18} {summarize_event(event)}{missing}", _LINE)


def summarize_event(event: Event) -> str:
    """A message's content in a few words, not yet escaped for a terminal."""
    match event:
        case Quote():
            flags = ",".join((flag.name or "").lower() for flag in Flag if event.flags & flag)
            text = (
                f"{format_price(event.bid_price)} x {format_quantity(event.bid_size) or '-'}  "
                f"{format_price(event.ask_price)} x {format_quantity(event.ask_size) or '-'}"
                f"  {event.bid_exchange}/{event.ask_exchange}  {_hops(event)}"
            )
            return (
                text + (f"  {flags}" if flags else "") + (f"  conflated {event.conflated}" if event.conflated else "")
            )
        case Trade():
            amount = f"{format_price(event.price)} x {format_quantity(event.size)}"
            return f"{amount}  {event.exchange}  #{event.trade_id}  {_hops(event)}"
        case SymbolStatus():
            clients = _some(
                f"{c.client}({c.priority}, {c.lease_left_ms / 1000:.1f}s)" for c in event.clients[: _LIST + 1]
            )
            more = f" and {len(event.clients) - _LIST} more" if len(event.clients) > _LIST else ""
            held = f"held by {clients or 'nobody'}{more}"
            halt = (
                "" if event.halt == HaltKnowledge.UNKNOWN else f"  {event.halt} by {event.halt_kind or 'nothing said'}"
            )
            near = ask_for_near(event.asset.near) if event.asset is not None else ""
            return f"{event.state} ({event.cause}{near}){halt}  newest quote #{event.last_quote_seq}  {held}"
        case ConnectionHealth():
            return _health(event)
        case SymbolsRequested():
            asked = (
                f"{_some(event.symbols[:_LIST])}{_more(len(event.symbols))}"
                if event.symbols
                else "nothing (releases all)"
            )
            return (
                f"{event.client} asks for {asked}  {'+'.join(event.channels[:2])}  priority {event.priority}"
                f"  ttl {event.ttl_ms / 1000:g}s  request {event.request_id}"
            )
        case SymbolsAcknowledged():
            rows = _some(f"{row.symbol} {row.state} ({row.cause})" for row in event.results[:_LIST])
            part = f"  part {event.part} of {event.parts}" if event.parts != 1 else ""
            return (
                f"{event.cause}, lease {event.lease_ms / 1000:g}s  {rows}{_more(len(event.results))}"
                f"  request {event.request_id}{part}"
            )
        case OrderUpdate():
            return (
                f"{event.event}  {event.side} {event.filled_qty or '0'}/{event.qty or '-'} {event.symbol}"
                f" at {event.price or '-'}  order {event.order_id}"
            )
        case ExecutionDecision():
            limit = f" {format_price(event.limit_price)}" if event.limit_price is not None else ""
            why = f"  because {_some(event.reasons[:_LIST])}" if event.reasons else ""
            return (
                f"{event.side} {format_quantity(event.qty)} {event.symbol}: {event.action}{limit}{why}"
                f"  on quote {event.quote[0]}#{event.quote[1]}"
            )
        case TradeIntent():
            amount = "all" if event.complete_exit else format_quantity(event.qty)
            return f"{event.side} {amount} {event.symbol}, {event.urgency}, until {format_clock(event.deadline_ns)}"
        case IntentReport():
            average = f" at {event.average_price}" if event.average_price else ""
            why = f"  because {_some(event.reasons[:_LIST])}" if event.reasons else ""
            return (
                f"{event.side} {event.filled} of {event.qty} {event.symbol}{average}: {event.outcome}, {event.state}"
                f" ({event.cause}){why}  {len(event.orders)} orders, intent {event.intent_id}"
            )
        case RecorderHealth():
            written = f"{event.messages} messages, {format_size(event.bytes)}, lost {event.lost}"
            return f"{event.state} ({event.cause})  {event.file}  {written}"
        case Counters():
            named = _some((f"{name} {value}" for name, value in event.counters.items() if value), 40)
            return f"{event.program}  {named or 'all zero'}"
        case _:
            return ""


def make_record(heard: ReceivedMessage) -> dict[str, Any]:
    """The whole message by field name; a held quote within an acknowledgement is decoded as well."""
    event = heard.event
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "version"}
    if isinstance(event, SymbolsAcknowledged):
        fields["results"] = [
            {**msgspec.structs.asdict(row), "last_quote": _held(row.last_quote)} for row in event.results
        ]
    elif isinstance(event, SymbolStatus):
        fields["clients"] = [msgspec.structs.asdict(claim) for claim in event.clients]
        fields["asset"] = None if event.asset is None else msgspec.structs.asdict(event.asset)
    elif isinstance(event, IntentReport):
        fields["orders"] = [msgspec.structs.asdict(order) for order in event.orders]
    elif isinstance(event, SymbolsRequested):
        fields["halts"] = [msgspec.structs.asdict(claim) for claim in event.halts]
    return {"topic": heard.topic, "heard_ns": heard.received_ns, "missing_before": heard.missing, **fields}


def _health(event: ConnectionHealth) -> str:
    text = f"{event.state} ({event.cause}) for {format_duration(event.published_ns - event.since_ns)}"
    text += f", connection {event.connection}"
    if event.next_retry_ns is not None:
        left_ns = max(0, event.next_retry_ns - event.published_ns)
        text += f", next try in {format_duration(left_ns)}, failures {event.attempt}"
    text += f"  {event.desired} wanted {event.acknowledged} acknowledged {event.live} live"
    if event.lag_ns is not None:
        text += f"  lag {format_duration(event.lag_ns)}"
    if event.feed_class != FeedClass.UNKNOWN or event.session != MarketSession.UNKNOWN:
        text += f"  {event.feed_class} prices, session {event.session}"
    return text + (f"  [{event.detail}]" if event.detail else "")


def _hops(event: Quote | Trade) -> str:
    hops_ns = (event.received_ns - event.exchange_ns, event.published_ns - event.received_ns)
    return " + ".join(map(format_duration, hops_ns))


def _held(payload: bytes | None) -> dict[str, Any] | None:
    if payload is None:
        return None
    try:
        quote = codec.decode_payload("quote", payload)
    except UndecodableMessage as error:
        return {"unreadable": error.kind}
    return {name: getattr(quote, name) for name in quote.__struct_fields__ if name != "version"}


def _some(items: Any, count: int = _LIST) -> str:
    return ", ".join(str(item)[:80] for _, item in zip(range(count), items, strict=False))


def _more(count: int) -> str:
    return f" and {count - _LIST} more" if count > _LIST else ""
