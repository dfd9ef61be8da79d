"""A client's side of the lease protocol: what to ask, when to ask again, and what was answered.

The bus may lose any message, so a request repeats until it is acknowledged, and the lease is renewed at a third of its
length. Pure: `now_ns` and the jitter are arguments, and what should be sent is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.events import (
    NO_HALT_KIND,
    AckRow,
    AssetFacts,
    Cause,
    HaltClaim,
    HaltKind,
    HaltKnowledge,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from quotebus.bus.halts import KnownHalts
from quotebus.bus.protocol import MAX_SYMBOLS
from quotebus.bus.verdict import Reasons

REPEAT_NS = 500 * NS_PER_MS
HURRIED_NS = 200 * NS_PER_MS
"""The first repeat after the bus was away: the broker may have published the answer before it had read twenty thousand
subscriptions of ours."""
DEFAULT_TTL_MS = 15_000
SETTLED = frozenset({SymbolState.LIVE, SymbolState.QUIET, SymbolState.HALTED, SymbolState.REFUSED, SymbolState.EVICTED})
"""States after which waiting for another answer is of no use."""
HOPELESS = frozenset({SymbolState.HALTED, SymbolState.REFUSED, SymbolState.EVICTED})
"""States in which waiting for a price is of no use."""

MIN_LEASE_MS = 1_000
"""A node grants no shorter lease, and renewals for a shorter one would never end."""

ABSENT = frozenset({Cause.NO_SUCH_SYMBOL, Cause.INACTIVE})
"""The venue does not have the symbol, or no longer."""
_REFUSED = (Cause.BAD_REQUEST, Cause.TOO_MANY)
_NOT_APPLIED = (Cause.RATE_LIMITED, Cause.CLIENT_CONFLICT)


@dataclass(frozen=True, slots=True)
class SymbolResult:
    """What is known of one requested symbol."""

    symbol: str
    """As requested, in upper case; as given when it is no symbol."""
    state: SymbolState = SymbolState.PENDING
    """Where it stands by the newest answer or status; line trouble is in the connection's health."""
    cause: Cause = Cause.DEMAND
    """Why that state was entered; of a refused symbol, why it was refused."""
    acknowledged: bool = False
    """Whether a pricing node has answered for it."""
    halt: HaltKnowledge = HaltKnowledge.UNKNOWN
    """What is known of a trading halt."""
    halt_kind: HaltKind = NO_HALT_KIND
    """What that rests on; empty when nothing is known."""
    halt_exchange_ns: int | None = None
    """The exchange's time of that evidence, nanoseconds; compare it with other times of the exchange only."""
    rank: int = 0
    """Of the node: 0 for the first line of its domain, 1 for the second."""
    asset: AssetFacts | None = None
    """What the venue's list of symbols says of it; None where there is none, or it is silent."""
    reasons: Reasons | None = None
    """Why its price could not be used when this was returned, empty if it could; None where nobody has judged."""

    def __str__(self) -> str:
        """For people: `APPL: refused (no_such_symbol); did you mean AAPL?`."""
        against = f", {self.reasons}" if self.reasons and not self.hopeless else ""
        return f"{self.symbol}: {self.state} ({self.cause}){against}{ask_for_near(self.near)}"

    @property
    def near(self) -> tuple[str, ...]:
        """Of a symbol that the venue does not have: those that it has and that are spelt nearly like it."""
        return () if self.asset is None else self.asset.near

    @property
    def usable(self) -> bool:
        """Whether its price could be used when this was returned; False where nobody has judged."""
        return self.reasons == ()

    @property
    def hopeless(self) -> bool:
        """Whether it has no price and waiting brings none: it is halted, refused, or gave way to others."""
        return self.state in HOPELESS

    @property
    def settled(self) -> bool:
        """Whether waiting longer is of no use: it has a price, is halted, or is refused."""
        return self.state in SETTLED


@dataclass(frozen=True, slots=True)
class Wanted:
    """All that a client asks for at present."""

    symbols: tuple[str, ...] = ()
    channels: tuple[str, ...] = ("quotes",)
    priority: int = 0


