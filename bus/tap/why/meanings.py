"""What each reason, state and cause means, in the words of `EVENTS.md`, and what would change it. Pure."""

from __future__ import annotations

from quotebus.bus.book import Unusable
from quotebus.bus.events import Cause, ConnectionState, SymbolState

REASONS: dict[Unusable, tuple[str, str]] = {
    Unusable.NOT_REQUESTED: ("the consumer does not ask for this symbol", "the client requests it"),
    Unusable.UNCONFIRMED: (
        "the newest request is not acknowledged, or the bus was away since",
        "the node's next acknowledgement; requests repeat every 0.5 s",
    ),
    Unusable.READER_BEHIND: ("the consumer could not drain what it had received", "the client's loop catches up"),
    Unusable.NO_HEALTH: ("no node was ever heard", "a pricing-node starts on this bus; its health comes every second"),
    Unusable.HEALTH_SILENT: (
        "the newest health is older than 3 s",
        "the node is heard again; if its process lives, look at the broker between",
    ),
    Unusable.NOT_STREAMING: ("the newest health is of another state", "the line streams again, see line"),
    Unusable.NO_STATUS: (
        "no state of this symbol from the node whose health is the newest",
        "the node's next SymbolStatus (within 10 s of a wanted symbol), or the answer to a request",
    ),
    Unusable.NOT_LIVE: ("the symbol's state is neither `live` nor `quiet`", "the symbol's state changes, see symbol"),
    Unusable.HALTED: ("a halt is known", "a resume from the exchange, or a trade newer than the halt"),
    Unusable.NO_QUOTE: ("no quote is held", "the next quote"),
    Unusable.OTHER_SOURCE: ("the quote is another node's", "the first quote from the node whose health is the newest"),
    Unusable.OTHER_CONNECTION: (
        "the quote came over a former upstream connection",
        "the first quote over the present connection",
    ),
    Unusable.LOST_NEWER: ("a newer quote was announced and has not arrived", "the next quote, or asking with snapshot"),
    Unusable.ONE_SIDED: ("a side, or its size, is absent", "a quote with both sides"),
    Unusable.CROSSED: ("bid above ask", "a quote in order"),
    Unusable.LOCKED: ("bid equal to ask", "a quote with a spread"),
    Unusable.BACKWARD_TIME: ("older by exchange time than the quote before", "a quote in the order of time"),
    Unusable.SUSPICIOUS: (
        "prices far from what came before or from each other, or a flag that is not known",
        "a plausible quote",
    ),
    Unusable.TOO_OLD: (
        "the quote is older than the consumer's bound",
        "the next quote, or a consumer with a wider bound",
    ),
}
"""Reason to (the rule, what would change it)."""

LINE_STATES: dict[ConnectionState, tuple[str, str]] = {
    ConnectionState.IDLE: (
        "nobody asks for a symbol; no connection, and none is wanted",
        "the first request for a symbol makes it dial",
    ),
    ConnectionState.CONNECTING: (
        "looking up, dialling, TLS and WebSocket handshake",
        "the upstream answers the handshake, or its deadline passes",
    ),
    ConnectionState.AUTHENTICATING: (
        "HTTP 101 was received; the key is being checked",
        "the upstream answers the credentials, or its deadline passes",
    ),
    ConnectionState.SUBSCRIBING: (
        "authenticated; the first subscribe is not yet answered",
        "the upstream acknowledges the first subscribe, or its deadline passes",
    ),
    ConnectionState.STREAMING: (
        "the upstream authenticated us and answered our first subscribe: the only state with usable prices",
        "nothing needs to",
    ),
    ConnectionState.SUSPECT: (
        "no byte for 2.5 s though we asked for a sign of life",
        "any byte from the upstream; at 4.5 s of silence the line is replaced",
    ),
    ConnectionState.BACKING_OFF: ("the last attempt failed; the next is at `next_retry_ns`", "the next dial succeeds"),
    ConnectionState.CIRCUIT_OPEN: ("five failures in a row; one attempt a minute", "the next probe succeeds"),
    ConnectionState.REFUSED: (
        "needs an operator (credentials, entitlement, TLS); one attempt a minute, credentials read anew",
        "an operator puts it right; the next attempt then succeeds",
    ),
    ConnectionState.STANDBY: ("another node is active", "the active node ends"),
    ConnectionState.STOPPED: ("orderly exit", "a pricing-node starts"),
}
"""Connection state to (its meaning, what would change it)."""

