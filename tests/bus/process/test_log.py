"""One line an event, on stderr, in UTC."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys

SCRIPT = """
import logging
from quotebus.bus.process import log
log.setup(logging.WARNING)
log.setup(logging.WARNING)
logging.getLogger("quotebus.pricing").info("not shown")
logging.getLogger("quotebus.pricing").warning("the line is %s", "down")
"""


def test_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    found = re.fullmatch(r"(\d\d):\d\d:\d\d\.\d{3}Z (.*)", line)
    assert found is not None, line
    assert found[2].endswith("the line is down")
    hour = dt.datetime.now(dt.UTC).hour
    assert int(found[1]) in (hour, (hour - 1) % 24), "UTC, whatever the machine's zone"
