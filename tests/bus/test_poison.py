"""One false message of the right source, then silence of its author: usable, at the true price, within six seconds.

Any one field of any event at any extreme, on a virtual clock: a client, a reader of a replay, and a tap. `make poison`
tries more values of each kind.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from quotebus.bus import codec
from quotebus.bus.book import Verdict
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.consumer import REPLAYED, Consumer
from quotebus.bus.events import AckRow, Claim, Event, Quote, SymbolsAcknowledged, SymbolsRequested, SymbolStatus
from quotebus.bus.sequence import Stamper
from quotebus.bus.tap.message_reader import MessageReader, ReceivedFrame
from quotebus.bus.tap.view import View
from tests.support.extremes import extremes
from tests.support.samples import ACKNOWLEDGED, HEALTH, ORDER, QUOTE, SOURCE, STATUS, TRADE, UTC_NS, like

STEP_NS = 250 * NS_PER_MS
HEALED_NS = 6 * NS_PER_S
ROTATION_NS = 10 * NS_PER_S
T0 = 1_000 * NS_PER_S
CLIENT = "worker-1"
BID = 687.25


class Node:
    """An honest node: a health a second, a status in rotation, quotes if the market moves, every request answered."""

    def __init__(self, source: str = SOURCE, *, moving: bool) -> None:
        self.stamper = Stamper(source)
        self.moving = moving
        self.held: Quote | None = None
        self.newest: dict[type[Event], Event] = {}
        self.known: set[str] = set()

    def send(self, event: Event, now_ns: int) -> bytes:
        stamped = self.stamper.stamp(event, UTC_NS + now_ns - T0)
        self.newest[type(event)] = stamped
        if isinstance(stamped, Quote):
            self.held = stamped
        return codec.encode(stamped)

    def frames(self, now_ns: int) -> Iterator[bytes]:
        step = (now_ns - T0) // STEP_NS
        if step % 4 == 0:
            yield self.send(HEALTH, now_ns)
        if step == 0 or (self.moving and step % 2 == 1):
            yield self.send(like(QUOTE, bid_price=BID), now_ns)
        if step % 4 == 3:
            yield self.send(TRADE, now_ns)
            yield self.send(ORDER, now_ns)
        if step % (ROTATION_NS // STEP_NS) == 0:
            assert self.held is not None
            yield self.send(like(STATUS, last_quote_seq=self.held.seq, last_quote_ns=self.held.published_ns), now_ns)

    def answer(self, request: SymbolsRequested, now_ns: int) -> SymbolsAcknowledged:
        assert self.held is not None
        with_quote = request.snapshot or request.source not in self.known
        self.known.add(request.source)
        payload = codec.encode(self.held).partition(b"\0")[2] if with_quote else None
        row = AckRow("SPY", "live", "demand", payload, self.held.seq)
        return like(ACKNOWLEDGED, client=request.client, request_id=request.request_id, results=(row,))


class Client:
    """A consumer beside an honest node, which hears all it says at once."""

    heals_ns = HEALED_NS

    def __init__(self, *, moving: bool, replayed: bool = False) -> None:
        self.now_ns = T0
        self.node = Node((REPLAYED if replayed else "") + SOURCE, moving=moving)
        self.consumer = Consumer(CLIENT, "worker-0b51d7", jitter=0.5, max_age_ns=60 * NS_PER_S, replayed=replayed)
        self.consumer.request(["SPY"], ("quotes", "trades"), 0, T0)
        self.consumer.follow(b"order.")
        self.forged_answer: Event | None = None

    def step(self) -> None:
        for frame in self.node.frames(self.now_ns):
            self.hear(frame)
        asked = self.consumer.take_due(self.now_ns, UTC_NS + self.now_ns - T0)
        if asked is not None:
            request = codec.decode(asked)
            assert isinstance(request, SymbolsRequested)
            answered_ns = self.now_ns + NS_PER_MS
            if self.forged_answer is not None:
                self.hear(encode(like(self.forged_answer, request_id=request.request_id)), answered_ns)
                self.forged_answer = None
            self.hear(self.node.send(self.node.answer(request, answered_ns), answered_ns), answered_ns)
        self.now_ns += STEP_NS

    def hear(self, frame: bytes, at_ns: int | None = None) -> None:
        self.consumer.receive([frame], self.now_ns if at_ns is None else at_ns)

    def verdict(self) -> Verdict:
        return self.consumer.book.assess("SPY", self.consumer.time_ns(self.now_ns))

    def good(self, kind: type[Event]) -> bool:
        verdict = self.verdict()
        if (
            kind in (Quote, SymbolStatus)
            and not self.node.moving
            and self.heals_ns > HEALED_NS
            and verdict.quote is None
        ):
            return True  # no quote follows, and it cannot ask: it knows that it knows none
        return verdict.usable and verdict.quote == self.node.held


class Replay(Client):
    """A reader that cannot ask: a false state lasts until the next status, at most a rotation."""

    heals_ns = ROTATION_NS + NS_PER_S

    def __init__(self, *, moving: bool) -> None:
        super().__init__(moving=moving, replayed=True)


class Tap(Client):
    """A tap, which cannot ask either."""

    heals_ns = ROTATION_NS + NS_PER_S

    def __init__(self, *, moving: bool) -> None:
        super().__init__(moving=moving)
        self.reader, self.view = MessageReader(), View()

    def hear(self, frame: bytes, at_ns: int | None = None) -> None:
        at_ns = self.now_ns if at_ns is None else at_ns
        for message in self.reader.read([ReceivedFrame(frame, at_ns)]):
            self.view.take(message)

    def step(self) -> None:
        for frame in self.node.frames(self.now_ns):
            self.hear(frame)
        self.now_ns += STEP_NS

    def verdict(self) -> Verdict:
        self.view.at(self.now_ns)
        return self.view.book.assess("SPY", self.now_ns)


def encode(event: Event) -> bytes:
    """A frame under the topic of an honest event, whatever its fields."""
    topic = codec.topic_of(_SAMPLES[type(event)])
    return topic.encode() + b"\0" + msgspec.msgpack.encode(event)


_SAMPLES: dict[type[Event], Event] = {type(e): e for e in (QUOTE, STATUS, HEALTH, ACKNOWLEDGED, TRADE, ORDER)}


def extremes_of(field: msgspec.structs.FieldInfo, honest: Event | None = None) -> tuple[Any, ...]:
    """Values for a field of an event, or of an answer's row."""
    if field.name == "results":
        return ((), *((row,) for row in rows()), (AckRow("SPY", "live", "demand", None, 0),) * 1_000)
    if field.name == "clients":
        return ((), (Claim("x" * 1_000, 2**63, -(2**63)),) * 100)
    if field.name == "conditions":
        return ((), ("x" * 2_000,), ("x",) * 5_000)
    return extremes(field.type, field.name, honest or QUOTE)


