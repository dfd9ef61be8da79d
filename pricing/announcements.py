"""What the node publishes about requests, symbols and its connection: events built from its state. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.bus.clock import to_utc_ns
from quotebus.bus.events import (
    AckRow,
    Cause,
    Claim,
    ConnectionHealth,
    FeedClass,
    MarketSession,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from quotebus.pricing.demand import RequestOutcome
from quotebus.pricing.feed_watch import SILENT
from quotebus.pricing.pongs import NO_PONGS
from quotebus.pricing.session import Session
from quotebus.pricing.session_states import UP
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.symbols import SymbolEntry, SymbolTable

ROWS_PER_PART = 1_000
HALTS_UNKNOWN = "halts_unknown"
NO_RANK = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this node is. `symbol_limit`: (symbol, channel) pairs the upstream allows, None for no limit."""

    node: str
    feed: str
    source: str
    symbol_limit: int | None
    feed_class: FeedClass = FeedClass.UNKNOWN

    @property
    def is_in_time(self) -> bool:
        """Whether trades and statuses are the market's own and now, so that they may end a halt."""
        return self.feed_class not in (FeedClass.DELAYED, FeedClass.INDICATIVE)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many symbols are wanted, acknowledged by the upstream, and have a price on this connection."""

    desired: int
    acknowledged: int
    live: int


def build_acknowledgements(
    request: SymbolsRequested, answer: RequestOutcome, symbols: SymbolTable, shared: SharedState
) -> list[SymbolsAcknowledged]:
    """The answer to a request, in parts of at most 1,000 rows, in the request's order.

    Rows carry the last quote in the first answer to a (client, source), for added symbols, and when the request asks
    for a snapshot. A request that was refused as a whole is answered without rows.
    """
    rows: list[AckRow] = []
    if answer.cause is Cause.DEMAND:
        refused = set(answer.refused)
        all_quotes = answer.first or request.snapshot
        rows = [
            AckRow(symbol, SymbolState.REFUSED, Cause.BAD_SYMBOL if symbol in refused else Cause.TOO_MANY, None, 0)
            if symbol in refused or symbol in answer.beyond
            else _row(symbol, symbols, shared, with_quote=all_quotes or symbol in answer.added)
            for symbol in dict.fromkeys(request.symbols)
        ]
    parts = max(1, -(-len(rows) // ROWS_PER_PART))
    return [
        SymbolsAcknowledged(
            client=request.client,
            request_id=request.request_id,
            results=tuple(rows[part * ROWS_PER_PART : (part + 1) * ROWS_PER_PART]),
            cause=answer.cause,
            lease_ms=answer.lease_ms,
            part=part + 1,
            parts=parts,
        )
        for part in range(parts)
    ]


def build_status(entry: SymbolEntry, claims: tuple[Claim, ...], shared: SharedState) -> SymbolStatus:
    """A symbol's state, its holders, and the number and time of its last quote."""
    slot = shared.slots.get(entry.symbol)
    _, seq, published_ns = slot.last_quote() if slot else (None, 0, None)
    return SymbolStatus(
        symbol=entry.symbol,
        state=entry.state,
        cause=entry.cause,
        since_ns=to_utc_ns(entry.since_ns),
        clients=claims,
        last_quote_ns=published_ns,
        last_quote_seq=seq,
        halt=entry.belief.halt,
        halt_kind=entry.belief.kind,
        halt_exchange_ns=entry.belief.exchange_ns,
        asset=entry.asset,
    )


def describe(*, statuses: bool, silent: bool, pongs: bool) -> str:
    """The detail of a connection that is up: whether it reports halts, is suspiciously silent, answers pings."""
    words = ("" if statuses else HALTS_UNKNOWN, SILENT if silent else "", "" if pongs else NO_PONGS)
    return ", ".join(filter(None, words))


def build_health(
    identity: Identity, session: Session, counts: Counts, shared: SharedState, market_session: MarketSession
) -> ConnectionHealth:
    """The connection's state, cause, counts and lag, and the market's session."""
    return ConnectionHealth(
        node=identity.node,
        feed=identity.feed,
        state=session.state,
        cause=session.cause,
        detail=session.detail,
        since_ns=to_utc_ns(session.since_ns),
        connection=session.connection,
        attempt=session.attempt,
        next_retry_ns=_utc(session.next_retry_ns),
        last_frame_ns=_utc(shared.last_byte_ns or None),
        desired=counts.desired,
        acknowledged=counts.acknowledged,
        live=counts.live,
        gap_start_ns=_utc(session.gap.start_ns),
        gap_end_ns=_utc(session.gap.end_ns),
        lag_ns=shared.lag_ns if session.state in UP else None,
        feed_class=identity.feed_class,
        session=market_session,
    )


def _row(symbol: str, symbols: SymbolTable, shared: SharedState, *, with_quote: bool) -> AckRow:
    entry, slot = symbols.entries.get(symbol), shared.slots.get(symbol)
    if entry is None:
        return AckRow(symbol, SymbolState.RELEASED, Cause.NO_DEMAND, None, 0)
    payload, seq, _ = slot.last_quote() if slot else (None, 0, None)
    halt, kind, exchange_ns = entry.belief
    quote = payload if with_quote else None
    # By position, which takes half as long as by name: 100 clients with 100 symbols each are 10,000 rows at once.
    return AckRow(symbol, entry.state, entry.cause, quote, seq, halt, kind, exchange_ns, NO_RANK, entry.asset)


def _utc(boot_ns: int | None) -> int | None:
    return None if boot_ns is None else to_utc_ns(boot_ns)
