"""The player on a real bus: what subscribers hear, who is answered, who steers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from quotebus import BusClient, BusSettings
from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.player import BusOccupied, Entries, Player
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Event, Quote
from quotebus.bus.events import SymbolsAcknowledged as Acknowledged
from tests.support.bus import NOBODY, ask, fake_node, running_broker
from tests.support.eventlog import EventLog
from tests.support.market import NODE, day
from tests.support.programs import eventually
from tests.support.samples import REQUESTED, UTC_NS, like

DAY = day(seconds=3).entries


def entries_of(entries: list[Captured]) -> Entries:
    def entries_from(begin_ns: int | None) -> Iterator[Captured]:
        return (entry for entry in entries if begin_ns is None or entry.received_ns >= begin_ns)

    return entries_from


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings:
        yield settings


@contextmanager
def playing(player: Player) -> Iterator[Callable[[], None]]:
    """The player in a thread; gives a function that waits for its end and raises what it raised."""
    raised: list[Exception] = []

    def play() -> None:
        try:
            player.play()
        except (BusOccupied, ConfigError) as error:
            raised.append(error)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()

    def ended() -> None:
        thread.join(20)
        assert not thread.is_alive()
        if raised:
            raise raised[0]

    try:
        yield ended
    finally:
        player.stop()
        thread.join(20)


def replayed(log: EventLog) -> list[Event]:
    return [
        h.event for h in list(log.heard) if h.event.source.startswith("replay:") and type(h.event) is not Acknowledged
    ]


@pytest.mark.parametrize("rate", [None, 20.0])
def test_subscribers_hear_the_recording_in_its_order(settings: BusSettings, rate: float | None) -> None:
    log = EventLog(settings.bus_subscribe_url)
    with playing(Player(entries_of(DAY), settings, rate=rate)) as ended:
        ended()
    recorded = [entry.event() for entry in DAY if not entry.topic.startswith("symbols.")]
    eventually(lambda: len(replayed(log)) >= len(recorded))
    assert replayed(log) == [like(event, source=f"replay:{NODE}") for event in recorded]
    log.close()


def test_a_client_of_the_replay_starts_as_live_and_a_live_client_takes_nothing(settings: BusSettings) -> None:
    player = Player(entries_of(DAY), settings, rate=None, clients=1, wait_s=20)
    with (
        BusClient(settings, name="live") as live,
        BusClient(settings, name="replayed", replayed=True) as client,
        playing(player) as ended,
    ):
        live.request(["QQQ"])
        client.request(["QQQ"])
        ended()
        newest = [entry.event() for entry in DAY if entry.topic == "quote.QQQ"][-1]
        assert isinstance(newest, Quote)
        eventually(lambda: (quote := client.last_quote("QQQ")) and quote.seq == newest.seq)
        assert client.usable("QQQ"), client.assess("QQQ").reasons
        assert live.last_quote("QQQ") is None
        assert live.health() is None
        eventually(lambda: live.counters["replayed"] > 0)
        assert not live.usable("QQQ")


def test_answers_are_logged_at_debug(settings: BusSettings, caplog: pytest.LogCaptureFixture) -> None:
    player = Player(entries_of(DAY), settings, rate=None, clients=1, wait_s=20)
    with (
        caplog.at_level(logging.DEBUG, "quotebus.bus.capture.replay.player"),
        BusClient(settings, name="logged", replayed=True) as client,
        playing(player) as ended,
    ):
        client.request(["QQQ"])
        ended()
    said = [record.getMessage() for record in caplog.records]
    assert "replay starts: 1 consumers" in said
    assert any(line.startswith("answered logged, request ") and line.endswith(": 1 symbols") for line in said)
    assert f"replay ends: {player.progress().messages} messages sent" in said


def test_pause_step_resume_and_seek(settings: BusSettings) -> None:
    player = Player(entries_of(DAY), settings, rate=1.0)
    log = EventLog(settings.bus_subscribe_url)
    player.pause()
    with playing(player) as ended:
        for number in (1, 2, 5):
            player.step(number)
            position = player.progress().messages
            eventually(lambda position=position, number=number: player.progress().messages >= position + number)
        assert player.progress().messages == 8
        assert player.progress().paused
        assert len(replayed(log)) <= 8
        player.seek(DAY[-1].received_ns)
        player.resume()
        ended()
    assert player.progress().messages == 9
    eventually(lambda: len(replayed(log)) == 9)
    assert replayed(log)[-1].seq == DAY[-1].event().seq
    log.close()


def test_from_the_middle_answers_know_what_came_before(settings: BusSettings) -> None:
    middle = [entry for entry in DAY if entry.topic == "quote.SPY"][10]
    player = Player(entries_of(DAY), settings, rate=None, from_ns=middle.received_ns + 1, clients=1, wait_s=20)
    log = EventLog(settings.bus_subscribe_url)
    with BusClient(settings, name="late", replayed=True) as client, playing(player) as ended:
        client.request(["SPY"])
        ended()
        ack, _ = log.wait(Acknowledged)
    assert ack.results[0].state == "live"
    assert ack.results[0].last_quote_seq == middle.event().seq
    assert min(e.published_ns for e in replayed(log)) > middle.received_ns - NS_PER_S
    log.close()


def test_an_answer_names_the_newest_quote_that_was_published(settings: BusSettings) -> None:
    """Not the one whose turn is next: whoever was told of it would wait for it in vain while the replay is paused."""
    before, after = [at for at, entry in enumerate(DAY) if entry.topic == "quote.QQQ"][2:4]
    player = Player(entries_of(DAY), settings, rate=1.0, from_ns=DAY[before].received_ns)
    player.pause()
    log = EventLog(settings.bus_subscribe_url)
    with playing(player), BusClient(settings, name="paused", replayed=True) as client:
        for _ in range(after - before):
            player.step()
        eventually(lambda: player.progress().messages == after - before)
        client.request(["QQQ"])
        ack, _ = log.wait(Acknowledged)
    assert ack.results[0].last_quote_seq == DAY[before].event().seq
    log.close()


def test_refused_beside_a_live_node_unless_forced(settings: BusSettings) -> None:
    with fake_node(settings) as node:
        with playing(Player(entries_of(DAY), settings)) as ended, pytest.raises(BusOccupied, match="pricing-fake01"):
            ended()
        log = EventLog(settings.bus_subscribe_url)
        with playing(Player(entries_of(DAY), settings, rate=None, force=True)) as ended:
            with BusClient(settings, name="live") as live:
                assert ask(live, ["SPY"])["SPY"].acknowledged
            ended()
        assert not [a for a in log.all(Acknowledged) if a.source != "pricing-fake01"], "answered by the live node alone"
        assert node.requests
        log.close()


def test_a_node_that_comes_later_ends_the_replay_and_a_second_replay_is_refused(settings: BusSettings) -> None:
    player = Player(entries_of(DAY), settings, rate=1.0)
    with playing(player) as ended:
        eventually(lambda: player.progress().messages > 5)
        with playing(Player(entries_of(DAY), settings)) as second, pytest.raises(BusOccupied, match="another replay"):
            second()
        with fake_node(settings), pytest.raises(BusOccupied, match="a live node"):
            ended()


def test_without_a_broker_it_says_so() -> None:
    with pytest.raises(ConfigError, match="no broker"):
        Player(entries_of(DAY), NOBODY).play()


class Stage:
    """The player's sockets by hand: what it hears, and what it sent."""

    def __init__(self, *heard: Event) -> None:
        self.heard = list(heard)
        self.sent: list[Event] = []

    def listen(self, wait_ns: int) -> list[Event]:
        return self.heard

    def await_subscription(self, frame: bytes) -> None:
        """Everybody has subscribed."""

    def send(self, frame: bytes) -> bool:
        self.sent.append(codec.decode(frame))
        return True


@pytest.mark.parametrize("waiting", [True, False])
def test_a_request_that_comes_late_takes_nothing_back_and_is_counted(waiting: bool) -> None:
    player = Player(entries_of(DAY), BusSettings(), clients=1, wait_s=0)
    request = like(REQUESTED, source="replay:worker-000001", client="worker")
    first, second = (
        like(request, seq=number, request_id=str(number), symbols=symbols, published_ns=UTC_NS + number)
        for number, symbols in ((1, ("SPY",)), (2, ("SPY", "QQQ")))
    )
    stage = Stage(second, first)
    player._stage, player._waiting = stage, waiting  # type: ignore[assignment]
    player._listen(0)
    if waiting:
        player._await_clients()
    answers = [event.request_id for event in stage.sent if isinstance(event, Acknowledged)]
    assert answers == ["2"]
    assert player.counters["requests_late"] == 1
