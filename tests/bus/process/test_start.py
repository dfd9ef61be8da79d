"""Ctrl-C at any instant of a program's start: the end as a shell expects it, and nothing to read but what was said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.world import LOOPBACK

BIN = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = {
    "quotebus up": ("quotebus", "up", "--for", "20"),
    "pricing-node": ("pricing-node",),
    "exchange-simulator": ("exchange-simulator", "--port", "0"),
    "execution-worker": ("execution-worker",),
    "bus-tap": ("bus-tap", "echo"),
}
MODULES = {
    "quotebus": "quotebus",
    "quotebus.bus.cli": "quotebus",
    "quotebus.bus.tap": "quotebus tap",
    "quotebus.pricing": "pricing-node",
    "quotebus.pricing.simulator": "exchange-simulator",
    "quotebus.execution_adapter": "execution-worker",
}
IMPORTED = re.compile(rb"import time: +\d+ \| +\d+ \| +(\S+)\n")
"""A line that the interpreter writes after each import, when asked to: what the test waits for."""


def start(tmp_path: Path, *command: str, **more: str) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        **LOOPBACK,
        "SIMULATOR_PORT": "0",
        "SIMULATOR_CONTROL_PORT": "0",
        "PRICING_LOCK_DIR": str(tmp_path),
        "PRICING_UPSTREAM_URL": "ws://127.0.0.1:1/v2/iex",
        "PRICING_API_KEY": "simulated",
        "PRICING_API_SECRET": "simulated",
        **more,
    }
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def interrupted_after(process: subprocess.Popen[bytes], imports: int) -> tuple[int, bytes]:
    """SIGINT when so many imports of our own start are done; exit status, and what was said besides the imports."""
    assert process.stderr is not None
    said, ours, seen = b"", False, 0
    for line in process.stderr:
        found = IMPORTED.fullmatch(line)
        said += b"" if found or line.startswith(b"import time:") else line
        if found is None:
            continue
        ours = ours or found[1] == b"quotebus.bus.process.start"
        if ours and (seen or not found[1].startswith(b"quotebus")):  # `start` runs: what came before is its own import
            seen += 1
            if seen == imports:
                process.send_signal(signal.SIGINT)
    return process.wait(20), said


@pytest.mark.parametrize("imports", [1, 2, 5, 20, 60, 150, 250])
@pytest.mark.parametrize("program", PROGRAMS)
def test_an_interrupt_while_it_imports_ends_it_in_silence(program: str, imports: int, tmp_path: Path) -> None:
    name, *arguments = PROGRAMS[program]
    with start(tmp_path, str(BIN / name), *arguments, PYTHONPROFILEIMPORTTIME="1") as process:
        assert interrupted_after(process, imports) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("module", MODULES)
def test_every_program_is_a_module_too(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.split()[:-1], done.stderr) == (0, MODULES[module].split(), "")


def test_an_interrupt_that_a_shell_said_to_ignore_stays_ignored(tmp_path: Path) -> None:
    with start(tmp_path, "sh", "-c", f"trap '' INT; exec {BIN}/bus-tap --help", PYTHONPROFILEIMPORTTIME="1") as process:
        assert interrupted_after(process, 1) == (0, b"")


CLEANS = """
import os, signal, sys, types
from quotebus.bus.process.shutdown import raise_at_interrupt
from quotebus.bus.process.start import start

def main():
    try:
        with raise_at_interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            print("never")
    finally:
        print("in order", signal.getsignal(signal.SIGINT) is signal.SIG_IGN, flush=True)

sys.modules["cleans"] = types.SimpleNamespace(main=main)
sys.exit(start("cleans"))
"""


def test_a_program_may_put_things_in_order_and_ends_by_the_signal_then() -> None:
    command = [sys.executable, "-c", CLEANS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "in order True\n", "")


def test_help_needs_neither_the_bus_nor_settings(tmp_path: Path) -> None:
    for program in ("bus-tap", "quotebus"):
        with start(tmp_path, str(BIN / program), "--help", PYTHONPROFILEIMPORTTIME="1") as process:
            assert process.stderr is not None
            imported = process.stderr.read()
        assert not re.search(rb"\b(zmq|pydantic|rich|msgspec)\b", imported)


BUSY = """
import threading
from quotebus.bus.settings import BusSettings


def main() -> int:
    begun = threading.Semaphore(0)

    def parse() -> None:
        begun.release()
        while True:
            BusSettings()

    for _ in range(4):
        threading.Thread(target=parse, daemon=True).start()
        begun.acquire()
    print("done")
    return {status}
"""
"""A program with threads in pydantic, which is Rust and calls our validators, at the moment it ends."""


@pytest.mark.parametrize(("status", "times"), [(0, 2), (3, 12)])
def test_the_status_is_the_programs_own_whatever_its_threads_do(status: int, times: int, tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY.format(status=status))
    run = "import sys; from quotebus.bus.process.start import start; sys.exit(start('busy'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = [
        subprocess.Popen(
            [sys.executable, "-c", run], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(times)
    ]
    assert [(*process.communicate(timeout=60), process.wait(60)) for process in ran] == [("done\n", "", status)] * times


def test_what_was_to_be_done_at_the_end_is_done(tmp_path: Path) -> None:
    program = "import atexit, threading, time\n\n\ndef main() -> int:\n    atexit.register(print, 'at the end')\n"
    program += "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n    return 7\n"
    (tmp_path / "late.py").write_text(program)
    run = "import sys; from quotebus.bus.process.start import start; sys.exit(start('late'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", run], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "at the end\n", "")


@pytest.mark.parametrize("daemon", [False, True])
@pytest.mark.parametrize(
    ("output", "ended", "told"), [("left", 5, ""), ("/dev/full", 5, "full"), ("/dev/full", 0, "full")]
)
def test_output_that_cannot_be_written_at_the_end(
    output: str, ended: int, told: str, daemon: bool, tmp_path: Path
) -> None:
    thread = "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n" if daemon else ""
    program = f"import threading, time\n\n\ndef main() -> int:\n    print('kept back')\n{thread}    return {ended}\n"
    (tmp_path / "talks.py").write_text(program)
    reader, writer = os.pipe() if output == "left" else (-1, os.open(output, os.O_WRONLY))
    if reader >= 0:
        os.close(reader)
    run = "import sys; from quotebus.bus.process.start import start; sys.exit(start('talks'))"
    done = subprocess.run(
        [sys.executable, "-c", run],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert done.returncode == (ended or 74)
    assert done.stderr == ("-c: No space left on device\n" if told else "")
