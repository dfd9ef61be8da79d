"""Everything a consumer of the bus does but move bytes: frames in, requests out, the book kept, loss counted.

Threads and asyncio wrap the same object. Pure: instants and randomness are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus import codec, topics
from quotebus.bus.book import Book
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    VERSION,
    Cause,
    ConnectionHealth,
    ConnectionState,
    OrderUpdate,
    Quote,
    SymbolsAcknowledged,
    SymbolStatus,
    Trade,
)
from quotebus.bus.interest import DEFAULT_TTL_MS, Interest, Wanted
from quotebus.bus.protocol import HEALTH_SILENCE_NS, REFUSAL_COUNTERS, UNDECODABLE_COUNTERS, count_undecodable
from quotebus.bus.sequence import SequenceTracker, Stamper

RE_ASK_JITTER_NS = 200 * NS_PER_MS
"""Re-asking is spread over this long, so that a hundred clients do not ask a new node in the same instant."""
WARN_EVERY_NS = 10 * NS_PER_S
CONFLICT_CERTAIN_NS = 3 * NS_PER_S
"""A node gives the holder of a name two seconds to answer. A program refused for longer knows that another one runs."""
PROOF_EVERY_NS = NS_PER_S
"""How often a holder answers those who ask under its name, with a renewal."""
REPLAYED = topics.REPLAYED
_FAMILIES = (b"health.", b"order.")
"""Subscribed to as a whole; everything else topic by topic."""
RENEW_EVERY = 4_000
"""A consumer of a replay renews after so many messages: to the player each request says how far it has come."""
COUNTERS = (
    *("received", *UNDECODABLE_COUNTERS, "undecodable_held_quotes", "replayed"),
    *("feed_dropped", "requests_sent", *REFUSAL_COUNTERS.values()),
    *("reconnects", "health_silences", "line_down_warnings"),
)


@dataclass(slots=True)
class Received:
    """What a batch of frames brought; `news` says that a health, status or answer was among them."""

    quotes: list[Quote] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    orders: list[OrderUpdate] = field(default_factory=list)
    news: bool = False
    held: int = 0
    """How many of the quotes came within an answer."""


class Consumer:
    """One client's view of the bus.

    Live, what a replayed source says is never taken. With `replayed` nothing else is: the only clock is then the
    stream, `stream_ns`, the newest publication heard; so that neither the speed of a replay nor a pause changes a
    judgement, and only the first answer enters the book, since the place of later ones in the stream is chance.
    """

    def __init__(
        self,
        client: str,
        source: str,
        *,
        jitter: float,
        max_age_ns: int,
        ttl_ms: int = DEFAULT_TTL_MS,
        replayed: bool = False,
    ) -> None:
        """`jitter` in [0, 1) is this client's place in the re-ask window."""
        if replayed and not source.startswith(REPLAYED):
            source = f"{REPLAYED}{source}"  # by which a live node knows that this is no demand
        self.replayed = replayed
        self.stream_ns = 0
        self.joined = False
        self._unrenewed = 0
        self.interest = Interest(client, ttl_ms, tag=f"{source.rpartition('-')[2]}-")
        self.book = Book(max_age_ns=max_age_ns)
        self.tracker = SequenceTracker()
        self.stamper = Stamper(source)
        self.confirmed = False
        self.order_health: ConnectionHealth | None = None
        self._follows_orders = False
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._version_note: str | None = None
        self._quote_topics: dict[bytes, str] = {}
        self._topics = self._topics_of(self.interest.wanted)
        self._jitter_ns = int(jitter * RE_ASK_JITTER_NS)
        self._health_heard_ns: int | None = None
        self._health_went = False
        self._next_warning_ns = 0
        self._challenged = False
        self._next_proof_ns = self._next_conflict_warning_ns = 0

    # what to hear

    def topics(self) -> frozenset[bytes]:
        """Every subscription what is wanted needs, the acknowledgement's apart; one object until that changes."""
        return self._topics

    def _topics_of(self, wanted: Wanted) -> frozenset[bytes]:
        needed = {b"health.", b"order."} if self._follows_orders else {b"health."}
        for symbol in wanted.symbols:
            needed.add(topics.prefix(topics.quote(symbol)))
            needed.add(topics.prefix(topics.status(symbol)))
            if "trades" in wanted.channels:
                needed.add(topics.prefix(topics.trade(symbol)))
        return frozenset(needed)

    def ack_topic(self) -> bytes:
        return topics.prefix(topics.acknowledged(self.interest.client))

    def follow_orders(self) -> None:
        """Hear order updates from now on."""
        if not self._follows_orders:
            self._follows_orders = True
            self._topics = self._topics_of(self.interest.wanted)

    # what to ask

    def request(self, symbols: list[str], channels: tuple[str, ...], priority: int, now_ns: int) -> Wanted:
        """Ask for these symbols and no others; the book forgets what is no longer wanted."""
        wanted = self.interest.replace(symbols, channels, priority, now_ns)
        self.book.keep_only(wanted.symbols)
        former, self._topics = self._topics, self._topics_of(wanted)
        self._quote_topics = {topics.prefix(topics.quote(s)): s for s in wanted.symbols}
        self.tracker.forget(former - self._topics)
        return wanted

    def take_due(self, now_ns: int, utc_ns: int) -> bytes | None:
        """The request frame to send now, if any."""
        if not self.replayed:
            self._check_silence(now_ns)
        request = self.interest.take_due(now_ns)
        if request is None:
            return None
        self.counters["requests_sent"] += 1
        return self.stamper.frame(request, utc_ns)

    def _check_silence(self, now_ns: int) -> None:
        """Withdraw the confirmation when the node was not heard for three seconds or the lease must have ended."""
        if self._health_heard_ns is not None and now_ns - self._health_heard_ns > HEALTH_SILENCE_NS:
            self._health_heard_ns = None
            self._health_went = True
            self.counters["health_silences"] += 1
            self.confirmed = False
        if self.interest.lapsed(now_ns):
            self.confirmed = False

    def broker_lost(self) -> None:
        """The subscriptions are gone with the broker: nothing held may be used until asked and answered again."""
        self.confirmed = False

    def broker_restored(self, now_ns: int) -> None:
        """Connected again: only an answer to a new question proves that the subscriptions are in place."""
        self.confirmed = False
        self.counters["reconnects"] += 1
        self.interest.ask_again(now_ns, jitter_ns=self._jitter_ns, anew=True)

    def take_warning(self, now_ns: int, *, no_broker_at: str = "") -> str | None:
        """One line, at most every ten seconds, while symbols are wanted and the upstream is not streaming.

        `no_broker_at` is the address that nobody answers at, where that is known.
        """
        if not self.interest.wanted.symbols or now_ns < self._next_warning_ns:
            return None
        if self.book.streaming(self.time_ns(now_ns)):
            return None
        if self._next_warning_ns == 0:  # a line that is just coming up deserves no warning
            self._next_warning_ns = now_ns + WARN_EVERY_NS // 2
            return None
        self._next_warning_ns = now_ns + WARN_EVERY_NS
        self.counters["line_down_warnings"] += 1
        health, count = self.book.health, len(self.interest.wanted.symbols)
        wanted = f"{count} symbol{'s' * (count != 1)} wanted"
        if no_broker_at:
            return f"{wanted}, but no broker answers at {no_broker_at}; start it with: quotebus up"
        if health is None and self.counters["replayed"]:
            heard, used = ("live", "replayed") if self.replayed else ("replayed", "live")
            return f"{wanted}, but only {heard} messages are heard, and {used} ones are asked for"
        if health is None:
            return f"{wanted}, but no pricing node is heard"
        if self.book.age_ns(health, self.time_ns(now_ns)) > HEALTH_SILENCE_NS:
            return f"{wanted}, but the pricing node {health.node} has gone silent"
        return f"{wanted}, but the line is {health.state} ({health.cause})"

    def take_conflict_warning(self, now_ns: int) -> str | None:
        """One line, at most every ten seconds, while another running program asks under this client's name."""
        since_ns, name = self.interest.conflict_since_ns, self.interest.client
        refused = since_ns is not None and now_ns - since_ns >= CONFLICT_CERTAIN_NS
        if now_ns < self._next_conflict_warning_ns or not (refused or self._challenged):
            return None
        self._challenged = False
        self._next_conflict_warning_ns = now_ns + WARN_EVERY_NS
        if refused:
            return (
                f"another program runs under the client name {name} and holds it: this one gets no prices; rename one"
            )
        return f"another program asks for prices under the client name {name} and is refused; rename one of the two"

    def take_version_note(self) -> str | None:
        """One line, once, after the first message of a version that cannot be read."""
        note, self._version_note = self._version_note, None
        return note

    def time_ns(self, now_ns: int) -> int:
        """The instant to judge at: the stream's in a replay, else `now_ns`."""
        return self.stream_ns if self.replayed else now_ns

    # what was heard

    def receive(self, frames: list[bytes], received_ns: int) -> Received:
        """Take frames in the order they came; what cannot be read is counted and dropped."""
        heard = Received()
        quotes, book, observe, quote_topics = heard.quotes, self.book, self.tracker.observe, self._quote_topics
        decode_quote, on_quote = codec.decode_quote, book.on_quote
        newest: Quote | None = None
        for frame in frames:
            end = frame.find(b"\0") + 1
            topic = frame[:end]
            symbol = None if self.replayed else quote_topics.get(topic)
            if symbol is None:
                self._receive_other(frame, topic, received_ns, heard)
                continue
            try:
                quote: Quote = decode_quote(frame[end:])
            except codec.DECODE_ERRORS:
                self._receive_other(frame, topic, received_ns, heard)
                continue
            source = quote.source
            if quote.version != VERSION or quote.symbol != symbol or source.startswith(REPLAYED):
                self._receive_other(frame, topic, received_ns, heard)
                continue
            observe(source, topic, quote.seq)
            on_quote(quote)
            quotes.append(quote)
            newest = quote
        if self.replayed:
            self._unrenewed += len(frames)
            if self._unrenewed >= RENEW_EVERY and self.interest.renew(received_ns):
                self._unrenewed = 0
        elif newest is not None:
            # Of messages taken at one instant, the last published was the least delayed.
            book.on_message(newest, received_ns)
        if not self.replayed:  # where every message was counted on its own
            self.counters["received"] += len(quotes) - heard.held
        return heard

    def _receive_other(self, frame: bytes, topic: bytes, received_ns: int, heard: Received) -> None:
        try:
            event = codec.decode(frame)
        except UndecodableMessage as error:
            self._count_undecodable(error)
            return
        self.counters["received"] += 1
        if event.source.startswith(REPLAYED) is not self.replayed:
            self.counters["replayed"] += 1
            return  # never a reason to trust a price
        book = self.book
        if not self.replayed:
            book.on_message(event, received_ns)
        elif type(event) is not SymbolsAcknowledged or not self.joined:
            self.stream_ns = max(self.stream_ns, event.published_ns)
            book.on_message(event, self.stream_ns)
        if type(event) is SymbolsAcknowledged:
            heard.news = True
            held = self._acknowledge(event, received_ns)
            heard.held += len(held)
            heard.quotes += held
            return
        if topic not in self._topics and not topic.startswith(_FAMILIES):
            return  # its symbol was given up while it was under way: heard now, it would make a gap later
        self.tracker.observe(event.source, topic, event.seq)
        if type(event) is ConnectionHealth:
            heard.news = True
            self._on_health(event, received_ns)
        elif type(event) is SymbolStatus:
            heard.news = True
            book.on_status(event)
            self.interest.on_status(event)
        elif type(event) is Trade:
            heard.trades.append(event)
        elif type(event) is OrderUpdate:
            heard.orders.append(event)
        elif type(event) is Quote and self.replayed and topic in self._quote_topics:
            book.on_quote(event)
            heard.quotes.append(event)

    def _acknowledge(self, ack: SymbolsAcknowledged, now_ns: int) -> list[Quote]:
        """Take an answer; returns the held quotes it brought that are news."""
        if self.interest.on_acknowledged(ack, now_ns):
            self.confirmed = True
        if ack.client != self.interest.client:
            pass
        elif not self.interest.is_ours(ack.request_id):
            self._on_others_answer(ack, now_ns)
        elif ack.cause in REFUSAL_COUNTERS:
            self.counters[REFUSAL_COUNTERS[ack.cause]] += 1
        if self.replayed and self.joined:
            return []
        held = self.book.on_acknowledged(ack)
        self.counters["undecodable_held_quotes"] = self.book.undecodable_quotes
        self.joined = self.confirmed
        return held

    def _on_others_answer(self, ack: SymbolsAcknowledged, now_ns: int) -> None:
        """Another program asked under this client's name. When it was refused, a renewal proves that this one runs."""
        if ack.cause != Cause.CLIENT_CONFLICT or self.interest.conflict_since_ns is not None or not self.confirmed:
            return
        self._challenged = True
        if now_ns >= self._next_proof_ns:
            self._next_proof_ns = now_ns + PROOF_EVERY_NS
            self.interest.renew(now_ns)

    def _on_health(self, health: ConnectionHealth, received_ns: int) -> None:
        if health.node.endswith(topics.ORDERS):
            self._on_order_health(health)
            return
        self.book.on_health(health)
        if self.book.health is not health:
            return
        self._health_heard_ns = received_ns
        if self._health_went or health.source != self.interest.answered_by:
            self.interest.ask_again(received_ns, jitter_ns=self._jitter_ns)
        self._health_went = False

    def _on_order_health(self, health: ConnectionHealth) -> None:
        former, waiting = self.order_health, (ConnectionState.STANDBY, ConnectionState.STOPPED)
        if former is None or former.source == health.source or health.state not in waiting:
            self.order_health = health

    def orders_streaming(self, now_ns: int) -> bool:
        """Whether order updates are known to arrive: their stream is up, and its health was heard in three seconds."""
        health = self.order_health
        if health is None or health.state != ConnectionState.STREAMING:
            return False
        return self.book.age_ns(health, now_ns) <= HEALTH_SILENCE_NS

    def _count_undecodable(self, error: UndecodableMessage) -> None:
        if count_undecodable(self.counters, error):
            self._version_note = f"a message of another wire version was dropped ({error}); others are only counted"
