"""Who may do what: a table, and no message in another's name."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import utc_ns
from quotebus.bus.events import Counters
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.zeromq.key_files import Program
from quotebus.bus.transport.zeromq.roles import MAY, admits, speaks_for_itself
from tests.support.samples import SAMPLES, like

ENDPOINTS = ("publish", "subscribe", "request")
OWN = Stamper("strat-0a0b0c")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("node", ("publish", "subscribe")),
        ("worker", ("subscribe", "request")),
        ("observer", ("subscribe",)),
        ("broker", ()),
        ("", ()),
    ],
)
def test_the_table(role: str, may: tuple[str, ...]) -> None:
    program = Program(role, "x")
    assert tuple(each for each in ENDPOINTS if admits(program, each)) == may
    assert not admits(None, "subscribe")
    assert not admits(program, "")
    assert not admits(program, "elsewhere")
    assert set(MAY) == set(ENDPOINTS)


@pytest.mark.parametrize("kind", ["symbols.requested", "intent", "decision"])
@pytest.mark.parametrize(
    ("client", "may"), [("strat", True), ("strat-1", True), ("strat2", False), ("stra", False), ("victim", False)]
)
def test_a_client_bears_its_keys_name(kind: str, client: str, may: bool) -> None:
    frame = OWN.frame(like(SAMPLES[kind], client=client), utc_ns())
    assert speaks_for_itself("strat", frame) is may


def test_a_source_bears_its_keys_name() -> None:
    for source, may in (("strat-0a0b0c", True), ("strat", False), ("strat-x-0a0b0c", False), ("victim-0a0b0c", False)):
        frame = Stamper(source).frame(Counters(program="p", counters={}), utc_ns())
        assert speaks_for_itself("strat", frame) is may, source
    for source, may in (("replay:strat-0a0b0c", True), ("replay:strat-x-0a0b0c", True), ("replay:strat", True),
                        ("replay:victim-0a0b0c", False), ("replay:", False)):  # fmt: skip
        frame = Stamper(source).frame(Counters(program="p", counters={}), utc_ns())
        assert speaks_for_itself("strat", frame) is may, source
    mine = OWN.frame(Counters(program="p", counters={}), utc_ns())
    assert not speaks_for_itself("", mine)
    assert not speaks_for_itself("strat", mine.replace(b"counters.strat", b"counters.other"))


def test_a_recorder_bears_its_keys_name() -> None:
    night = Stamper("night-0a0b0c")
    for name, may in (("night", True), ("night-2", True), ("day", False)):
        frame = night.frame(like(SAMPLES["recorder"], name=name), utc_ns())
        assert speaks_for_itself("night", frame) is may
    assert not speaks_for_itself(
        "night", Stamper("day-0a0b0c").frame(like(SAMPLES["recorder"], name="night"), utc_ns())
    )


@pytest.mark.parametrize("kind", ["quote", "trade", "symbol", "health", "order", "symbols.acknowledged"])
def test_what_a_node_says_is_nobodys_own(kind: str) -> None:
    assert not speaks_for_itself("strat", OWN.frame(SAMPLES[kind], utc_ns()))


@pytest.mark.parametrize("frame", [b"", b"\0", b"counters.x", b"intent.strat\0", b"intent.strat\0\x93\x01",
                                   b"\xff\0\xc0", b"counters.strat-1\0\x94\x01\x01\x01\x01"])  # fmt: skip
def test_what_cannot_be_read_is_nobodys(frame: bytes) -> None:
    assert not speaks_for_itself("strat", frame)
