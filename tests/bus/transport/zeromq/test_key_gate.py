"""A broker that admits keys only: who is in, who is told why not, and who is out again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from quotebus import BusClient
from quotebus.bus.clock import now_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Counters, RecorderHealth
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.zeromq.key_folder import make_pair, write_pair
from quotebus.bus.transport.zeromq.key_gate import KeyGate
from quotebus.bus.transport.zeromq.sockets import be_server
from tests.forgeries.run import forge_for
from tests.support.bus import environment_of
from tests.support.eventlog import EventLog
from tests.support.keyed import ENDPOINTS, KeyedBroker, Keys
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def broker(keys: Keys) -> Iterator[Callable[[], KeyedBroker]]:
    with ExitStack() as opened:

        def start() -> KeyedBroker:
            broker = KeyedBroker(keys)
            opened.callback(broker.close)
            return broker

        yield start


def test_no_forgery_arrives(tmp_path: Path) -> None:
    tally = forge_for(tmp_path, 900)
    assert tally.attempts >= 900
    assert (tally.let_in, tally.arrived) == ([], [])


def test_every_program_works_under_its_key(keys: Keys, broker: Callable[[], KeyedBroker], tmp_path: Path) -> None:
    node, worker = keys.make("node", "pricing"), keys.make("worker", "execution")
    strat, looker, recorder = (
        keys.make(*words.split()) for words in ("worker strat", "observer looker", "worker night")
    )
    bus = broker()
    world = World(tmp_path)
    for name in ("BUS_URL", "BUS_RUNTIME_DIR"):
        world.environment.pop(name)
    try:
        world.exchange("--rate", "100")
        world.node(**bus.environment(node))
        world.worker(**bus.environment(worker), EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="1")
        night = {**bus.environment(recorder), "RECORD_NAME": "night"}
        world.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"), **night)
        log = EventLog(bus.settings(looker), b"recorder.", b"counters.", b"decision.")
        with BusClient(bus.settings(strat), name="strat-1") as client:
            result = client.request(["SPY"], wait_s=30)["SPY"]
            assert result.reasons == ()
        log.wait(RecorderHealth)
        tap = Program("quotebus", "tap", "echo", "decision", "--count", "1", "--for", "30",
                      environment=bus.environment(looker))  # fmt: skip
        assert tap.process.wait(40) == 0
        tap.stop()
        counted, _ = log.wait(Counters, lambda each: each.program == "broker")
        assert {counted.counters[f"{each}_denied"] for each in ENDPOINTS} == {0}
        log.close()
    finally:
        world.close()


def test_who_is_refused_is_told_once_at_both_ends_and_comes_in_when_admitted(
    keys: Keys, broker: Callable[[], KeyedBroker], caplog: pytest.LogCaptureFixture
) -> None:
    late, looker = keys.make("worker", "late", admitted=False), keys.make("observer", "looker")
    bus = broker()
    with BusClient(bus.settings(late), name="late") as client:
        client.request(["SPY"])
        told = f"the broker at {bus.urls['subscribe']} does not admit the key of worker-late"
        eventually(lambda: told in caplog.text)
        bus.program.line("subscribe endpoint: peers refused")
        line = bus.program.line("request endpoint: peers refused, their keys are not admitted to it: 1")
        assert "an unknown key from 127.0.0.1" in line
        log = EventLog(bus.settings(looker), b"counters.")
        counted, _ = log.wait(Counters, lambda each: each.counters.get("subscribe_denied", 0) > 0)
        assert counted.counters["publish_denied"] == 0
        assert not client.is_connected
        keys.admit(late)
        log.wait(Counters, lambda each: each.program == "late", since=log.position())
        log.close()
    assert caplog.text.count("does not admit the key") == 2, "one for each endpoint, not one for each attempt"


def test_a_broker_that_is_another_is_told(
    keys: Keys, broker: Callable[[], KeyedBroker], caplog: pytest.LogCaptureFixture
) -> None:
    strat, bus = keys.make("worker", "strat"), broker()
    elsewhere = make_pair(strat.program, make_pair(strat.program).public)
    keys.file_of(strat).unlink()
    write_pair(keys.file_of(strat), elsewhere)
    with BusClient(bus.settings(elsewhere), name="strat") as client:
        told = f"whoever listens at {bus.urls['subscribe']} has not the key that BUS_KEY_FILE gives for the broker"
        eventually(lambda: told in caplog.text)
        assert not client.is_connected


def test_a_key_that_is_taken_back_is_out_within_two_seconds_and_the_others_stay(
    keys: Keys, broker: Callable[[], KeyedBroker], stopwatch: Stopwatch
) -> None:
    gone, stays, looker = keys.make("worker", "gone"), keys.make("worker", "stays"), keys.make("observer", "looker")
    bus = broker()
    log = EventLog(bus.settings(looker), b"counters.")
    with BusClient(bus.settings(gone), name="gone"), BusClient(bus.settings(stays), name="stays"):
        for name in ("gone", "stays"):
            log.wait(Counters, lambda each, name=name: each.program == name)  # type: ignore[misc]
        began_ns = now_ns()
        keys.revoke(gone)
        bus.program.line("no longer admitted: worker-gone")
        assert stopwatch.seconds(began_ns) < 2
        bus.program.line("request endpoint: peers refused, their keys are not admitted to it")
        since = log.position()
        log.wait(Counters, lambda each: each.program == "stays", since=since)
        log.wait(Counters, lambda each: each.counters.get("request_denied", 0) > 0, since=since)
        assert not log.all(Counters, lambda each: each.program == "gone", since=since)
    log.close()


class Forgetful:
    """A socket that takes one option without setting it."""

    def __init__(self, socket: zmq.Socket[bytes], forgets: int) -> None:
        self._socket, self._forgets = socket, forgets

    def setsockopt(self, option: int, value: int | bytes) -> None:
        if option != self._forgets:
            self._socket.setsockopt(option, value)

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_endpoint_reads_its_guard_back(endpoint: str, keys: Keys) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        sockets = [context.socket(zmq.SUB) for _ in range(4)]
        socket = sockets[0]
        be_server(socket, endpoint, keys.broker)
        assert socket.getsockopt_string(zmq.ZAP_DOMAIN) == endpoint
        assert (socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN), socket.getsockopt(zmq.MECHANISM)) == (1, int(zmq.CURVE))
        options = (zmq.ZAP_DOMAIN, zmq.ZAP_ENFORCE_DOMAIN, zmq.CURVE_SERVER)
        for other, option in zip(sockets[1:], options, strict=True):
            with pytest.raises(RuntimeError, match="does not guard"):
                be_server(Forgetful(other, option), endpoint, keys.broker)  # type: ignore[arg-type]
    finally:
        context.destroy(linger=0)


@pytest.mark.parametrize(
    "parts",
    [
        [b"1.0"],
        [b"1.0", b"1"],
        [b"2.0", b"1", b"subscribe", b"", b"", b"CURVE", b"k" * 32],
        [b"1.0", b"1", b"subscribe", b"", b"", b"NULL"],
        [b"1.0", b"1", b"subscribe", b"", b"", b"NULL", b""],
        [b"1.0", b"1", b"subscribe", b"", b"", b"PLAIN", b"u"],
        [b"1.0", b"1", b"subscribe", b"", b"", b"CURVE", b"short"],
        [b"1.0", b"1", b"\xff", b"\xff", b"", b"CURVE", b"k" * 32],
    ],
)
def test_a_question_that_is_none_is_answered_no_and_the_next_one_too(parts: list[bytes], keys: Keys) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        gate = KeyGate(context, keys.folder)
        asker = context.socket(zmq.REQ)
        asker.connect("inproc://zeromq.zap.01")
        for _ in range(2):
            asker.send_multipart(parts)
            eventually(lambda: gate.socket.poll(10))
            gate.answer()
            assert asker.recv_multipart()[2] in (b"400", b"500")
    finally:
        context.destroy(linger=0)


def test_a_program_needs_a_programs_key_that_nobody_else_reads(keys: Keys) -> None:
    strat = keys.make("worker", "strat")

    def settings(path: Path) -> BusSettings:
        return BusSettings(bus_url="tcp://192.0.2.1:5570", bus_key_file=str(path))

    open_engine(settings(keys.file_of(strat)).bus_address).close()
    with pytest.raises(ConfigError, match="the broker's own key"):
        open_engine(settings(keys.path / "broker.key").bus_address)
    keys.file_of(strat).chmod(0o644)
    with pytest.raises(ConfigError, match="must be 0600"):
        open_engine(settings(keys.file_of(strat)).bus_address)
    keys.file_of(strat).chmod(0o600)
    program = Program("quotebus", "tap", "echo", environment=environment_of(settings(keys.path / "none.key")))
    assert program.process.wait(30) == 78
    program.stop()
    assert len(program.lines) == 1
