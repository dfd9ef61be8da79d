"""Forged messages over a NATS server with roles, by every user: the server or the reader drops them, none may arrive.

A cell is a user, a kind of message, and what is false in it. Each user says what it is allowed to say under its own
subjects, and everything under another's.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_MS, utc_ns
from quotebus.bus.events import Counters, Event
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.line import Publisher
from quotebus.bus.transport.nats.ends import NatsSubscriber
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.forgeries.matrix import MARK, Tally
from tests.support.nats_server import ShippedServer, access_to, add_users, role_authority
from tests.support.programs import eventually
from tests.support.samples import SAMPLES, like

USERS = {"rogue": "node", "strat": "worker", "spool": "recorder", "observer": "observer"}
"""Who forges, and whose block of permissions it has."""
VICTIMS = {"rogue": "node", "strat": "victim", "spool": "recorder", "observer": "victim"}
"""In whose name."""
OWN_FIELDS = {"symbols.requested": "client", "intent": "client", "decision": "client", "recorder": "name",
              "report": "worker"}  # fmt: skip
"""The field in which a program of our own names itself."""


def forgeries(user: str, victim: str, number: int) -> list[bytes]:
    """Every kind with a source, or with a name, that is not this user's."""
    frames = []
    sources = (f"{victim}-{number & 0xFFFFFF:06x}", f"{user}x-{MARK}", f"x-{user}-{MARK}", MARK)
    for kind in SAMPLES:
        frames += [_say(source, naming(kind, f"{user}-{MARK}")) for source in sources]
        if kind in OWN_FIELDS:
            frames += [_say(f"{user}-0a0b0c", naming(kind, name)) for name in (victim, f"{victim}-1", f"{user}x")]
    return frames


def naming(kind: str, name: str) -> Event:
    """The sample of this kind, in which the speaker calls himself so."""
    return like(SAMPLES[kind], **({OWN_FIELDS[kind]: name} if kind in OWN_FIELDS else {}))


def _say(source: str, event: Event) -> bytes:
    return Stamper(source).frame(event, utc_ns())


class Forger:
    """A user's connection, and one under which it speaks as another."""

    def __init__(self, server: ShippedServer, user: str, victim: str) -> None:
        self.user, self.victim = user, victim
        tls = role_authority().context(user)
        self._engines = [NatsEngine(access_to(server, user=name, tls=tls)) for name in (user, victim)]
        self._publishers: list[Publisher] = [engine.requester() for engine in self._engines]
        for publisher in self._publishers:
            publisher.connect()
        eventually(lambda: [publisher.news() for publisher in self._publishers]
                   and all(publisher.connected for publisher in self._publishers))  # fmt: skip

    def send_all(self, number: int) -> int:
        frames = forgeries(self.user, self.victim, number)
        for publisher in self._publishers:
            for frame in frames:
                publisher.news()
                assert publisher.send(frame)
            publisher.flush()
        return len(frames) * len(self._publishers)

    def say_honestly(self, number: int) -> bytes:
        """A last word in its own name, behind everything else."""
        if USERS[self.user] == "observer":  # it may say nothing
            return b""
        frame = _say(f"{self.user}-{number & 0xFFFFFF:06x}", Counters(program="honest", counters={}))
        assert self._publishers[0].send(frame)
        self._publishers[0].flush()
        return frame

    def close(self) -> None:
        for engine in self._engines:
            engine.close(0)


class Listener:
    """Hears everything that its role may hear, through the reader of every program."""

    def __init__(self, server: ShippedServer, user: str, *prefixes: bytes) -> None:
        self._engine = NatsEngine(access_to(server, user=user, tls=role_authority().context(user)))
        self.subscriber: NatsSubscriber = self._engine.subscriber(prefixes, watched=True)
        self.subscriber.connect()
        eventually(self.subscriber.news)
        self.heard: set[bytes] = set()

    def hears(self, frame: bytes) -> bool:
        self.subscriber.await_frame(20 * NS_PER_MS)
        self.heard.update(self.subscriber.take(10_000))
        return frame in self.heard

    def close(self) -> None:
        self.subscriber.close()
        self._engine.close(0)


def forge_over_nats(folder: Path, attempts: int) -> Tally:
    """At least so many attempts. AssertionError when what is honest does not arrive: then nothing was shown."""
    tally, number = Tally(), 0
    with ExitStack() as opened:
        server = ShippedServer(
            folder, add_users(folder, rogue="node", strat="worker", spool="recorder", victim="worker")
        )
        opened.callback(server.stop)
        everything = Listener(server, "observer", b"")
        node = Listener(server, "node", topics.prefix(topics.REQUESTED), b"health.")
        worker = Listener(server, "worker", b"")
        listeners = (everything, node, worker)
        made = [Forger(server, user, victim) for user, victim in VICTIMS.items()]
        for each in (*listeners, *made):
            opened.callback(each.close)
        while tally.attempts < attempts:
            number += 1
            for forger in made:
                tally.attempts += forger.send_all(number)
                if last := forger.say_honestly(number):
                    for listener in (everything, worker):
                        eventually(lambda: listener.hears(last), why="an honest message")  # noqa: B023 - called here
        node.hears(b"")
        tally.arrived += [f"{frame[:60]!r}" for each in listeners for frame in each.heard if is_false(frame)]
        assert everything.subscriber.forged == worker.subscriber.forged
        tally.dropped = everything.subscriber.forged
        tally.dropped_by_node = node.subscriber.forged
    return tally


def is_false(frame: bytes) -> bool:
    event = codec.decode(frame)
    return not (isinstance(event, Counters) and event.program == "honest")