@dataclass
class Interest:
    """State of one lease. `acknowledged`: the newest request has been answered, by the node of source `answered_by`.

    `tag` begins every request's number: it must differ between two processes under one client name, or one would take
    the other's answers for its own.
    """

    client: str
    ttl_ms: int = DEFAULT_TTL_MS
    tag: str = ""
    wanted: Wanted = field(default_factory=Wanted)
    acknowledged: bool = False
    answered_by: str = ""
    lease_ms: int = 0
    asked_ns: int = 0
    """When the newest request was sent first."""
    asks: int = 0
    """How often the newest request was sent."""
    results: dict[str, SymbolResult] = field(default_factory=dict)
    refused: dict[str, SymbolResult] = field(default_factory=dict)
    conflict_since_ns: int | None = None
    """Since when another program has held the name: requests are refused, and repeat; None when none has."""
    claimed: dict[str, int] = field(default_factory=dict)
    """The halts that the newest request handed over: symbol to the exchange's time of the evidence."""
    newly_absent: dict[str, None] = field(default_factory=dict)
    """Symbols that turned out to be none of the venue's; whoever tells the user empties it."""
    _number: int = 0
    _answered: bool = True
    _snapshot: bool = False
    _hurried: bool = False
    _unconfirmed: bool = False
    _next_ns: int | None = None
    _lease_until_ns: int | None = None
    _doubt_ns: int | None = None
    _parts: set[int] = field(default_factory=set)

    def replace(self, symbols: list[str], channels: tuple[str, ...], priority: int, now_ns: int) -> Wanted:
        """Ask for these symbols and no others; those that cannot be asked for are refused by name."""
        self.refused = {}
        accepted: dict[str, None] = {}
        for text in symbols:
            try:
                accepted[topics.symbol(text)] = None
            except ValueError:
                self.refused[text] = SymbolResult(text, SymbolState.REFUSED, Cause.BAD_SYMBOL)
        former, self.wanted = self.wanted, Wanted(tuple(accepted), channels, priority)
        if former.symbols and (former.channels, former.priority) != (channels, priority):
            self._unconfirmed = True
        self.results = {symbol: self.results.get(symbol, SymbolResult(symbol)) for symbol in accepted}
        self._ask(now_ns)
        return self.wanted

    def ask_again(self, now_ns: int, *, jitter_ns: int = 0, anew: bool = False) -> None:
        """What was acknowledged may no longer hold (new node, bus was away): ask at `now_ns` + jitter, with quotes.

        A request that still waits for its answer only goes out earlier, unless `anew` says that an answer to it would
        prove nothing.
        """
        if not self.wanted.symbols and self._answered:
            return
        self._snapshot = True
        self._hurried = anew
        if self._answered or anew or self._next_ns is None:
            self._ask(now_ns + jitter_ns)
        else:
            self._next_ns = min(self._next_ns, now_ns + jitter_ns)

    def renew(self, now_ns: int) -> bool:
        """Bring the next renewal forward to now; False while a request still waits for its answer."""
        if not self._answered or self._next_ns is None:
            return False
        self._next_ns = now_ns
        return True

    def doubt(self, at_ns: int) -> None:
        """Something contradicts what was answered: ask with quotes at `at_ns`, though the former answer stands."""
        if not self.wanted.symbols:
            return
        if not self._answered:
            self._doubt_ns = at_ns  # the answer that is on its way may be the one that is doubted
            return
        self._snapshot = True
        self._next_ns = at_ns if self._next_ns is None else min(self._next_ns, at_ns)

    def _ask(self, at_ns: int) -> None:
        self._begin()
        self.acknowledged = False
        self._next_ns = at_ns

    def _begin(self) -> None:
        """Another question."""
        self._number += 1
        self._parts = set()
        self._answered = False
        self.asks = 0

    @property
    def _request_id(self) -> str:
        return f"{self.tag}{self._number}"

    def is_ours(self, request_id: str) -> bool:
        """Whether this client has asked it, and not another program under the same name."""
        return request_id.startswith(self.tag)

    def lapsed(self, now_ns: int) -> bool:
        """Whether the lease must have ended: no answer for as long as it was granted for."""
        return self._lease_until_ns is not None and now_ns > self._lease_until_ns

    def next_ns(self) -> int | None:
        """When `due` will have something to send; None when nothing is held and nothing is asked."""
        return self._next_ns

    def take_due(self, now_ns: int, halts: KnownHalts | None = None) -> SymbolsRequested | None:
        """The request to send now, if any. `halts`: those that are known, to hand over."""
        if self._next_ns is None or now_ns < self._next_ns:
            return None
        if self._answered:  # a renewal: a new question, though the former answer still stands
            self._begin()
        self._next_ns = now_ns + (HURRIED_NS if self._hurried else REPEAT_NS)
        self._hurried = False
        self.asks += 1
        if self.asks == 1:
            self.asked_ns = now_ns
            self.claimed = {} if halts is None else halts.choose_claims()
        return SymbolsRequested(
            client=self.client,
            request_id=self._request_id,
            symbols=self.wanted.symbols,
            channels=self.wanted.channels,
            priority=self.wanted.priority,
            ttl_ms=self.ttl_ms,
            snapshot=self._snapshot,
            halts=tuple(HaltClaim(symbol, exchange_ns) for symbol, exchange_ns in self.claimed.items()),
        )

    def expects(self, ack: SymbolsAcknowledged) -> bool:
        """Whether this can be a part of the answer that is waited for."""
        return (
            ack.client == self.client
            and ack.request_id == self._request_id
            and not self._answered
            and 1 <= ack.part <= ack.parts <= MAX_SYMBOLS
        )

    def on_acknowledged(self, ack: SymbolsAcknowledged, now_ns: int) -> bool:
        """Take one part of an answer; True when it completes the newest request."""
        if not self.expects(ack):
            return False
        for row in ack.results:
            if row.symbol in self.results:
                self._take(_result(row, acknowledged=True))
        if ack.cause == Cause.CLIENT_CONFLICT and self.conflict_since_ns is None:
            self.conflict_since_ns = now_ns
        if ack.cause in _NOT_APPLIED:
            return False  # not applied: the request goes on repeating
        self.conflict_since_ns = None
        if ack.source != self.answered_by:
            self.answered_by = ack.source
            self._parts = set()
        if ack.part not in self._parts:
            self._next_ns = now_ns + REPEAT_NS  # the others are on their way
        self._parts.add(ack.part)
        if len(self._parts) < ack.parts:
            return False
        self._answered = self.acknowledged = True
        self._snapshot = False
        if ack.cause in _REFUSED:
            self.results = {
                symbol: SymbolResult(symbol, SymbolState.REFUSED, ack.cause, acknowledged=True)
                for symbol in self.wanted.symbols
            }
        # What a node grants is within what was asked for; another length would be a renewal too late, or without end.
        longest_ms = max(self.ttl_ms, MIN_LEASE_MS)
        self.lease_ms = min(max(ack.lease_ms, MIN_LEASE_MS), longest_ms) if ack.lease_ms > 0 else 0
        lease_ns = (self.lease_ms or longest_ms) * NS_PER_MS
        self._next_ns = now_ns + lease_ns // 3 if self.wanted.symbols else None
        self._lease_until_ns = now_ns + lease_ns if self.wanted.symbols else None
        if self._unconfirmed:
            self._unconfirmed = False
            self.renew(now_ns)  # other channels or another priority count once two requests in a row say so
        if self._doubt_ns is not None:
            at_ns, self._doubt_ns = max(now_ns, self._doubt_ns), None
            self.doubt(at_ns)
        return True

    def on_status(self, status: SymbolStatus) -> None:
        """A symbol's state changed after it was acknowledged."""
        held = self.results.get(status.symbol)
        if held is not None:
            self._take(_result(status, acknowledged=held.acknowledged))

    def _take(self, result: SymbolResult) -> None:
        if result.cause in ABSENT and self.results[result.symbol].cause not in ABSENT:
            self.newly_absent[result.symbol] = None
        self.results[result.symbol] = result

    def find_result(self, symbol: str) -> SymbolResult | None:
        """The newest result of one symbol; None when the last request did not have it."""
        return self.results.get(symbol) or self.refused.get(symbol)

    def all_results(self) -> dict[str, SymbolResult]:
        """The newest result of every symbol of the last request, refused ones too."""
        return {**self.results, **self.refused}

    def settled(self) -> bool:
        """Whether waiting longer can bring nothing more for any symbol."""
        return self.acknowledged and all(result.settled for result in self.results.values())


def ask_for_near(near: tuple[str, ...]) -> str:
    """What to say after a symbol that the venue does not have; empty when nothing is spelt nearly like it."""
    names = [name for name in near if topics.is_symbol(name)]  # a terminal may show what a stranger sent
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _result(said: AckRow | SymbolStatus, *, acknowledged: bool) -> SymbolResult:
    return SymbolResult(
        symbol=said.symbol,
        state=said.state,
        cause=said.cause,
        acknowledged=acknowledged,
        halt=said.halt,
        halt_kind=said.halt_kind,
        halt_exchange_ns=said.halt_exchange_ns,
        rank=said.rank,
        asset=said.asset,
    )
