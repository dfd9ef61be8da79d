"""The bus at one instant: everything that is shown on a screen, in a pipe or as JSON, as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from quotebus.bus import topics
from quotebus.bus.book import Book, Unusable
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import Claim, ConnectionHealth, SymbolState
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.tap.freshness import Currency
from quotebus.bus.tap.message_reader import MessageReader
from quotebus.bus.tap.pace import Pacing, skip_pacing
from quotebus.bus.tap.usability import Usability, judge_price, list_reasons
from quotebus.bus.tap.view import KnownStatus, View

RELEASED_SHOWN_NS = 10 * NS_PER_S
NOT_HEARD = "not_heard"
"""The reason why a tap that hears nothing cannot tell; no rule of a client's has this name."""
_UNCONFIRMING = frozenset({Unusable.NO_HEALTH, Unusable.HEALTH_SILENT, Unusable.NOT_STREAMING, Unusable.NO_STATUS})
"""With one of these, the newest state of a symbol is an old one: nothing says that it still holds."""
FAMILIES: dict[str, Callable[[str], bool]] = {
    "dropped": lambda name: name.endswith(("dropped", "forged")),
    "lost": lambda name: name in ("lost", "gaps"),
    "bad": lambda name: name in ("undecodable", "bad_data", "bad_records", "bad_frames"),
    "conflated": lambda name: name == "conflated",
}
"""Which of the programs' counters the header adds up; the key `c` shows all of them."""


class SymbolRow(msgspec.Struct, frozen=True):
    """One symbol. Prices are None where absent; `age_ns` None without a quote; `usable` is a client's judgement,
    as far as a tap can tell. `confirmed`: the line on which `state` was reported streams."""

    symbol: str
    bid_price: float | None
    bid_size: float | None
    ask_price: float | None
    ask_size: float | None
    spread: float | None
    age_ns: int | None
    per_s: float
    state: str
    cause: str
    since_ns: int | None
    clients: tuple[Claim, ...]
    usable: Usability
    reasons: tuple[str, ...]
    flags: int
    replayed: bool
    confirmed: bool


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    """One node's upstream connection; with `orders`, the account's order stream, which says nothing about prices."""

    node: str
    source: str
    feed: str
    state: str
    cause: str
    detail: str
    for_ns: int
    retry_in_ns: int | None
    attempt: int
    connection: int
    desired: int
    acknowledged: int
    live: int
    lag_ns: int | None
    last_byte_ago_ns: int | None
    last_gap_ns: int | None
    last_gap_ago_ns: int | None
    heard_ago_ns: int
    silent: bool
    orders: bool
    replayed: bool


@dataclass(frozen=True, slots=True)
class RecorderLine:
    """A capture being written."""

    name: str
    state: str
    cause: str
    file: str
    messages: int
    bytes: int
    lost: int
    heard_ago_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`lost_here`: messages that this tap itself missed. `not_subscribed`: parts of messages that it dropped.
    `programs`: counters of all programs, added up by family.
    `beyond_bound`: messages of symbols after the first MAX_SYMBOLS, which have no row."""

    now_ns: int
    origin: str
    connected: bool | None
    lines: tuple[ConnectionLine, ...]
    rows: tuple[SymbolRow, ...]
    recorders: tuple[RecorderLine, ...]
    messages_per_s: float
    bytes_per_s: float
    quotes_per_s: float
    heard: int
    lost_here: int
    not_subscribed: int
    unreadable: dict[str, int]
    replayed: int
    beyond_bound: int
    programs: dict[str, int]
    counters: dict[str, dict[str, int]]
    currency: Currency | None = None
    forged: int = 0
    """Messages that this tap dropped: in another's name than that of the user who sent them."""


def take_snapshot(
    view: View,
    intake: MessageReader,
    now_ns: int,
    origin: str,
    connected: bool | None,
    pace: Pacing = skip_pacing,
    not_subscribed: int = 0,
    currency: Currency | None = None,
    forged: int = 0,
) -> Snapshot:
    """The bus at `now_ns`. `connected` is None for a capture. `currency`: how far the picture can be believed."""
    view.at(now_ns)
    messages_per_s, bytes_per_s = view.bus.all_per_s()
    lines = sorted(
        _lines(view, now_ns),
        key=lambda line: (line.orders, line.replayed, line.state == "standby", line.node),
    )
    return Snapshot(
        now_ns=now_ns,
        origin=origin,
        connected=connected,
        lines=tuple(lines),
        rows=tuple(
            pace(make_rows(view, now_ns, heard=connected is not False and (currency is None or currency.current)))
        ),
        recorders=tuple(
            RecorderLine(r.name, r.state, r.cause, r.file, r.messages, r.bytes, r.lost, now_ns - at_ns)
            for r, at_ns in view.recorders.values()
        ),
        messages_per_s=messages_per_s,
        bytes_per_s=bytes_per_s,
        quotes_per_s=view.bus.per_s("quote"),
        heard=intake.heard,
        lost_here=intake.tracker.lost,
        not_subscribed=not_subscribed,
        forged=forged,
        unreadable=dict(intake.unreadable),
        replayed=intake.replayed,
        beyond_bound=view.beyond_bound,
        programs=_summed(view),
        counters={source: {**c.counters} for source, (c, _) in sorted(view.counters.items())},
        currency=currency,
    )


