"""What each reason, state and cause means, in the words of `EVENTS.md`, and what would change it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from quotebus.bus.book import Unusable
from quotebus.bus.events import Cause, ConnectionState, HaltKnowledge, SymbolState

NO_CHANGE = "no change needed"


class Meaning(NamedTuple):
    """What a word means, and what would change it; `change` is empty where nothing is wrong."""

    means: str
    change: str


REASONS: dict[Unusable, Meaning] = {
    Unusable.NOT_REQUESTED: Meaning("the consumer does not ask for this symbol", "the client requests the symbol"),
    Unusable.CLIENT_CONFLICT: Meaning(
        "another running program has the consumer's client name", "give one of the two another client name"
    ),
    Unusable.UNCONFIRMED: Meaning(
        "the newest request is not acknowledged, or the bus was away since",
        "the node's next acknowledgement; requests are repeated every 0.5 s",
    ),
    Unusable.READER_BEHIND: Meaning(
        "the consumer could not drain what it had received", "the client's loop catches up with what it has received"
    ),
    Unusable.NO_HEALTH: Meaning(
        "no pricing node has been heard yet", "start a pricing-node on this bus; it publishes its health every second"
    ),
    Unusable.HEALTH_SILENT: Meaning(
        "the newest health is older than 3 s",
        "the node is heard again; if its process is running, check the broker between it and this tap",
    ),
    Unusable.NOT_STREAMING: Meaning(
        "the newest health is of another state", "the line streams again: see `line` below"
    ),
    Unusable.CLASS_NOT_ACCEPTED: Meaning(
        "the feed's class is none that the consumer takes: by default all but `delayed`, `indicative` and `unknown`",
        "a node of a real-time feed, PRICING_FEED_CLASS for an address of yours, or a client with another `accept`",
    ),
    Unusable.NO_STATUS: Meaning(
        "no state of this symbol from the node whose health is the newest",
        "the node's next SymbolStatus (within 10 s for a wanted symbol), or its answer to a request",
    ),
    Unusable.NOT_LIVE: Meaning(
        "the symbol's state is neither `live` nor `quiet`", "the symbol's state changes: see `symbol` below"
    ),
    Unusable.HALTED: Meaning("a halt is known", "a resume from the exchange, or a trade that proves trading"),
    Unusable.NO_QUOTE: Meaning("no quote has been received", "the next quote of this symbol"),
    Unusable.OTHER_SOURCE: Meaning(
        "the quote is another node's", "the first quote from the node whose health is the newest"
    ),
    Unusable.OTHER_CONNECTION: Meaning(
        "the quote came over a former upstream connection", "the first quote over the present connection"
    ),
    Unusable.LOST_NEWER: Meaning(
        "a newer quote was announced and has not arrived", "the next quote, or a request with `snapshot`"
    ),
    Unusable.ONE_SIDED: Meaning("a side, or its size, is absent", "a quote with both sides and their sizes"),
    Unusable.CROSSED: Meaning("bid above ask", "a quote whose bid is below its ask"),
    Unusable.LOCKED: Meaning("bid equal to ask", "a quote with a spread"),
    Unusable.BACKWARD_TIME: Meaning(
        "older by exchange time than the quote before", "a quote that is newer by exchange time"
    ),
    Unusable.SUSPICIOUS: Meaning(
        "prices far from what came before or from each other, or a flag that is not known", "a plausible quote"
    ),
    Unusable.EXCHANGE_LATE: Meaning(
        "the quote reached the node long after its exchange time (10 s by default): the line is behind, or the node's "
        "clock is ahead",
        "the line catches up; or the node's machine gets the right time, which the node takes up within 40 s",
    ),
    Unusable.EXCHANGE_AHEAD: Meaning(
        "the quote bears an exchange time long after the node's (10 s by default): a clock is wrong, and an old price "
        "would look new",
        "the node's machine gets the right time, which the node takes up within 40 s",
    ),
    Unusable.TOO_OLD: Meaning(
        "the quote is older than the consumer's bound", "a newer quote, or a consumer with a wider bound"
    ),
}

LINE_STATES: dict[ConnectionState, Meaning] = {
    ConnectionState.IDLE: Meaning(
        "no client wants a symbol; no connection, and none is needed", "the first request for a symbol makes it dial"
    ),
    ConnectionState.CONNECTING: Meaning(
        "looking up, dialling, TLS and WebSocket handshake",
        "the upstream completes the handshake, or the deadline for it passes",
    ),
    ConnectionState.AUTHENTICATING: Meaning(
        "HTTP 101 was received; the key is being checked",
        "the upstream answers the credentials, or the deadline for it passes",
    ),
    ConnectionState.SUBSCRIBING: Meaning(
        "authenticated; the first subscribe is not yet answered",
        "the upstream acknowledges the first subscribe, or the deadline for it passes",
    ),
    ConnectionState.STREAMING: Meaning(
        "the upstream authenticated us and answered our first subscribe: the only state with usable prices", NO_CHANGE
    ),
    ConnectionState.SUSPECT: Meaning(
        "no byte for 2.5 s though we asked for a sign of life, data arrives late, or newer data is known not to arrive",
        "the upstream delivers in time again; a line that is silent for 4.5 s is replaced",
    ),
    ConnectionState.BACKING_OFF: Meaning(
        "the last attempt failed; the node waits for the next", "the next dial succeeds"
    ),
    ConnectionState.CIRCUIT_OPEN: Meaning(
        "ten failures in a row and a minute without streaming; attempts go on as before",
        "one of these attempts succeeds",
    ),
    ConnectionState.REFUSED: Meaning(
        "needs an operator (credentials, entitlement, TLS); one attempt a minute, credentials are read again each time",
        "an operator corrects it; the next attempt then succeeds",
    ),
    ConnectionState.STANDBY: Meaning(
        "another node is active; with `listening` in `detail`, the node has just started and does not know yet",
        "the active node ends, and this one takes over",
    ),
    ConnectionState.STOPPED: Meaning("the program is exiting", "start a pricing-node"),
}

SUSPECT: dict[Cause, Meaning] = {
    Cause.NO_LIFE: Meaning(
        "no byte for 2.5 s though we asked for a sign of life",
        "any byte from the upstream; a line that is silent for 4.5 s is replaced",
    ),
    Cause.SLOW_LINE: Meaning(
        "data arrives later than PRICING_SLOW_LINE_S allows; the line is kept, its prices are not used",
        "the lag falls to half of PRICING_SLOW_LINE_S: look at the network path and at the upstream",
    ),
    Cause.MUTE: Meaning(
        "pings are answered, but no data arrives, and the venue's REST data shows newer quotes than ours",
        "the next quote or trade; the line is dialled again at most once in 5 minutes, later once an hour",
    ),
}
"""A suspect line is silent, slow or mute, which calls for different things. Its other causes do not say which it is."""

HALTS: dict[HaltKnowledge, Meaning] = {
    HaltKnowledge.TRADING: Meaning("the exchange is known to trade the symbol", NO_CHANGE),
    HaltKnowledge.PRESUMED: Meaning(
        "no halt is known, and the symbol has traded since halts are reported to the node", NO_CHANGE
    ),
    HaltKnowledge.HALTED: Meaning(
        "the exchange has stopped trading in it", "a resume from the exchange, or a trade that proves trading"
    ),
    HaltKnowledge.UNKNOWN: Meaning(
        "nothing is known either way", "a trade since statuses are subscribed to, on the stream or by REST"
    ),
}
SYMBOL_STATES: dict[SymbolState, Meaning] = {
    SymbolState.PENDING: Meaning(
        "wanted; no quote on this connection yet", "the first quote of this symbol on this connection"
    ),
    SymbolState.LIVE: Meaning("acknowledged upstream, with a quote on this connection", NO_CHANGE),
    SymbolState.QUIET: Meaning("no new quote for a while on a line proven alive: the standing quote holds", NO_CHANGE),
    SymbolState.HALTED: Meaning(
        "trading is halted or paused; survives a reconnect",
        "a resume from the exchange, or a trade that proves trading",
    ),
    SymbolState.STALE: Meaning(
        "the last data was nonsense; until the next good quote", "the next quote that passes the checks"
    ),
    SymbolState.REFUSED: Meaning(
        "cannot be had: not a symbol, none of the venue's, or the upstream does not acknowledge it",
        "ask for another symbol, or for a feed that has this one",
    ),
    SymbolState.EVICTED: Meaning(
        "gave way to others under the upstream's symbol limit; comes back when there is room",
        "other symbols are released, or a client asks for this one with a higher priority",
    ),
    SymbolState.RELEASED: Meaning(
        "no client wants it any more; for 2 s its quotes may still come", "a client requests the symbol"
    ),
}

CAUSES: dict[Cause, Meaning] = {
    Cause.DEMAND: Meaning("somebody asks; the ordinary cause of a step forward", ""),
    Cause.NO_DEMAND: Meaning("no client wants a symbol", "a client requests a symbol"),
    Cause.LINGERING: Meaning(
        "streaming with nothing wanted, kept open for a while", "a client requests a symbol before the line is closed"
    ),
    Cause.DNS: Meaning("the upstream's name could not be looked up", "the upstream's name resolves: check DNS"),
    Cause.CONNECT_REFUSED: Meaning(
        "the TCP connection was refused", "something listens at the upstream's address and port"
    ),
    Cause.CONNECT_TIMEOUT: Meaning(
        "the TCP connection did not come in time", "the upstream's address answers: check the route and the firewall"
    ),
    Cause.HANDSHAKE_TIMEOUT: Meaning(
        "TLS or WebSocket handshake did not end in time", "the upstream completes its handshake in time"
    ),
    Cause.HTTP_429: Meaning("rate limited", "the rate limit expires; we wait at least 30 s"),
    Cause.DIAL_LIMIT: Meaning(
        "the nodes of this host have made all the attempts that the venue allows for now",
        "the next attempt is due, as many as the venue allows in ten minutes",
    ),
    Cause.HTTP_STATUS: Meaning(
        "another HTTP answer than 101", "the upstream answers 101: check PRICING_UPSTREAM_URL and the detail"
    ),
    Cause.REDIRECT: Meaning(
        "sent elsewhere, which is not followed", "set PRICING_UPSTREAM_URL to the address it redirects to"
    ),
    Cause.TLS: Meaning(
        "the certificate or the TLS handshake failed",
        "a certificate for that name that this machine trusts and that has not expired",
    ),
    Cause.AUTH_TIMEOUT: Meaning("no answer to the credentials", "the upstream answers the credentials in time"),
    Cause.AUTH_FAILED: Meaning(
        "the credentials were refused", "correct PRICING_API_KEY and PRICING_API_SECRET; they are read anew each time"
    ),
    Cause.NOT_ENTITLED: Meaning(
        "the account has no right to this feed", "subscribe the account to this feed, or set PRICING_FEED to another"
    ),
    Cause.SCOPE: Meaning("the credentials are not for this use", "use a key for market data"),
    Cause.CONNECTION_LIMIT: Meaning(
        "the account's connection is in use elsewhere",
        "the account's other connection ends: find out who else uses this key",
    ),
    Cause.SYMBOL_LIMIT: Meaning(
        "the upstream allows fewer symbols", "ask for fewer symbols, or use a plan that allows more"
    ),
    Cause.SLOW_CLIENT: Meaning(
        "the upstream says that the node reads too slowly", "the node keeps up: check the load of its machine"
    ),
    Cause.SLOW_LINE: Meaning("data arrives late", "the upstream delivers in time again"),
    Cause.UPSTREAM_ERROR: Meaning("an error of the upstream's own", "the upstream recovers from its error"),
    Cause.PROTOCOL: Meaning("the upstream broke its protocol", "the upstream keeps to its protocol"),
    Cause.TOO_BIG: Meaning(
        "a message beyond every reasonable size", "the upstream's messages are of a reasonable size"
    ),
    Cause.CLOSED: Meaning("the upstream closed the connection properly", "the upstream accepts the next connection"),
    Cause.RESET: Meaning("the connection broke", "the next connection holds"),
    Cause.NO_LIFE: Meaning("silent for too long", "any byte from the upstream"),
    Cause.MUTE: Meaning(
        "pings are answered, but data that the venue shows by REST does not arrive", "the next quote or trade"
    ),
    Cause.ACK_TIMEOUT: Meaning("a subscribe was not answered", "the upstream answers a subscribe"),
    Cause.NOT_IN_ACK: Meaning(
        "the upstream's answer leaves the symbol out, repeatedly",
        "the upstream acknowledges the symbol; it is asked again on the next connection",
    ),
    Cause.BAD_SYMBOL: Meaning("not a symbol", "ask for a symbol of the form [A-Z0-9][A-Z0-9./_-]{0,31}"),
    Cause.NO_SUCH_SYMBOL: Meaning(
        "the venue's list of symbols does not have it, and asked about it the venue says the same",
        "ask for the symbol you meant; the venue is asked about this one again",
    ),
    Cause.INACTIVE: Meaning(
        "the venue says that it is no longer traded", "ask for the symbol that took its place, if one did"
    ),
    Cause.NOT_TRADABLE: Meaning(
        "the venue takes no orders for it; it waits for its first quote", "its first quote; no order can follow from it"
    ),
    Cause.NEVER_TICKED: Meaning(
        "subscribed, and no quote for longer than `PRICING_FIRST_TICK_S`: it gives way first under the symbol limit",
        "its first quote; the symbol may be quoted rarely on this feed",
    ),
    Cause.NO_QUOTE_YET: Meaning(
        "subscribed, waiting for the first quote of this connection",
        "its first quote; the symbol may not be trading now, or may not exist",
    ),
    Cause.BAD_DATA: Meaning("the last quote could not be used: a nonsensical value", "the next good quote"),
    Cause.HALT: Meaning("trading was halted", "the exchange ends the halt"),
    Cause.PAUSE: Meaning("trading was paused", "the exchange ends the pause"),
    Cause.RESUME: Meaning("trading goes on", ""),
    Cause.EVICTED: Meaning("displaced by a symbol of higher priority", "ask for the symbol with a higher priority"),
    Cause.LEASE_EXPIRED: Meaning("the last lease on it was not renewed", "a client requests it, and renews its lease"),
    Cause.SUPERSEDED: Meaning("reserved: replaced by something newer; nothing publishes it yet", ""),
    Cause.OTHER_NODE: Meaning("another node is active", "the active node ends"),
    Cause.SHUTDOWN: Meaning("the program is exiting", "start the program again"),
    Cause.BAD_REQUEST: Meaning(
        "a request with an invalid client name or channels", "the client sends a valid name and valid channels"
    ),
    Cause.TOO_MANY: Meaning("a request beyond the bounds", "at most 10,000 symbols, by one client and by all together"),
    Cause.CLIENT_CONFLICT: Meaning("two processes use one client name", "give one of the two another client name"),
    Cause.RATE_LIMITED: Meaning("more requests than a node answers", "clients send at most 50 requests a second"),
    Cause.DISK_FULL: Meaning("no room for the capture", "free space for the capture, and start the recorder again"),
    Cause.READ_ONLY: Meaning("the capture's folder may not be written to", "make the capture's folder writable"),
    Cause.SLOW_DISK: Meaning("the disk takes longer than it may", "the disk answers in time again"),
    Cause.DISK_ERROR: Meaning("the disk failed in another way", "check the disk and the recorder's last line"),
}
