"""System calls per quote, counted by `strace` beside the pipeline for a moment; it slows what it watches."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

COUNTED_S = 2.0
_TOTAL = re.compile(r"^100\.00\s+[\d.]+\s+\d+\s+(\d+)", re.MULTILINE)


def can_count() -> bool:
    return shutil.which("strace") is not None


def count_system_calls(pids: Mapping[str, int], rate: float) -> dict[str, float]:
    """By program, calls per quote of an upstream that sends `rate` a second."""
    with tempfile.TemporaryDirectory() as folder:
        running = {
            name: subprocess.Popen(
                ["strace", "-f", "-c", "-q", "-p", str(pid), "-o", f"{folder}/{name}"], stderr=subprocess.DEVNULL
            )
            for name, pid in pids.items()
        }
        time.sleep(COUNTED_S)  # how long it is counted, no wait for something to happen
        for process in running.values():
            process.send_signal(signal.SIGINT)
            process.wait(10)
        texts = {name: Path(folder, name).read_text() for name in pids}
    totals = {name: _TOTAL.search(text) for name, text in texts.items()}
    return {name: int(found[1]) / (rate * COUNTED_S) for name, found in totals.items() if found}
