"""What a stranger does to the broker's endpoints, one play each, with the bound on what others may notice."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice, product
from string import ascii_uppercase

from quotebus.bus import codec, topics
from quotebus.bus.settings import BusSettings
from tests.support.samples import ACKNOWLEDGED, HEALTH, INTENT, QUOTE, REQUESTED, STATUS, TRADE, like
from tests.support.stranger import Stranger, wire

SILENCE_S = 0.5
RESTART_SILENCE_S = 2.5
"""Where the broker replaces itself."""
MANY_SILENCE_S = 1.5
"""Where 600,000 topics of honest peers come at once: none may be refused, and libzmq takes them before it goes on."""
MEMORY_MIB = 256
"""The bound that the broker of these plays is given."""
SYMBOL = "SPY"
_KNOWN = topics.prefix(topics.quote(SYMBOL))


@dataclass(frozen=True)
class Play:
    """`run` plays it on a bus; the others' prices are usable in at least `usable` of the looks meanwhile."""

    name: str
    run: Callable[[BusSettings, random.Random], None]
    silence_s: float = SILENCE_S
    usable: float = 0.99
    restarts: bool = False


@contextmanager
def strangers(url: str, kind: bytes, count: int = 1) -> Iterator[list[Stranger]]:
    """Some strangers at an endpoint, gone at the end."""
    with ExitStack() as made:
        peers = [Stranger(url, kind) for _ in range(count)]
        for peer in peers:
            made.callback(peer.close)
        yield peers


def subscribe_to_a_long_topic(settings: BusSettings, _: random.Random) -> None:
    for size in (1_024, 60_000, 110_000, 1_000_000):
        with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
            peer.send(b"\1" + b"x" * size)
            peer.is_cut(2)