def make_rows(view: View, now_ns: int, *, heard: bool = True) -> Iterable[SymbolRow]:
    """Every symbol that a client wants, or about which something was received lately.

    `heard`: the bus is heard in time; otherwise no price is known to be usable, and no state to hold.
    """
    for symbol in view.symbols:
        live = symbol in view.book.quotes or symbol in view.book.standings
        book = view.book if live else view.replayed
        row = _row(view, book, symbol, now_ns, heard)
        if row is not None:
            yield row


def _row(view: View, book: Book, symbol: str, now_ns: int, heard: bool) -> SymbolRow | None:
    replayed = book is view.replayed
    verdict = book.assess(symbol, now_ns)
    known: KnownStatus | None = (view.known_replayed if replayed else view.known).get(symbol)
    quote, standing = verdict.quote, verdict.standing
    if quote is None and standing is None:
        return None
    state = standing.state if standing is not None else ""
    gone = known is not None and now_ns - known.heard_ns > RELEASED_SHOWN_NS
    if state == SymbolState.RELEASED and gone and (verdict.age_ns is None or verdict.age_ns > RELEASED_SHOWN_NS):
        return None
    usable, reasons = judge_price(view, verdict, now_ns), tuple(map(str, list_reasons(view, verdict, now_ns)))
    if usable is Usability.YES and not heard:
        usable, reasons = Usability.UNKNOWN, (NOT_HEARD,)
    return SymbolRow(
        symbol=symbol,
        bid_price=quote.bid_price if quote else None,
        bid_size=quote.bid_size if quote else None,
        ask_price=quote.ask_price if quote else None,
        ask_size=quote.ask_size if quote else None,
        spread=quote.spread if quote else None,
        age_ns=verdict.age_ns,
        per_s=view.quotes.per_s(symbol),
        state=state,
        cause=standing.cause if standing is not None else "",
        since_ns=known.since_ns if known is not None else None,
        clients=known.claims if known is not None else (),
        usable=Usability.NO if replayed else usable,
        reasons=(REPLAYED.rstrip(":") + "ed",) if replayed else reasons,
        flags=quote.flags if quote else 0,
        replayed=replayed,
        confirmed=heard and _UNCONFIRMING.isdisjoint(verdict.reasons),
    )


def _lines(view: View, now_ns: int) -> Iterable[ConnectionLine]:
    for health, heard_ns in view.healths.values():
        replayed = health.source.startswith(REPLAYED)
        yield make_line(health, heard_ns, view.replayed if replayed else view.book, now_ns)


def make_line(health: ConnectionHealth, heard_ns: int, book: Book, now_ns: int) -> ConnectionLine:
    """One health as durations, measured on the publisher's own clock."""
    age_ns = book.age_ns(health, now_ns)
    there_ns = health.published_ns + age_ns if age_ns < HEALTH_SILENCE_NS * 10_000 else now_ns

    def ago(instant_ns: int | None) -> int | None:
        return None if instant_ns is None else there_ns - instant_ns

    start_ns, end_ns = health.gap_start_ns, health.gap_end_ns
    return ConnectionLine(
        node=health.node,
        source=health.source,
        feed=health.feed,
        state=health.state,
        cause=health.cause,
        detail=health.detail,
        for_ns=there_ns - health.since_ns,
        retry_in_ns=None if health.next_retry_ns is None else health.next_retry_ns - there_ns,
        attempt=health.attempt,
        connection=health.connection,
        desired=health.desired,
        acknowledged=health.acknowledged,
        live=health.live,
        lag_ns=health.lag_ns,
        last_byte_ago_ns=ago(health.last_frame_ns),
        last_gap_ns=None if start_ns is None else (there_ns if end_ns is None else end_ns) - start_ns,
        last_gap_ago_ns=ago(end_ns),
        heard_ago_ns=now_ns - heard_ns,
        silent=age_ns > HEALTH_SILENCE_NS,
        orders=health.node.endswith(topics.ORDERS),
        replayed=health.source.startswith(REPLAYED),
    )


def _summed(view: View) -> dict[str, int]:
    sums = dict.fromkeys(FAMILIES, 0)
    for counted, _ in view.counters.values():
        for name, value in counted.counters.items():
            for family, counts in FAMILIES.items():
                sums[family] += value if counts(name) else 0
    return sums
