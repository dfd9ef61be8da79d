"""`quotebus record` as a real program beside a real bus."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from quotebus.bus import codec
from quotebus.bus.capture import Capture
from quotebus.bus.capture.inspect.verify import verify
from quotebus.bus.capture.record.recorder import RecordingProgress
from quotebus.bus.cli.record import format_progress
from quotebus.bus.cli.record import run as record
from quotebus.bus.events import Cause, RecorderHealth, RecorderState
from tests.support.bus import NOBODY, environment_of
from tests.support.eventlog import EventLog
from tests.support.programs import Program, eventually, run
from tests.support.publisher import Publisher
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    try:
        world.broker()
        yield world
    finally:
        world.close()


@pytest.fixture
def publisher(world: World) -> Iterator[Publisher]:
    publisher = Publisher(world.urls["publish"], 2_000)
    yield publisher
    publisher.close()


def recording(world: World, *arguments: str) -> Program:
    program = Program("quotebus", "record", *arguments, environment=world.environment)
    world.programs.append(program)
    program.line("quotebus record: recording")
    return program


def healths(log: EventLog) -> list[RecorderHealth]:
    return log.all(RecorderHealth)


def test_everything_is_recorded_until_told_to_stop(world: World, publisher: Publisher, tmp_path: Path) -> None:
    log = world.log(b"recorder.")
    program = recording(world, "-o", f"{tmp_path}/rec/")
    eventually(lambda: any(health.messages > 500 for health in healths(log)))
    publisher.hold()
    held = log.position()  # two healths, a second apart, after which nothing sent before is still under way
    eventually(lambda: len(log.all(RecorderHealth, since=held)) >= 2)
    assert program.stop(within_s=4) == 0
    assert any("stopped (shutdown)" in line for line in program.lines)
    eventually(lambda: any(health.state == "stopped" for health in healths(log)))
    (path,) = (tmp_path / "rec").iterdir()
    capture = Capture(path, strict=True)
    verdict = verify(capture)
    assert verdict.whole
    assert not verdict.lost
    assert {"quote", "counters", "recorder"} <= set(verdict.kinds)
    recorded = [message.frame for message in capture.read(topics=["quote."])]
    begin = publisher.sent.index(recorded[0])
    assert recorded == publisher.sent[begin : begin + len(recorded)]
    assert publisher.sent[-1] == recorded[-1]


def test_a_loss_on_the_way_is_counted_told_and_written(world: World, publisher: Publisher, tmp_path: Path) -> None:
    log = world.log(b"recorder.")
    program = recording(world, "quote.", "-o", f"{tmp_path}/rec.mcap")
    eventually(lambda: any(health.messages > 100 for health in healths(log)))
    begin = len(publisher.sent) + 1_000
    publisher.skip |= set(range(begin, begin + 50))
    eventually(lambda: any(health.lost == 50 for health in healths(log)))
    assert program.stop(within_s=4) == 0
    capture = Capture(tmp_path / "rec.mcap", strict=True)
    gaps = list(capture.read_gaps())
    assert sum(gap.count for gap in gaps) == 50
    assert {gap.publisher for gap in gaps} == {publisher_source(publisher)}
    assert verify(capture).lost == {"bus": 50}


def publisher_source(publisher: Publisher) -> str:
    return codec.envelope(publisher.sent[0])[1].source


def test_kill_leaves_a_prefix_that_the_next_start_recovers(world: World, publisher: Publisher, tmp_path: Path) -> None:
    """Many times: `python -m tests.perf.capture_kills`."""
    program = recording(world, "quote.", "-o", f"{tmp_path}/rec.mcap")
    part = tmp_path / "rec.mcap.part"
    eventually(lambda: part.stat().st_size > 20_000)
    program.kill()
    recorded = [message.frame for message in Capture(part)]
    begin = publisher.sent.index(recorded[0])
    assert recorded == publisher.sent[begin : begin + len(recorded)]
    second = recording(world, "quote.", "-o", f"{tmp_path}/rec.mcap")
    second.line("recovered")
    assert second.stop(within_s=4) == 0
    assert not list(tmp_path.glob("*.part"))
    assert [message.frame for message in Capture(tmp_path / "rec.mcap", strict=True)] == recorded
    assert verify(Capture(tmp_path / "rec.001.mcap")).whole


def test_a_full_disk_ends_it_loudly_and_the_bus_goes_on(world: World, publisher: Publisher, tmp_path: Path) -> None:
    """No file may grow beyond 50 KiB here, so that a write fails in the middle of a chunk."""
    log = world.log(b"recorder.", b"quote.")
    quotebus = Path(sys.executable).parent / "quotebus"
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 50; exec {quotebus} record quote. -o {tmp_path}/rec.mcap"],
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 74
    assert "disk_full" in done.stderr
    eventually(lambda: any((h.state, h.cause) == ("failed", "disk_full") for h in healths(log)))
    heard = log.position()
    eventually(lambda: log.position() > heard + 100)
    recorded = [message.frame for message in Capture(tmp_path / "rec.mcap.part")]
    begin = publisher.sent.index(recorded[0])
    assert recorded
    assert recorded == publisher.sent[begin : begin + len(recorded)]


def test_a_folder_that_cannot_be_made_is_status_74(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, printed = run("quotebus", "record", "-o", f"{tmp_path}/file/rec.mcap", environment=world.environment)
    assert status == 74
    assert "disk_error" in printed


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_a_file_that_was_moved_away_ends_it_loudly(
    world: World, publisher: Publisher, tmp_path: Path, gone: str
) -> None:
    log = world.log(b"recorder.")
    program = recording(world, "-o", f"{tmp_path}/rec/a.mcap", "--record-sync-s", "0.1")
    eventually(lambda: any(health.messages > 100 for health in healths(log)))
    if gone == "file":
        (tmp_path / "rec" / "a.mcap.part").unlink()
    else:
        (tmp_path / "rec").rename(tmp_path / "elsewhere")
    assert program.wait(60) == 74
    program.line("was moved or removed while it was written")
    eventually(lambda: any((h.state, h.cause) == ("failed", "disk_error") for h in healths(log)))


def test_a_broker_that_does_not_answer_is_said(tmp_path: Path) -> None:
    program = Program("quotebus", "record", "-o", f"{tmp_path}/a", environment=environment_of(NOBODY))
    try:
        program.line("NO BROKER")
        assert (tmp_path / "a.mcap.part").exists(), "and it gets the name that others look for"
        assert program.stop(within_s=4) == 0
    finally:
        program.stop()


@pytest.mark.parametrize("output", ["x" * 241, "a\udcff.mcap", "/dev/null", "/".join(["y" * 200] * 25)])
def test_what_is_no_name_for_a_file_is_refused(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        record(["-o", output])
    assert ended.value.code == 78
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("flag", ["--record-name=a b", "--record-rotate-mb=0", "--record-compression=rar", "quotes."])
def test_bad_settings_are_one_line_and_status_78(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        record([flag])
    assert ended.value.code == 78
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_line() -> None:
    progress = RecordingProgress(
        state=RecorderState.SLOW,
        cause=Cause.SLOW_DISK,
        detail="",
        file="a.mcap",
        messages=12_345,
        bytes=3 << 20,
        lost=7,
        rate=1_234.5,
        lag_ns=2_500_000,
        free_bytes=5 << 30,
    )
    assert format_progress(progress) == (
        "slow (slow_disk)  a.mcap  12,345 messages  1,234/s  3.1 MB  7 lost  lag 2.5ms  5.4 GB free"
    )
    assert format_progress(replace(progress, connected=False)).endswith("free  NO BROKER")


def test_whoever_looks_at_the_line_cannot_stop_the_recording(
    world: World, publisher: Publisher, tmp_path: Path
) -> None:
    """A terminal that takes nothing more, as after Ctrl-S."""
    master, slave = pty.openpty()
    command = [str(Path(sys.executable).parent / "quotebus"), "record", "-o", f"{tmp_path}/a.mcap"]
    environment = {**os.environ, **world.environment, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as program:
        eventually(lambda: (tmp_path / "a.mcap.part").exists())
        eventually(lambda: b"recording" in os.read(master, 65_536))
        termios.tcflow(slave, termios.TCOOFF)
        before = len(publisher.sent)
        eventually(lambda: len(publisher.sent) > before + 2_000)
        program.terminate()
        assert program.wait(60) == 0
    os.close(master)
    os.close(slave)
    assert len(list(Capture(tmp_path / "a.mcap"))) > 1_500


def test_a_closed_pipe_ends_the_line_and_not_the_recording(world: World, publisher: Publisher, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    command = [str(Path(sys.executable).parent / "quotebus"), "record", "-o", f"{tmp_path}/a.mcap"]
    environment = {**os.environ, **world.environment}
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=environment) as program:
        os.close(writer)
        eventually(lambda: (tmp_path / "a.mcap.part").exists())
        os.close(reader)
        before = len(publisher.sent)
        eventually(lambda: len(publisher.sent) > before + 2_000)
        program.send_signal(signal.SIGHUP)
        assert (program.wait(60), program.stderr.read() if program.stderr else None) == (0, "")
    assert (tmp_path / "a.mcap").exists()
