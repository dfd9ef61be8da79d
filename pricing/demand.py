"""Which symbols clients want: leases in, their union out. Pure.

A request carries everything a client wants and replaces its previous request, so it can be repeated. A lease expires
unless it is renewed. It is timed by the lease clock, which stops while the node cannot receive from the bus. A symbol
that one client releases stays for every other client that holds it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Cause, Claim, SymbolsRequested
from quotebus.bus.protocol import CHANNELS, MAX_NODE_SYMBOLS, MAX_SYMBOLS, OWN_HEALTH_SILENCE_NS
from quotebus.bus.sequence import LATE, SequenceTracker
from quotebus.bus.settings import CLIENT_NAME
from quotebus.pricing.expiries import Expiries

log = logging.getLogger(__name__)
MAX_CLIENTS = 10_000
MAX_REQUESTS_PER_S = 50
CONFLICT_NS = 2 * NS_PER_S
"""How long the holder of a client name has to answer when another source asks under it. Requests repeat every 500 ms,
so three may be lost."""
MIN_TTL_MS, MAX_TTL_MS = 1_000, 120_000
AHEAD_NS = NS_PER_S // 4
"""How much faster than our clock a client's stamps are believed to run, so that one false stamp is outrun."""


class Terms(NamedTuple):
    """How a client holds its symbols."""

    channels: frozenset[str]
    priority: int
    ttl_ms: int


@dataclass(slots=True)
class Lease:
    """What one client holds. `asked_ns` and `expires_ns` are on the lease clock, `stamp_ns` is what is believed of the
    client's stamps. `asked`: the newest request's terms. What they take away counts once it was asked for twice, see
    `_settle_terms`.

    `challenger`: another source that asks under this client's name, since `challenged_ns`; empty once the client has
    asked again.
    """

    client: str
    source: str
    seq: int
    stamp_ns: int
    symbols: tuple[str, ...]
    terms: Terms
    asked: Terms
    asked_ns: int
    expires_ns: int
    challenger: str = ""
    challenged_ns: int = 0


@dataclass(frozen=True, slots=True)
class SymbolDemand:
    """What all clients together want of one symbol. `order`: its place in order of the first request for it."""

    channels: frozenset[str]
    priority: int
    order: int


@dataclass(slots=True)
class RequestOutcome:
    """What became of one request.

    `cause` is DEMAND unless the request was refused as a whole. `late`: its number is below the newest one of its
    source, so it is dropped and not answered. `first`: the first one of this (client, source).
    `added`: symbols that its lease did not hold before. `refused`: texts that cannot be symbols. `beyond`: symbols that
    the node has no room for. `changed`: the union may have changed.
    """

    cause: Cause
    lease_ms: int = 0
    applied: bool = False
    late: bool = False
    first: bool = False
    added: frozenset[str] = frozenset()
    refused: list[str] = field(default_factory=list)
    beyond: frozenset[str] = frozenset()
    changed: bool = False


class LeaseClock:
    """Advances only while the node receives its own health through the bus, so that requests could have arrived."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._heard_ns: int | None = None
        self._ticked_ns: int | None = None

    def note_own_health(self, now_ns: int) -> None:
        """Our own health came back through the broker."""
        self._heard_ns = now_ns

    def tick(self, now_ns: int) -> int:
        """Advance to `now_ns`. Returns the lease clock's time."""
        hearing = self._heard_ns is not None and now_ns - self._heard_ns <= OWN_HEALTH_SILENCE_NS
        if hearing and self._ticked_ns is not None:
            self.now_ns += now_ns - self._ticked_ns
        self._ticked_ns = now_ns
        return self.now_ns