def rows() -> Iterator[AckRow]:
    """An answer's row, one field of it false."""
    row = AckRow("SPY", "live", "demand", None, QUOTE.seq)
    false = codec.encode(like(QUOTE, seq=10**6, bid_price=1.0)).partition(b"\0")[2]
    yield from (msgspec.structs.replace(row, last_quote=payload) for payload in (b"", b"\xc1", false))
    for field in msgspec.structs.fields(AckRow):
        if field.name != "last_quote":
            for value in extremes_of(field):
                yield msgspec.structs.replace(row, **{field.name: value})


def forgeries(honest: Event) -> Iterator[Event]:
    """What the node said last, with one field false: under its own number, under the next, and far ahead."""
    for field in msgspec.structs.fields(type(honest)):
        for value in extremes_of(field, honest):
            for ahead in (0, 1, 50) if field.name in Event.__struct_fields__ else (1, 50):
                yield msgspec.structs.replace(honest, **{"seq": honest.seq + ahead, field.name: value})


CASES = [(make, kind) for kind in _SAMPLES for make in (Client, Replay, Tap)]
CASES = [(make, kind) for make, kind in CASES if make is Client or kind is not SymbolsAcknowledged]


@pytest.mark.parametrize("moving", [True, False], ids=["moving", "quiet"])
@pytest.mark.parametrize(("make", "kind"), CASES, ids=[f"{make.__name__}-{kind.__name__}" for make, kind in CASES])
def test_one_false_message_does_no_lasting_harm(kind: type[Event], make: type[Client], moving: bool) -> None:
    settled = make(moving=moving)
    while settled.now_ns < T0 + 7 * NS_PER_S:
        settled.step()
    assert settled.good(kind)
    frozen, failed = pickle.dumps(settled), []
    for forged in forgeries(settled.node.newest[kind]):
        reader: Client = pickle.loads(frozen)
        began_ns = reader.now_ns
        if kind is SymbolsAcknowledged:
            reader.forged_answer = forged
            while reader.forged_answer is not None:
                reader.step()
            began_ns = reader.now_ns - STEP_NS
        else:
            reader.hear(encode(forged))
        while reader.now_ns < began_ns + reader.heals_ns:
            reader.step()
        if not reader.good(kind):
            failed.append(forged)
    assert not failed, (len(failed), [str(forged)[:400] for forged in failed[:5]])
