"""`quotebus replay` and `execution-worker --clock stream` as programs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from quotebus.bus.capture.replay.player import Player
from quotebus.bus.cli.program import main
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote
from quotebus.pricing.listening import LISTENING
from tests.support.market import day, write
from tests.support.programs import Program, eventually, run
from tests.support.world import World


def payloads(world: World, capture: Path, rate: str) -> list[ExecutionDecision]:
    """The decisions of one replay, and that it ended in order."""
    log = world.log(b"decision.", b"health.")
    worker = world.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.1")
    status, printed = run("quotebus", "replay", str(capture), "--rate", rate, environment=world.environment)
    assert status == 0, printed
    assert "withheld 2" in printed
    eventually(lambda: len(log.all(ExecutionDecision)) >= DECISIONS)
    assert worker.stop() == 0
    assert log.all(ConnectionHealth)[-1].source.startswith("replay:")
    return log.all(ExecutionDecision)


DECISIONS = 90
"""What a worker of two symbols decides in this capture of four and a half seconds."""


def test_same_decisions_at_any_rate(world: World, tmp_path: Path) -> None:
    capture = write(day(seconds=3).entries, tmp_path / "day.mcap")
    world.broker()
    found = [payloads(world, capture, rate) for rate in ("max", "10")]
    assert found[0] == found[1]
    assert len(found[0]) == DECISIONS
    assert {decision.action for decision in found[0]} == {"limit", "refuse"}
    assert {"collar" in decision.reasons for decision in found[0] if decision.action == "limit"} == {True, False}


def test_a_worker_of_the_wall_clock_refuses_a_replay(world: World, tmp_path: Path) -> None:
    capture = write(day(seconds=3).entries, tmp_path / "day.mcap")
    world.broker()
    log = world.log(b"decision.")
    world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_PATIENCE_S="0", EXECUTION_INTERVAL_S="0.05")
    replay = Program("quotebus", "replay", str(capture), "--clients", "0", environment=world.environment)
    world.programs.append(replay)
    assert replay.wait(30) == 0
    decisions = log.all(ExecutionDecision)
    assert decisions
    assert all("no_health" in decision.reasons for decision in decisions)


def test_time_stands_still_while_the_broker_is_away(world: World, tmp_path: Path) -> None:
    """What was under way when it went is lost, which is said; all that was due meanwhile is not."""
    capture = write(day(seconds=6).entries, tmp_path / "day.mcap")
    broker = world.broker()
    log = world.log(b"quote.")
    replay = Program("quotebus", "replay", str(capture), "--clients", "0", environment=world.environment)
    world.programs.append(replay)
    eventually(lambda: len(log.all(Quote)) > 10)
    broker.kill()
    assert broker.wait(60) != 0
    world.broker()
    assert replay.wait(40) == 74
    replay.line("the broker was away")
    words = next(line for line in replay.lines if "messages;" in line).replace(",", "").split()
    published, heard = int(words[words.index("published") + 1]), len(log.all(Quote))
    assert "interrupted 1" in " ".join(words)
    assert published / 3 < heard, "most of it came"


def test_a_pause_or_a_step_while_the_broker_is_away_is_kept(world: World) -> None:
    broker = world.broker()
    entries = day(seconds=6).entries
    player = Player(lambda _: entries, world.settings(), rate=1.0)
    thread = threading.Thread(target=player.play, daemon=True)
    thread.start()
    try:
        eventually(lambda: player.progress().messages > 10)
        broker.kill()
        eventually(lambda: player.counters["interrupted"] == 1)
        assert not player.progress().paused, "nobody paused it"
        player.step(3)
        stood = player.progress().messages
        world.broker()
        eventually(lambda: player.progress().messages == stood + 3)
        assert player.progress().paused
        player.resume()
        eventually(lambda: player.progress().messages > stood + 3)
    finally:
        player.stop()
        thread.join(20)


def test_a_live_node_does_not_serve_a_consumer_of_a_replay(world: World) -> None:
    world.broker()
    world.exchange()
    world.node()
    log = world.log()
    worker = world.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS="SPY")
    worker.line("following a replay")
    log.health("idle")
    position = log.position()
    eventually(lambda: len(log.all(ConnectionHealth, since=position)) >= 3)
    assert {health.state for health in log.all(ConnectionHealth) if health.detail != LISTENING} == {"idle"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["day.mcap", "--rate", "quick"], "--rate: must be max or a number from 0.001 to 1,000,000 (given: 'quick')"),
        (["day.mcap", "--rate", "0"], "from 0.001"),
        (["day.mcap", "--rate", "1e308"], "from 0.001"),
        (["day.mcap", "--wait", "inf"], "from 0 to"),
        (["day.mcap", "--wait", "nan"], "from 0 to"),
        (["day.mcap", "--from", "yesterday"], "not a time"),
        (["day.mcap", "--bus-publish-url", "tcp://10.0.0.1:1"], "--bus-publish-url: refused: not a loopback"),
        (["day.mcap", "--topics", "health.,quotes."], "no topic begins with 'quotes.'"),
        ([], "FILE is missing"),
    ],
)
def test_mistakes_are_one_line_and_78(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(day(seconds=3).entries, tmp_path / "day.mcap")
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n")) == (78, 1), printed
    assert says in printed
