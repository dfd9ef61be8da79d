"""The tap in a session of its own: its weight, and that signals, stops and endings are as if there were none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.settings import BusSettings
from quotebus.bus.tap import own_session, program
from tests.support.bus import environment_of, fake_node, running_broker
from tests.support.programs import eventually

BIN = Path(sys.executable).parent
WEIGHED = Path("/proc/sys/kernel/sched_autogroup_enabled")

pytestmark = pytest.mark.skipif(
    not WEIGHED.exists() or WEIGHED.read_text().strip() != "1" or not Path("/proc/self/autogroup").exists(),
    reason="this kernel does not weigh sessions",
)


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings, fake_node(settings):
        yield settings


class Tap:
    """`bus-tap echo health` as a shell starts it: not the leader of its session."""

    def __init__(self, settings: BusSettings) -> None:
        environment = {**os.environ, **environment_of(settings)}
        command = [str(BIN / "bus-tap"), "echo", "health"]
        self.program = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert self.program.stdout is not None
        self.heard = self.program.stdout
        assert b"health.pricing" in self.heard.readline()
        (self.child,) = map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())

    @property
    def pid(self) -> int:
        return self.program.pid

    def ended(self, number: signal.Signals, pid: int) -> int:
        """The exit status after a signal; the child is gone by then."""
        os.kill(pid, number)
        status = self.program.wait(60)
        eventually(lambda: state(self.child) in "Z-", why="the child has ended")
        return status


@pytest.fixture
def tap(settings: BusSettings) -> Iterator[Tap]:
    made = Tap(settings)
    yield made
    made.program.kill()
    made.program.wait(60)
    made.heard.close()


def state(pid: int) -> str:
    """Of a process, as ps(1) shows it; `-` for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "-"


def test_all_other_sessions_go_first(tap: Tap) -> None:
    assert Path(f"/proc/{tap.child}/autogroup").read_text().split()[2] == "19"
    assert os.sched_getscheduler(tap.child) == os.SCHED_IDLE
    assert os.getsid(tap.child) == tap.child
    assert os.getsid(tap.pid) == os.getsid(0)
    assert Path("/proc/self/autogroup").read_text() != Path(f"/proc/{tap.child}/autogroup").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told(tap: Tap, number: signal.Signals) -> None:
    assert tap.ended(number, tap.pid) == 0


def test_what_is_told_to_end_has_its_weight_again(tap: Tap) -> None:
    own_session.give_weight_back(tap.child)
    assert Path(f"/proc/{tap.child}/autogroup").read_text().split()[2] == "0"
    threads = [int(each.name) for each in Path(f"/proc/{tap.child}/task").iterdir()]
    assert len(threads) > 1
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}


def test_it_ends_with_its_weight_although_it_worked_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `why`, whose answer is printed, takes half a minute more on a busy machine."""
    done: list[object] = []
    monkeypatch.setattr(program, "run_verb", lambda *_: done.append("verb") or 3)
    monkeypatch.setattr(program, "give_weight_back", done.append)
    assert program.main(["why", "SPY"]) == 3
    assert done == ["verb", os.getpid()]


def test_a_process_that_is_gone_is_no_error() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait(60)
    assert not Path(f"/proc/{done.pid}").exists()
    before = Path("/proc/self/autogroup").read_text()
    own_session.give_weight_back(done.pid)
    assert Path("/proc/self/autogroup").read_text() == before, "nobody else's weight is touched"


@pytest.mark.parametrize("which", ["pid", "child"])
def test_killed_it_leaves_nothing_behind(tap: Tap, which: str) -> None:
    assert tap.ended(signal.SIGKILL, getattr(tap, which)) == -signal.SIGKILL


def test_it_stops_and_goes_on(tap: Tap) -> None:
    os.kill(tap.pid, signal.SIGTSTP)
    eventually(lambda: state(tap.child) + state(tap.pid) == "TT", why="both stand still")
    os.kill(tap.pid, signal.SIGCONT)
    eventually(lambda: "T" not in state(tap.child) + state(tap.pid), why="both go on")
    heard = [tap.heard.readline() for _ in range(3)]
    assert all(b"health.pricing" in line for line in heard)


def test_the_shell_gets_its_terminal_back_and_gives_it_again(settings: BusSettings) -> None:
    """Ctrl-Z, `fg`, `q`, with a shell that controls its jobs."""
    script = f"set -m; '{BIN}/bus-tap' top; echo away; fg; echo back"
    environment = {**os.environ, **environment_of(settings), "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-c", "import pty, sys; pty.spawn(sys.argv[1:])", "bash", "--norc", "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as terminal:
        assert terminal.stdin is not None
        assert terminal.stdout is not None
        output = terminal.stdout.fileno()
        try:
            for until, key in ((b"streaming", b"\x1a"), (b"away", b""), (b"streaming", b"q"), (b"back", b"")):
                assert until in read(output, until)
                os.write(terminal.stdin.fileno(), key)
        finally:
            terminal.kill()


def read(descriptor: int, until: bytes) -> bytes:
    """What is written up to something; all of it, where that does not come."""
    written = b""
    while until not in written and (more := os.read(descriptor, 65_536)):
        written += more
    return written


@pytest.mark.parametrize("missing", ["_ENABLED", "_WEIGHT"])
def test_where_sessions_are_not_weighed_it_stays(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_fork() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", no_fork)
    monkeypatch.setattr(own_session, missing, tmp_path / "absent")
    own_session.run_in_own_session(on_screen=False)
    own_session.lower_session_weight()


def test_without_room_for_a_child_it_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", no_room)
    monkeypatch.setattr(own_session, "_has_session", lambda: False)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    own_session.run_in_own_session(on_screen=False)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before


def test_who_has_a_session_already_needs_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import os; from quotebus.bus.tap.own_session import run_in_own_session, lower_session_weight; a = os.getpid();"
        "run_in_own_session(on_screen=False); lower_session_weight();"
        # At this weight an interpreter's orderly end takes long.
        "print(a == os.getpid(), open('/proc/self/autogroup').read(), flush=True); os._exit(0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, start_new_session=True
    )
    assert done.stdout.split()[0::3] == ["True", "19"]
