"""The stopwatch of the timed tests takes off what was waited for a processor, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

from quotebus.bus.clock import now_ns
from tests.support.stopwatch import Stopwatch


def test_what_sleeps_is_slow(stopwatch: Stopwatch) -> None:
    began_ns = now_ns()
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.5)"], check=True)
    assert stopwatch.seconds(began_ns) >= 0.4, "two that wait for a processor at the same time are both taken off"


def test_what_works_is_slow(stopwatch: Stopwatch) -> None:
    work = "import time\nwhile time.process_time() < 0.5: pass"
    began_ns = now_ns()
    subprocess.run([sys.executable, "-c", work], check=True)
    assert stopwatch.seconds(began_ns) >= 0.4


def test_what_waits_for_a_processor_is_not(stopwatch: Stopwatch) -> None:
    work = "import time\nwhile time.process_time() < 0.5: pass"
    one = {min(os.sched_getaffinity(0))}
    began_ns = now_ns()
    crowd = [
        subprocess.Popen([sys.executable, "-c", work], preexec_fn=lambda: os.sched_setaffinity(0, one))
        for _ in range(4)
    ]
    assert [each.wait(60) for each in crowd] == [0] * 4
    ended_ns = now_ns()
    assert stopwatch.waited_s(began_ns, ended_ns) > 1.0
