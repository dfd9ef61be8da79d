"""How much one connection may send, in the gate's own time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.transport.zeromq.broker_limits import (
    NAMES_PER_CONNECTION,
    SUBSCRIBER_BURST_BYTES,
    Admission,
    Allowance,
    RequestGate,
    SubscriberLimit,
    count_topics,
)
from tests.support.samples import INTENT, REQUESTED, like
from tests.support.stranger import wire

INTENT_FRAME = codec.encode(INTENT)


def request(client: str) -> bytes:
    return codec.encode(like(REQUESTED, client=client))


def admitted(gate: RequestGate, connection: int, frame: bytes, times: int, now_ns: int = 0) -> int:
    """How many of as many frames are let through."""
    return sum(gate.judge(connection, frame, now_ns) is Admission.ADMIT for _ in range(times))


def test_an_allowance_gains_by_time_up_to_its_burst() -> None:
    allowance = Allowance(burst=10, per_s=2)
    assert [allowance.take(4, 0) for _ in range(3)] == [True, True, False]
    assert allowance.left == 2
    assert allowance.take(4, NS_PER_S)
    assert not allowance.take(1, NS_PER_S)
    assert allowance.take(10, 100 * NS_PER_S)
    assert not allowance.take(1, 100 * NS_PER_S)
    assert not allowance.spend(9, 101 * NS_PER_S)
    assert allowance.left == 0


def test_a_connection_has_a_few_names_and_each_is_told_once() -> None:
    told: list[tuple[int, str]] = []
    gate = RequestGate(lambda connection, name: told.append((connection, name)))
    names = [f"name-{number}" for number in range(2 * NAMES_PER_CONNECTION)]
    for _ in range(3):
        for number, name in enumerate(names):
            expected = Admission.ADMIT if number < NAMES_PER_CONNECTION else Admission.DROP
            assert gate.judge(1, request(name), 0) is expected
    assert told == [(1, name) for name in names[:NAMES_PER_CONNECTION]]
    assert gate.judge(2, request("name-99"), 0) is Admission.ADMIT
    gate.forget(1)
    assert gate.judge(1, request("name-99"), 0) is Admission.ADMIT


def test_the_limit_of_one_connection_is_not_anothers() -> None:
    gate = RequestGate()
    assert admitted(gate, 1, request("one"), 1_000) == 200
    assert admitted(gate, 2, request("two"), 10) == 10
    assert admitted(gate, 1, request("one"), 1_000, NS_PER_S) == 100
    assert admitted(gate, 1, INTENT_FRAME, 10) == 10, "other kinds have their own"


def test_known_clients_renew_however_many_others_ask() -> None:
    gate = RequestGate()
    assert admitted(gate, 0, request("known"), 1) == 1
    for second in range(10):
        now_ns = second * NS_PER_S
        let_in = sum(admitted(gate, 1_000 * (second + 1) + number, request("new"), 1, now_ns) for number in range(900))
        assert let_in <= (1_000 if second == 0 else 600)
        assert admitted(gate, 0, request("known"), 1, now_ns) == 1


def test_messages_and_bytes_are_bounded_and_who_goes_on_is_cut() -> None:
    gate = RequestGate()
    assert admitted(gate, 1, INTENT_FRAME, 25_000) == 20_000
    assert admitted(gate, 2, b"intent.x\0" + bytes(1 << 20), 20) == 15
    verdicts = [gate.judge(1, INTENT_FRAME, 0) for _ in range(6_000)]
    assert verdicts[4_999:5_001] == [Admission.DROP, Admission.CUT]
    gate.forget(1)
    assert len(gate) == 1
    assert {gate.judge_dropped(3, 0) for _ in range(10_000)} == {Admission.DROP}
    assert gate.judge_dropped(3, 0) is Admission.CUT


def test_what_cannot_be_read_passes_as_one_nameless_client() -> None:
    gate = RequestGate()
    for junk in (b"", b"\x90", b"\xc1", b"\x95\1\2\3\4\5", b"\xdd\xff\xff\xff\xff"):
        assert gate.judge(1, b"symbols.requested\0" + junk, 0) is Admission.ADMIT


Wire = Callable[[bytes], bytes]


def by_message(topic: bytes) -> bytes:
    return wire(b"\1" + topic)


def by_command(topic: bytes) -> bytes:
    body = b"\x09SUBSCRIBE" + topic
    return bytes([4, len(body)]) + body


def largest_client(symbols: Iterable[str], wired: Wire) -> bytes:
    asked = list(symbols)
    kinds = (topics.quote, topics.trade, topics.status)
    return b"".join(wired(topics.prefix(kind(symbol))) for kind in kinds for symbol in asked)


def spend_in_looks(limit: SubscriberLimit, stream: bytes, rng: random.Random, reads: float) -> bool:
    """Whether all of a stream passes: each look finds some more bytes, of which libzmq has read some share."""
    at = looks = 0
    while at < len(stream):
        more = min(len(stream) - at, rng.randrange(1, 200_000))
        waiting = min(at + more, int(more * (1 - reads * rng.random()) * rng.choice((0, 1, 1, 2))))
        at += more
        looks += 1
        if not limit.spend(more, stream[at - waiting : at], looks * NS_PER_S // 100):
            return False
    return True


@pytest.mark.parametrize("wired", [by_message, by_command])
def test_topics_are_counted_in_a_piece_wherever_it_is_cut(wired: Wire) -> None:
    stream = largest_client((f"S{number:05}" for number in range(1_000)), wired)
    assert count_topics(stream) == 3_000
    longest = len(wired(topics.prefix(topics.status("S00001"))))
    for cut in range(longest, 2 * longest):
        assert 2_998 <= count_topics(stream[cut:]) + count_topics(stream[:cut]) <= 3_001
    withdrawn = b"".join(wire(b"\0" + topics.prefix(topics.quote(f"S{number:05}"))) for number in range(1_000))
    assert count_topics(withdrawn) == 0, "who takes topics back has no more of them"
    assert count_topics(wire(b"\1\xff\xfe")) == 3, "what is no text costs more"


@pytest.mark.parametrize("wired", [by_message, by_command])
@pytest.mark.parametrize("reads", [0.0, 0.5, 1.0])
def test_the_largest_client_passes_however_its_stream_is_looked_at(wired: Wire, reads: float) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    short = [a + b + c for a in letters for b in letters for c in letters][:10_000]
    long = [f"S{number:05}".ljust(14 if wired is by_command else 20, "X") for number in range(10_000)]
    mixed = [*short[:3_000], *long[:7_000]]
    rng = random.Random(1)
    for symbols in (short, long, mixed, [*reversed(mixed)], rng.sample(mixed, 10_000)):
        stream = largest_client(symbols, wired)
        assert len(stream) <= SUBSCRIBER_BURST_BYTES
        for _ in range(20):
            assert spend_in_looks(SubscriberLimit(), stream, rng, reads)


def test_short_topics_end_a_peer_long_before_its_bytes_do() -> None:
    rng = random.Random(1)
    three = b"".join(by_message(rng.randbytes(3)) for _ in range(170_000))
    letters = b"".join(by_message(b"%03x" % rng.randrange(4_096)) for _ in range(170_000))
    for stream in (three, letters) * 10:
        assert not spend_in_looks(SubscriberLimit(), stream, rng, reads=0.5)
    limit = SubscriberLimit()
    assert limit.spend(60_000, three[:60_000], 0)
    assert not limit.spend(500_000, three[-100_000:], 0), "unseen between two dense pieces is dense"


def test_bytes_that_nobody_saw_count_as_the_sparser_of_their_neighbours() -> None:
    limit = SubscriberLimit()
    dense, sparse = by_message(b"abc") * 1_000, by_message(b"x" * 97) * 100
    assert limit.spend(len(sparse), sparse, 0)
    assert limit.spend(500_000, dense, 0)
    assert limit.topics.left > 29_900
    assert limit.spend(400_000, sparse, 0)
    assert limit.topics.left > 25_900
    assert not limit.spend(200_000, b"", 0), "the bound on bytes holds beside it"