def subscribe_to_many_topics(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        for first in range(0, 300_000, 1_000):
            batch = b"".join(wire(b"\1quote.%08d.more\0" % number) for number in range(first, first + 1_000))
            if not peer.send_raw(batch):
                return


def subscribe_to_short_topics(settings: BusSettings, rng: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        for _ in range(300):
            if not peer.send_raw(b"".join(wire(b"\1" + rng.randbytes(3)) for _ in range(1_000))):
                return


def subscribe_to_far_neighbours(settings: BusSettings, rng: random.Random) -> None:
    """Two topics each that have only their last byte apart: libzmq keeps a table of all the bytes between."""
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        for _ in range(150):
            begins = [wire(b"\1" + rng.randbytes(3) + last) for _ in range(500) for last in (b"\0", b"\xff")]
            if not peer.send_raw(b"".join(begins)):
                return


def subscribe_as_the_largest_client(peer: Stranger, symbols: Iterable[str]) -> None:
    asked = list(symbols)
    for kind in (topics.quote, topics.trade, topics.status):
        peer.send_raw(b"".join(wire(b"\1" + topics.prefix(kind(symbol))) for symbol in asked))


def leave_with_a_clients_greatest_demand(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        subscribe_as_the_largest_client(peer, (f"S{each:05}" for each in range(10_000)))
        assert not peer.is_cut(1), "the largest client was cut"


def ask_for_every_symbol_of_three_letters(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        subscribe_as_the_largest_client(peer, map("".join, islice(product(ascii_uppercase, repeat=3), 10_000)))
        assert not peer.is_cut(1), "a client with 10,000 short symbols was cut"


def come_as_twenty_of_the_largest_clients(settings: BusSettings, _: random.Random) -> None:
    """They come at once and leave one by one."""
    with strangers(settings.bus_subscribe_url, b"SUB", 20) as peers:
        for peer in peers:
            subscribe_as_the_largest_client(peer, (f"S{each:05}" for each in range(10_000)))
        for peer in peers:
            assert not peer.is_cut(0.05), "one of twenty large clients was cut"
            peer.close()


def send_what_is_no_subscription(settings: BusSettings, _: random.Random) -> None:
    noise = wire(b"x" * 1_000) * 1_000
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        for _ in range(400):
            if not peer.send_raw(noise):
                return


def withdraw_what_others_have(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB") as (peer,):
        for topic in (b"", b"health.", _KNOWN, topics.prefix(topics.status(SYMBOL)), topics.prefix(topics.REQUESTED)):
            for _ in range(100):
                peer.send(b"\0" + topic)
        peer.is_cut(1)


def hide_a_quote_in_a_second_part(settings: BusSettings, _: random.Random) -> None:
    forged = codec.encode(like(QUOTE, symbol=SYMBOL, bid_price=1.0, ask_price=1.01))
    with strangers(settings.bus_request_url, b"PUB") as (peer,):
        for _ in range(1_000):
            peer.send(codec.encode(INTENT), forged)
        peer.is_cut(1)


def ask_in_two_thousand_names(settings: BusSettings, _: random.Random) -> None:
    frames = [wire(codec.encode(like(REQUESTED, client=f"name-{each}", symbols=("XYZ",)))) for each in range(2_000)]
    with strangers(settings.bus_request_url, b"PUB") as (peer,):
        for _ in range(10):
            if not peer.send_raw(b"".join(frames)):
                return


def ask_in_a_name_over_each_of_many_connections(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_request_url, b"PUB", 200) as peers:
        for _ in range(20):
            for number, peer in enumerate(peers):
                peer.send(codec.encode(like(REQUESTED, client=f"one-{number}", symbols=("XYZ",))))


def fill_the_memory(settings: BusSettings, _: random.Random) -> None:
    with strangers(settings.bus_subscribe_url, b"SUB", 16) as peers:
        for peer in peers:
            peer.send_raw(b"".join(wire(b"\1" + os.urandom(1_000)) for _ in range(1_200)))
        peers[0].is_cut(3)


def send_garbage(endpoint: str, kind: bytes) -> Callable[[BusSettings, random.Random], None]:
    """100,000 mutated frames at one endpoint, and 30 times what is no frame at all."""

    def run(settings: BusSettings, rng: random.Random) -> None:
        url = getattr(settings, f"bus_{endpoint}_url")
        events = (QUOTE, TRADE, STATUS, HEALTH, ACKNOWLEDGED, REQUESTED, INTENT)
        samples = [*(codec.encode(each) for each in events), b"\1" + _KNOWN, b"\0" + _KNOWN, b"\1", b"\0", b""]
        for _ in range(10):
            with strangers(url, kind) as (peer,):
                for _ in range(100):
                    if not peer.send_raw(b"".join(wire(mutate(rng.choice(samples), rng)) for _ in range(100))):
                        break
        for _ in range(30):
            with strangers(url, kind) as (peer,):
                peer.send_raw(rng.randbytes(rng.randrange(1, 4_000)))

    return run


def mutate(frame: bytes, rng: random.Random) -> bytes:
    """A frame with a few bytes changed, cut off, doubled or put in."""
    data = bytearray(frame)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(4):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                del data[at : at + rng.randrange(1, 9)]
            case 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 9))
            case _:
                data[at:at] = data[max(0, at - 8) : at]
    return bytes(data)


PLAYS = (
    Play("a subscription of up to 1 MB", subscribe_to_a_long_topic),
    Play("300,000 topics", subscribe_to_many_topics),
    Play("300,000 topics of three bytes", subscribe_to_short_topics),
    Play("150,000 far neighbours", subscribe_to_far_neighbours),
    Play("a peer with 30,000 topics leaves", leave_with_a_clients_greatest_demand),
    Play("10,000 symbols of three letters", ask_for_every_symbol_of_three_letters),
    Play("20 peers with 30,000 topics each", come_as_twenty_of_the_largest_clients, silence_s=MANY_SILENCE_S),
    Play("400 MB of no subscriptions", send_what_is_no_subscription),
    Play("withdrawals of others' topics", withdraw_what_others_have),
    Play("a quote in a second part", hide_a_quote_in_a_second_part),
    Play("2,000 names over one connection", ask_in_two_thousand_names),
    Play("200 connections with a name each", ask_in_a_name_over_each_of_many_connections),
    Play("100,000 mutated frames: subscribe", send_garbage("subscribe", b"SUB")),
    Play("100,000 mutated frames: request", send_garbage("request", b"PUB")),
    Play("more memory than the bound", fill_the_memory, silence_s=RESTART_SILENCE_S, usable=0.5, restarts=True),
    Play("100,000 mutated frames: publish", send_garbage("publish", b"PUB")),
)
