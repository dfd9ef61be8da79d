"""Whether a message is in the name of the user under whose subject it came, of every kind."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from quotebus.bus import codec, topics
from quotebus.bus.clock import utc_ns
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.nats.protocol import Reader
from quotebus.bus.transport.nats.speaker import Forgeries, Speaker, find_speaker
from quotebus.bus.transport.nats.subjects import find_user, to_subject, to_topic
from tests.support.samples import SAMPLES, like

ROOT = b"quotebus."
NAMING = {
    "symbols.requested": "client",
    "intent": "client",
    "decision": "client",
    "recorder": "name",
    "report": "worker",
}
"""The field in which a program of our own names itself, by kind."""


def say(kind: str, source: str, name: str = "strat-desk") -> bytes:
    changes = {NAMING[kind]: name} if kind in NAMING else {}
    return Stamper(source).frame(like(SAMPLES[kind], **changes), utc_ns())


def speaks(user: str, frame: bytes) -> bool:
    end = frame.find(0) + 1
    return Speaker(user, frame[:end], Forgeries())(frame[end:])


@pytest.mark.parametrize("kind", codec.KINDS)
def test_a_source_is_the_users(kind: str) -> None:
    for source in ("strat-0a0b0c", "strat-desk-0a0b0c", "strat"):
        assert speaks("strat", say(kind, source))
    for source in ("victim-0a0b0c", "strat2-0a0b0c", "stra-0a0b0c", "-0a0b0c", "x-strat-0a0b0c", "Strat-0a0b0c", "x"):
        assert not speaks("strat", say(kind, source)), source


@pytest.mark.parametrize("kind", NAMING)
def test_what_a_program_calls_itself_is_the_users(kind: str) -> None:
    for name, may in (("strat", True), ("strat-1", True), ("strat2", False), ("victim", False), ("desk-strat", False)):
        assert speaks("strat", say(kind, "strat-0a0b0c", name)) is may, name


@pytest.mark.parametrize("kind", sorted(codec.KINDS.keys() - NAMING.keys()))
def test_whom_a_message_is_about_is_not_bound(kind: str) -> None:
    """An answer, an order and a health name others, or something that is no program."""
    assert speaks("node", Stamper("node-0a0b0c").frame(SAMPLES[kind], utc_ns()))


@pytest.mark.parametrize("kind", codec.KINDS)
def test_what_is_marked_as_a_replay_is_in_nobodys_name(kind: str) -> None:
    assert speaks("player", say(kind, "replay:victim-0a0b0c", "victim"))


@pytest.mark.parametrize("user", ["a-b", "a%2Eb", "", "a@b", "x" * 41])
@pytest.mark.parametrize("kind", codec.KINDS)
def test_a_user_that_can_have_no_names_has_none(user: str, kind: str) -> None:
    assert not speaks(user, say(kind, f"{user}-0a0b0c", f"{user}-desk"[:60].replace("@", "_").replace("%", "_")))


@pytest.mark.parametrize("payload", [b"", b"\xc1", b"\x92\x01", b"\x92\x01\x02", b"\x93\x01\xa1\xff\x01", b"\x80"])
def test_what_nobody_can_read_is_left_to_who_counts_that(payload: bytes) -> None:
    for topic in ("quote.SPY", "symbols.requested", "report.x"):
        assert Speaker("strat", topics.prefix(topic), Forgeries())(payload)
        with pytest.raises(codec.UndecodableMessage):
            codec.decode(topics.prefix(topic) + payload)


def whole_floats(frame: bytes) -> bytes:
    """The same as a client sends it whose language has one kind of number."""
    end = frame.find(0) + 1
    values: list[Any] = msgspec.msgpack.decode(frame[end:])
    return frame[:end] + msgspec.msgpack.encode([float(each) if type(each) is int else each for each in values])


@pytest.mark.parametrize("kind", codec.FROM_CLIENTS)
def test_a_message_in_whole_floats_is_bound_too(kind: str) -> None:
    assert speaks("strat", whole_floats(say(kind, "strat-0a0b0c")))
    assert not speaks("strat", whole_floats(say(kind, "victim-0a0b0c")))
    assert not speaks("strat", whole_floats(say(kind, "strat-0a0b0c", "victim")))
    assert codec.decode(whole_floats(say(kind, "strat-0a0b0c"))).source == "strat-0a0b0c"


def message(user: bytes, frame: bytes) -> bytes:
    end = frame.find(0)
    subject = to_subject(ROOT, user, frame[:end])
    return b"MSG %b 1 %d\r\n%b\r\n" % (subject, len(frame) - end - 1, frame[end + 1 :])


def read(*messages: bytes) -> tuple[Forgeries, list[bytes]]:
    forgeries = Forgeries()
    reader = Reader(partial(to_topic, ROOT), partial(find_speaker, ROOT, forgeries))
    frames: list[bytes] = []
    for each in messages:
        reader.feed(each, frames)
    return forgeries, frames


@pytest.mark.parametrize("kind", codec.KINDS)
def test_a_forgery_after_honest_ones_of_its_size_is_noticed_and_the_next_honest_one_is_taken(kind: str) -> None:
    """A reader compares with the message before: what it has taken opens the way for nothing else."""
    honest, forged = say(kind, "strat-0a0b0c"), say(kind, "vctim-0a0b0c")
    assert len(honest) == len(forged)
    if kind == "counters":  # the topic is made of the source
        forged = honest[: honest.find(0) + 1] + forged[forged.find(0) + 1 :]
    forgeries, frames = read(*(message(b"strat", each) for each in (honest, honest, forged, honest, forged)))
    assert frames == [honest] * 3
    assert forgeries.count == 2
    assert b"quotebus.strat." in forgeries.subject


def test_a_source_that_goes_on_where_a_known_one_ends_is_another() -> None:
    honest, longer = say("quote", "strat-0a0b0c"), say("quote", "strat-0a0b0cX")
    other = say("quote", "strat", "").replace(b"strat", b"strax")
    forgeries, frames = read(*(message(b"strat", each) for each in (honest, longer, other)))
    assert frames == [honest, longer]
    assert forgeries.count == 1


def test_anyone_is_bound_to_nothing_and_only_under_that_spelling() -> None:
    frame = say("quote", "victim-0a0b0c")
    forgeries, frames = read(message(b"anyone", frame), message(b"%61nyone", frame), message(b"anyone2", frame))
    assert frames == [frame]
    assert forgeries.count == 2


def test_a_user_is_found_in_its_one_spelling() -> None:
    assert find_user(ROOT, b"quotebus.a%2Eb.quote.SPY") == "a.b"
    assert find_user(ROOT, b"quotebus.%61.quote.SPY") == "%61"
    assert find_user(ROOT, b"quotebus.anyone.quote.SPY") == ""