SYMBOL_STATES: dict[SymbolState, tuple[str, str]] = {
    SymbolState.PENDING: ("wanted; no quote on this connection yet", "the first quote of this connection"),
    SymbolState.LIVE: ("acknowledged upstream, with a quote on this connection", "nothing needs to"),
    SymbolState.QUIET: (
        "no new quote for a while on a line proven alive: the standing quote holds",
        "nothing needs to",
    ),
    SymbolState.HALTED: (
        "trading is halted or paused; survives a reconnect",
        "a resume from the exchange, or a trade newer than the halt",
    ),
    SymbolState.STALE: ("the last data was nonsense; until the next good quote", "the next good quote"),
    SymbolState.REFUSED: (
        "cannot be had: not a symbol, or the upstream does not acknowledge it",
        "another symbol; for one the upstream left out, an entitled feed",
    ),
    SymbolState.EVICTED: (
        "gave way to others under the upstream's symbol limit; comes back when there is room",
        "others release symbols, or a client asks for it with a higher priority",
    ),
    SymbolState.RELEASED: ("nobody wants it any more", "a client requests it"),
}
"""Symbol state to (its meaning, what would change it)."""

CAUSES: dict[Cause, str] = {
    Cause.DNS: "the upstream's name resolves again",
    Cause.CONNECT_REFUSED: "something listens at the upstream's address again",
    Cause.CONNECT_TIMEOUT: "the upstream's address answers: look at the route and the firewall",
    Cause.HANDSHAKE_TIMEOUT: "the upstream finishes its handshake in time",
    Cause.HTTP_429: "the upstream lets us in again; we wait at least 30 s",
    Cause.HTTP_STATUS: "the upstream answers 101: look at PRICING_UPSTREAM_URL and the detail",
    Cause.REDIRECT: "PRICING_UPSTREAM_URL names the place itself; redirects are not followed",
    Cause.TLS: "the certificate is one this machine trusts, for that name, today",
    Cause.AUTH_TIMEOUT: "the upstream answers the credentials",
    Cause.AUTH_FAILED: "PRICING_API_KEY and PRICING_API_SECRET are right",
    Cause.NOT_ENTITLED: "the account gets the right to this feed, or PRICING_FEED names another",
    Cause.SCOPE: "the key is one for market data",
    Cause.CONNECTION_LIMIT: "the account's other connection ends: find who else uses this key",
    Cause.SYMBOL_LIMIT: "fewer symbols are wanted, or the plan allows more",
    Cause.SLOW_CLIENT: "the node keeps up: look at the load of its machine",
    Cause.SLOW_LINE: "the line delivers in time again",
    Cause.UPSTREAM_ERROR: "the upstream recovers",
    Cause.PROTOCOL: "the upstream keeps to its protocol",
    Cause.TOO_BIG: "the upstream's messages are of a reasonable size",
    Cause.CLOSED: "the upstream takes the next connection",
    Cause.RESET: "the next connection holds",
    Cause.NO_LIFE: "the upstream answers again",
    Cause.ACK_TIMEOUT: "the upstream answers a subscribe",
    Cause.NOT_IN_ACK: "the upstream acknowledges the symbol; it is asked anew with the next connection",
    Cause.BAD_SYMBOL: "a symbol of the form [A-Z0-9][A-Z0-9./_-]{0,31}",
    Cause.NO_QUOTE_YET: "the first quote of this connection: the symbol may not trade, or not exist",
    Cause.BAD_DATA: "the next good quote",
    Cause.HALT: "the exchange resumes trading",
    Cause.PAUSE: "the exchange resumes trading",
    Cause.OTHER_NODE: "the active node ends",
    Cause.SHUTDOWN: "a pricing-node starts",
    Cause.NO_DEMAND: "a client requests a symbol",
    Cause.LINGERING: "a client requests a symbol",
    Cause.LEASE_EXPIRED: "the client asks again",
    Cause.EVICTED: "others release symbols, or a client asks for it with a higher priority",
}
"""Cause to what would change it; a cause that is no trouble is absent."""
