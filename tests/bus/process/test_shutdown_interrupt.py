"""Ctrl-C in a program that puts something in order, and Ctrl-C once more."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal
from quotebus.bus.process.shutdown import raise_at_interrupt
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    with raise_at_interrupt():
        {within}
except KeyboardInterrupt:
    pass
{after}
print("ended", flush=True)
"""
CTRL_C = "os.kill(os.getpid(), signal.SIGINT)"


@pytest.mark.parametrize(
    ("within", "after", "status", "said"),
    [
        (CTRL_C, "pass", 0, "ended\n"),
        (CTRL_C, CTRL_C, 0, "ended\n"),
        ("pass", CTRL_C, -signal.SIGINT, ""),
        ("pass", "pass", 0, "ended\n"),
    ],
)
def test_a_program_that_is_ending_ignores_another_one(within: str, after: str, status: int, said: str) -> None:
    script = SCRIPT.format(within=within, after=after)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, said, "")
