"""Everything a consumer of the bus does but move bytes: frames in, requests out, the book kept, loss counted.

Threads and asyncio wrap the same object. Pure: instants and randomness are arguments.
"""

from __future__ import annotations

from collections.abc import Collection

from quotebus.bus import codec, topics
from quotebus.bus.book import MAX_LATE_NS, Book
from quotebus.bus.client_warnings import ClientWarnings
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import (
    ACCEPTED_CLASSES,
    VERSION,
    Cause,
    ConnectionHealth,
    ConnectionState,
    Event,
    IntentReport,
    OrderUpdate,
    Quote,
    SymbolsAcknowledged,
    SymbolState,
    SymbolStatus,
    Trade,
)
from quotebus.bus.halts import MOST_DOUBTED
from quotebus.bus.health_owner import HealthOwner
from quotebus.bus.interest import DEFAULT_TTL_MS, Interest, Wanted
from quotebus.bus.protocol import HEALTH_SILENCE_NS, REFUSAL_COUNTERS, count_undecodable
from quotebus.bus.received import COUNTERS, Received
from quotebus.bus.sequence import LATE, NEW_LINE, SequenceTracker, Stamper
from quotebus.bus.stream_clock import StreamClock

RE_ASK_JITTER_NS = 200 * NS_PER_MS
"""Re-asking is spread over this long, so that a hundred clients do not ask a new node in the same instant."""
PROOF_EVERY_NS = NS_PER_S
"""How often a holder answers those who ask under its name, with a renewal."""
DOUBT_EVERY_NS = NS_PER_S
"""What is heard contradicts what was answered: the node is asked at once, and at most this often."""
MAX_TICK_FRAME_BYTES = 4 * 1024
"""A longer quote or trade is not read: no real one is, and held it would only fill memory."""
REPLAYED = topics.REPLAYED
_TICKS = (b"quote.", b"trade.")
RENEW_EVERY = 4_000
"""A consumer of a replay renews after so many messages: to the player each request says how far it has come."""