class Demand:
    """All leases and their union: `wanted` by symbol, `pairs` counts its (symbol, channel) pairs.

    `late` counts requests that came twice or late, or whose number cannot be.
    """

    def __init__(self) -> None:
        self.leases: dict[str, Lease] = {}
        self.wanted: dict[str, SymbolDemand] = {}
        self.pairs = 0
        self.late = 0
        self._numbers = SequenceTracker()
        self._touched: dict[str, None] = {}
        self._claims: dict[str, dict[str, Lease]] = {}
        self._order = 0
        self._rates: dict[str, tuple[int, int]] = {}
        self._expiries = Expiries(self._find_expiry)

    def apply(self, request: SymbolsRequested, lease_now_ns: int) -> RequestOutcome:
        """Apply one request. Every outcome is returned, nothing raises."""
        channels = frozenset(request.channels)
        if not CLIENT_NAME.match(request.client) or not channels or not channels.issubset(CHANNELS):
            return RequestOutcome(Cause.BAD_REQUEST)
        if len(request.symbols) > MAX_SYMBOLS:
            return RequestOutcome(Cause.TOO_MANY)
        if self._exceeds_rate(request.client, lease_now_ns):
            return RequestOutcome(Cause.RATE_LIMITED)
        lease = self.leases.get(request.client)
        if lease is None and len(self.leases) >= MAX_CLIENTS:
            return RequestOutcome(Cause.TOO_MANY)
        known = self._claims
        same = lease is not None and request.symbols == lease.symbols  # a renewal: there is nothing new to look at
        new = () if same else request.symbols
        refused = [symbol for symbol in new if symbol not in known and not topics.is_symbol(symbol)]
        ours = lease is not None and lease.source == request.source
        if lease is not None and ours:
            if self._is_late(request, lease, lease_now_ns):
                granted_ms = lease.terms.ttl_ms if lease.symbols else 0
                return RequestOutcome(Cause.DEMAND, granted_ms, late=request.seq != lease.seq, refused=refused)
        elif lease is not None and lease.symbols and not request.symbols:
            return RequestOutcome(Cause.DEMAND)  # one that holds nothing has nothing to release
        elif lease is not None and lease.symbols and not _gives_way(lease, request.source, lease_now_ns):
            return RequestOutcome(Cause.CLIENT_CONFLICT)
        stamp_ns = request.published_ns
        if lease is None or not ours:
            self._numbers.forget({request.client.encode()})
            self._numbers.observe(request.source, request.client.encode(), request.seq, stamp_ns)
        else:
            stamp_ns = max(lease.stamp_ns, _believe(stamp_ns, lease, lease_now_ns))
        asked = terms = Terms(channels, request.priority, min(max(request.ttl_ms, MIN_TTL_MS), MAX_TTL_MS))
        if lease is not None and ours and lease.symbols and request.symbols:
            terms = _settle_terms(asked, lease)
        first = lease is None or not ours
        symbols, added, beyond = request.symbols, frozenset[str](), frozenset[str]()
        if not same:
            former = frozenset(lease.symbols) if lease else frozenset()
            bad = frozenset(refused)
            symbols = tuple(symbol for symbol in dict.fromkeys(symbols) if symbol not in bad)
            beyond = self._find_beyond(symbols, former)
            if beyond:
                symbols = tuple(symbol for symbol in symbols if symbol not in beyond)
            added = frozenset(symbols) - former
        began = lease is None or first or not lease.symbols
        new_lease = Lease(
            request.client,
            request.source,
            request.seq,
            stamp_ns,
            symbols,
            terms,
            asked,
            lease_now_ns,
            lease_now_ns + terms.ttl_ms * NS_PER_MS,
        )
        changed = self._replace(lease, new_lease)
        step = "ended" if not symbols else "began" if began else "changed" if changed else "renewed"
        log.debug("lease of %s %s: %d symbols, %d ms", request.client, step, len(symbols), terms.ttl_ms)
        return RequestOutcome(
            Cause.DEMAND,
            terms.ttl_ms if symbols else 0,
            applied=True,
            first=first,
            added=added,
            refused=refused,
            beyond=beyond,
            changed=changed,
        )

    def _is_late(self, request: SymbolsRequested, lease: Lease, lease_now_ns: int) -> bool:
        """Whether a lease's holder has sent newer ones; three consecutive numbers are a new line of them."""
        believed_ns = _believe(request.published_ns, lease, lease_now_ns)
        if self._numbers.observe(request.source, request.client.encode(), request.seq, believed_ns) != LATE:
            return False
        self.late += 1
        return True

    def expire(self, lease_now_ns: int) -> bool:
        """End the leases that have expired. True when the union may have changed."""
        any_over = False
        while (first := self._expiries.next()) is not None and first[0] <= lease_now_ns:
            any_over, lease = True, self.leases[first[1]]
            log.debug("lease of %s expired: %d symbols", lease.client, len(lease.symbols))
            self._replace(lease, None)
        return any_over

    def take_touched(self) -> dict[str, None]:
        """The symbols for which demand may have changed since the last call, in order."""
        touched, self._touched = self._touched, {}
        return touched

    def clear(self) -> None:
        """Forget all leases: another node serves them now."""
        self.pairs = 0
        self._touched.clear()
        self.leases.clear()
        self._expiries.clear()
        self.wanted.clear()
        self._claims.clear()

    def next_expiry_ns(self) -> int | None:
        """When the next lease expires, on the lease clock."""
        first = self._expiries.next()
        return None if first is None else first[0]

    def _find_expiry(self, client: str) -> int | None:
        lease = self.leases.get(client)
        return None if lease is None else lease.expires_ns

    def claims(self, symbol: str, lease_now_ns: int) -> tuple[Claim, ...]:
        """The clients that hold a symbol, for its status; at most 100."""
        holders = self._claims.get(symbol, {})
        return tuple(
            Claim(lease.client, lease.terms.priority, max(0, (lease.expires_ns - lease_now_ns) // NS_PER_MS))
            for lease in list(holders.values())[:100]
        )

    def _find_beyond(self, symbols: tuple[str, ...], former: frozenset[str]) -> frozenset[str]:
        """Those of a request that nobody wants yet and that are beyond what a node may hold, the last ones first."""
        if len(self.wanted) + len(symbols) <= MAX_NODE_SYMBOLS:
            return frozenset()
        new = [symbol for symbol in symbols if symbol not in self.wanted]
        given_back = sum(len(self._claims[symbol]) == 1 for symbol in former.difference(symbols))
        return frozenset(new[max(0, MAX_NODE_SYMBOLS - len(self.wanted) + given_back) :])

    def _exceeds_rate(self, client: str, lease_now_ns: int) -> bool:
        second = lease_now_ns // NS_PER_S
        counted_second, count = self._rates.get(client, (second, 0))
        count = count + 1 if counted_second == second else 1
        if client not in self._rates and len(self._rates) >= MAX_CLIENTS:
            self._rates.clear()
        self._rates[client] = (second, count)
        return count > MAX_REQUESTS_PER_S

    def _replace(self, old: Lease | None, new: Lease | None) -> bool:
        """Put `new` in the place of `old` and update the union. False when only the expiry moved."""
        if new:
            self._expiries.note(new.client, new.expires_ns)
        if old and new and old.terms[:2] == new.terms[:2]:
            # In place, because every symbol refers to the lease: the cost is that of the change, not of the lease.
            before, old.symbols = old.symbols, new.symbols
            old.source, old.seq, old.stamp_ns = new.source, new.seq, new.stamp_ns
            old.terms, old.asked = new.terms, new.asked
            old.asked_ns, old.expires_ns = new.asked_ns, new.expires_ns
            old.challenger, old.challenged_ns = "", 0
            if before == new.symbols:
                return False
            left, come = set(before).difference(new.symbols), set(new.symbols).difference(before)
            for symbol in left:
                del self._claims[symbol][old.client]
            for symbol in come:
                self._claims.setdefault(symbol, {})[old.client] = old
            self._unite(symbol for symbol in (*before, *new.symbols) if symbol in left or symbol in come)
            return True
        touched: dict[str, None] = {}
        if old:
            del self.leases[old.client]
            for symbol in old.symbols:
                touched[symbol] = None
                del self._claims[symbol][old.client]
        if new:  # an empty one too: until it expires it tells an older request from a newer one
            self.leases[new.client] = new
            for symbol in new.symbols:
                touched[symbol] = None
                self._claims.setdefault(symbol, {})[new.client] = new
        if old:
            self._unite(touched)
        elif new:
            self._add(new)
        return True

    def _add(self, lease: Lease) -> None:
        """Another client holds these symbols: nothing of the others' counts less than before."""
        channels, priority = lease.terms[:2]
        for symbol in lease.symbols:
            former = self.wanted.get(symbol)
            if former is None:
                self._order += 1
                self.wanted[symbol] = SymbolDemand(channels, priority, self._order)
                self.pairs += len(channels)
            elif priority > former.priority or not channels <= former.channels:
                union = former.channels | channels
                self.wanted[symbol] = SymbolDemand(union, max(priority, former.priority), former.order)
                self.pairs += len(union) - len(former.channels)
            else:
                continue
            self._touched[symbol] = None

    def _unite(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            holders = self._claims[symbol]
            former = self.wanted.get(symbol)
            if not holders:
                del self._claims[symbol]
                if former is not None:
                    del self.wanted[symbol]
                    self.pairs -= len(former.channels)
                    self._touched[symbol] = None
                continue
            leases = list(holders.values())
            channels = leases[0].terms.channels.union(*(lease.terms.channels for lease in leases[1:]))
            priority = max([lease.terms.priority for lease in leases])
            if former is None:
                self._order += 1
            elif (former.channels, former.priority) == (channels, priority):
                continue
            self.wanted[symbol] = SymbolDemand(channels, priority, former.order if former else self._order)
            self.pairs += len(channels) - (len(former.channels) if former else 0)
            self._touched[symbol] = None


def _settle_terms(asked: Terms, lease: Lease) -> Terms:
    """The terms of a lease that is asked for again: one false request takes nothing from its client or from others.

    A channel is given up, and a priority and a length are changed, once two requests in a row say so.
    """
    held, former = lease.terms, lease.asked
    return Terms(
        asked.channels if asked.channels == former.channels else asked.channels | held.channels,
        asked.priority if asked.priority == former.priority else held.priority,
        asked.ttl_ms if asked.ttl_ms == former.ttl_ms else held.ttl_ms,
    )


def _believe(published_ns: int, lease: Lease, lease_now_ns: int) -> int:
    """A stamp of a lease's holder, no further ahead of its former ones than it can have been sent after them."""
    return min(published_ns, lease.stamp_ns + max(0, lease_now_ns - lease.asked_ns) + AHEAD_NS)


def _gives_way(lease: Lease, challenger: str, lease_now_ns: int) -> bool:
    """Whether a lease's holder has let another source ask under its name for so long that it must be dead.

    A running holder hears every refusal, since it is published under its name, and asks again.
    """
    if lease.challenger != challenger:
        lease.challenger, lease.challenged_ns = challenger, lease_now_ns
        return False
    return lease_now_ns - lease.challenged_ns >= CONFLICT_NS


def rank(wanted: Mapping[str, SymbolDemand], last: Collection[str]) -> list[tuple[str, SymbolDemand]]:
    """Higher priority first; on a tie, first come, first served. Those of `last` come after all others."""
    return sorted(wanted.items(), key=lambda item: (item[0] in last, -item[1].priority, item[1].order))


def admit(wanted: dict[str, SymbolDemand], limit: int | None, last: Collection[str] = ()) -> dict[str, SymbolDemand]:
    """The symbols that fit under the upstream's symbol limit, which counts (symbol, channel) pairs, as `rank` says."""
    if limit is None or sum(len(wish.channels) for wish in wanted.values()) <= limit:
        return wanted
    admitted: dict[str, SymbolDemand] = {}
    room = limit
    for symbol, wish in rank(wanted, last):
        if len(wish.channels) <= room:
            admitted[symbol] = wish
            room -= len(wish.channels)
    return admitted