class Consumer(ClientWarnings):
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
        accept: Collection[str] = ACCEPTED_CLASSES,
        max_late_ns: int = MAX_LATE_NS,
    ) -> None:
        """`jitter` in [0, 1) is this client's place in the re-ask window."""
        if replayed and not source.startswith(REPLAYED):
            source = f"{REPLAYED}{source}"  # by which a live node knows that this is no demand
        self.replayed = replayed
        self.stream = StreamClock()
        self.joined = False
        self._unrenewed = 0
        self.interest = Interest(client, ttl_ms, tag=f"{source.rpartition('-')[2]}-")
        self.book = Book(max_age_ns=max_age_ns, accept=accept, max_late_ns=max_late_ns)
        self.tracker = SequenceTracker()
        self.stamper = Stamper(source)
        self.program = source.rpartition("-")[0]
        """What its counters are published as."""
        self.confirmed = False
        self._order_owner = HealthOwner()
        self._asked: dict[str, Quote] = {}
        self._next_doubt_ns = 0
        self._families: tuple[bytes, ...] = (b"health.",)
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
        needed = set(self._families)
        for symbol in wanted.symbols:
            needed.add(topics.prefix(topics.quote(symbol)))
            needed.add(topics.prefix(topics.status(symbol)))
            if "trades" in wanted.channels:
                needed.add(topics.prefix(topics.trade(symbol)))
        return frozenset(needed)

    def ack_topic(self) -> bytes:
        return topics.prefix(topics.acknowledged(self.interest.client))

    def follow(self, family: bytes) -> None:
        """Hear all topics that begin so from now on, whatever symbols are wanted."""
        if family not in self._families:
            self._families += (family,)
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
        request = self.interest.take_due(now_ns, None if self.replayed else self.book.halts)
        if request is None:
            return None
        if self.interest.asks == 1:
            self._asked = dict(self.book.quotes)
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
        self.book.trust_nobody()

    def broker_restored(self, now_ns: int) -> None:
        """Connected again: only an answer to a new question proves that the subscriptions are in place."""
        self.confirmed = False
        self.counters["reconnects"] += 1
        self.interest.ask_again(now_ns, jitter_ns=self._jitter_ns, anew=True)

    def time_ns(self, now_ns: int) -> int:
        """The instant to judge at: the stream's in a replay, else `now_ns`."""
        return self.stream_ns if self.replayed else now_ns

    @property
    def stream_ns(self) -> int:
        """The time of a replay: the newest publication heard, UTC nanoseconds; 0 before the first."""
        return self.stream.now_ns

    @property
    def order_health(self) -> ConnectionHealth | None:
        """The newest health of the account's order stream; None before the first one."""
        return self._order_owner.health

    # what was heard

    def receive(self, frames: list[bytes], received_ns: int) -> Received:
        """Take frames in the order they came; what cannot be read is counted and dropped."""
        heard = Received()
        quotes, book, observe, quote_topics = heard.quotes, self.book, self.tracker.observe, self._quote_topics
        decode_quote, on_quote = codec.decode_quote, book.on_quote
        # Only what the believed node says, with a stamp that can be, is taken the short way.
        owner, latest_ns = book.source, book.latest_stamp_ns(received_ns)
        newest: Quote | None = None
        direct = 0
        for frame in frames:
            end = frame.find(b"\0") + 1
            topic = frame[:end]
            symbol = None if self.replayed else quote_topics.get(topic)
            if symbol is not None and len(frame) <= MAX_TICK_FRAME_BYTES:
                try:
                    quote: Quote = decode_quote(frame[end:])
                except codec.DECODE_ERRORS:
                    symbol = None
                else:
                    if (
                        quote.source == owner
                        and quote.symbol == symbol
                        and quote.published_ns <= latest_ns
                        and quote.version == VERSION
                    ):
                        direct += 1
                        place = observe(owner, topic, quote.seq, quote.published_ns)
                        if place < 0:
                            if place == LATE:
                                continue
                            book.withdraw(symbol)
                            self._doubt(received_ns)
                        on_quote(quote)
                        quotes.append(quote)
                        newest = quote
                        continue
            self._receive_other(frame, topic, received_ns, heard)
            owner, latest_ns = book.source, book.latest_stamp_ns(received_ns)
        if self.replayed:
            self._unrenewed += len(frames)
            if self._unrenewed >= RENEW_EVERY and self.interest.renew(received_ns):
                self._unrenewed = 0
        elif newest is not None:
            # Of messages taken at one instant, the last published was the least delayed.
            book.on_message(newest, received_ns)
        self.counters["received"] += direct
        return heard

    def _receive_other(self, frame: bytes, topic: bytes, received_ns: int, heard: Received) -> None:
        try:
            if len(frame) > MAX_TICK_FRAME_BYTES and frame.startswith(_TICKS):
                raise UndecodableMessage("malformed", f"{len(frame)} bytes")
            event = codec.decode(frame)
        except UndecodableMessage as error:
            self._count_undecodable(error)
            return
        self.counters["received"] += 1
        if event.source.startswith(REPLAYED) is not self.replayed:
            self.counters["replayed"] += 1
            return  # never a reason to trust a price
        if type(event) is SymbolsAcknowledged:
            self._receive_answer(event, received_ns, heard)
            return
        if topic not in self._topics and not topic.startswith(self._families):
            # Its symbol was given up while it was under way, and heard now it would make a gap later. Or it is a part
            # of a message whose first part was subscribed to: libzmq reads no other.
            self.counters["not_subscribed"] += 1
            return
        book = self.book
        if book.is_ahead(event, received_ns):
            self.counters["stamped_ahead"] += 1
            self._doubt(received_ns)  # or it is the bounds that are false
            return
        once = type(event) is ConnectionHealth
        place = self.tracker.observe(event.source, topic, event.seq, event.published_ns, once=once)
        if place == LATE:
            return
        if place == NEW_LINE:
            self._doubt(received_ns)
        if type(event) is IntentReport:
            heard.reports.append(event)
            return
        self._note_time(event, received_ns)
        if type(event) is ConnectionHealth:
            heard.news = True
            self._on_health(event, received_ns)
        elif type(event) is SymbolStatus:
            heard.news = True
            self._on_status(event, received_ns)
        elif type(event) is Trade:
            heard.trades.append(event)
        elif type(event) is OrderUpdate:
            heard.orders.append(event)
        elif type(event) is Quote and topic in self._quote_topics:
            if place == NEW_LINE:
                book.withdraw(event.symbol)
            book.on_quote(event)
            heard.quotes.append(event)

    def _note_time(self, event: Event, received_ns: int) -> None:
        if self.replayed:
            self.stream.observe(event.published_ns)
            received_ns = self.stream_ns
        self.book.on_message(event, received_ns)

    def _on_status(self, status: SymbolStatus, received_ns: int) -> None:
        if self.replayed and self.book.disproves(status):  # there is nobody to ask
            self.book.withdraw(status.symbol)
            self.tracker.forget({topics.prefix(topics.quote(status.symbol))})
            self.counters["quotes_withdrawn"] += 1
        halts = len(self.book.halts)
        if not self.book.on_status(status):
            self.counters["statuses_outdated"] += 1
            return
        if halts < len(self.book.halts) <= MOST_DOUBTED and self.interest.acknowledged:
            self._doubt(received_ns)  # one false message must not halt a symbol for long
        if status.source in (self.book.source, None):
            self.interest.on_status(status)
        if self.interest.acknowledged and (status.state == SymbolState.RELEASED or self.book.contradicts(status)):
            self._doubt(received_ns)

    def _receive_answer(self, ack: SymbolsAcknowledged, received_ns: int, heard: Received) -> None:
        """Take an answer, or a part of one. Only the newest request's counts: its id proves that it is not late."""
        if self.replayed:
            if not self.joined:
                self._note_time(ack, received_ns)
        elif not self.interest.expects(ack):
            self.counters["answers_ignored"] += 1
            if ack.client == self.interest.client and not self.interest.is_ours(ack.request_id):
                self._on_others_answer(ack, received_ns)
            return
        heard.news = True
        if ack.client == self.interest.client and ack.cause in REFUSAL_COUNTERS:
            self.counters[REFUSAL_COUNTERS[ack.cause]] += 1
        asks, asked_ns = self.interest.asks, self.interest.asked_ns
        if not self.replayed and asks == 1 and not self.book.on_round_trip(ack, asked_ns, received_ns):
            self._doubt(received_ns)
        ahead = not self.replayed and self.book.is_ahead(ack, received_ns)
        if ahead:
            self.counters["stamped_ahead"] += 1
        elif not self.replayed:
            self.book.on_message(ack, received_ns)
        if self.interest.on_acknowledged(ack, received_ns):
            self.confirmed = True
        if self.replayed and self.joined:
            return
        if not self.replayed:
            self.book.confirm(ack.source, received_ns)
        held = self.book.on_acknowledged(ack, {} if self.replayed else self._asked, self.interest.claimed)
        self.counters["undecodable_held_quotes"] = self.book.undecodable_quotes
        self.joined = self.confirmed
        self._clear_up(received_ns)
        heard.held += len(held)
        heard.quotes += held

    def _clear_up(self, received_ns: int) -> None:
        """What an answer disproved: its numbers are forgotten, and what is missing now is asked for."""
        book = self.book
        if book.withdrawn:
            self.counters["quotes_withdrawn"] += len(book.withdrawn)
            self.tracker.forget({topics.prefix(topics.quote(symbol)) for symbol in book.withdrawn})
            book.withdrawn.clear()
        if book.incomplete:
            book.incomplete = False
            self._doubt(received_ns)

    def _doubt(self, now_ns: int) -> None:
        """What is heard contradicts what was answered: ask again with quotes, at most once a second."""
        if self.replayed or not self.interest.wanted.symbols:
            return
        if now_ns >= self._next_doubt_ns:
            self._next_doubt_ns = now_ns + DOUBT_EVERY_NS
            self.counters["doubts"] += 1
            self.interest.doubt(now_ns + self._jitter_ns)
        else:
            self.interest.doubt(self._next_doubt_ns)

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
            known = self.order_health
            well = known is not None and self.orders_streaming(received_ns)
            self._order_owner.take(health, received_ns, owner_is_well=well)
            return
        self.book.on_health(health)
        if self.book.health is not health:
            if health.source != self.interest.answered_by and self._is_newcomer(health):
                self.counters["newcomers"] += 1
                self._doubt(received_ns)  # if it is the node now, its answer says so
            return
        self._health_heard_ns = received_ns
        if self._health_went or health.source != self.interest.answered_by:
            self.interest.ask_again(received_ns, jitter_ns=self._jitter_ns)
        self._health_went = False

    def _is_newcomer(self, health: ConnectionHealth) -> bool:
        return health.state not in (ConnectionState.STANDBY, ConnectionState.STOPPED)

    def orders_streaming(self, now_ns: int) -> bool:
        """Whether order updates are known to arrive: their stream is up, and its health was heard in three seconds."""
        health = self.order_health
        if health is None or health.state != ConnectionState.STREAMING:
            return False
        return self.book.age_ns(health, now_ns) <= HEALTH_SILENCE_NS

    def _count_undecodable(self, error: UndecodableMessage) -> None:
        if count_undecodable(self.counters, error):
            self._version_note = f"a message of another wire version was dropped ({error}); others are only counted"
