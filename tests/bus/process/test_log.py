"""One record an event, on stderr, in UTC, as text or as JSON; exceptions in it, secrets never."""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys

SCRIPT = """
import logging, threading
from quotebus.bus.process import log
log.setup("warning", "{form}", ["canary-secret-of-an-account"])
log.setup("warning", "{form}", ["canary-secret-of-an-account"])
logger = logging.getLogger("quotebus.pricing.node")
logger.info("not shown")
logger.warning("the line is %s", "down\\nfor canary-secret-of-an-account")
try:
    raise OSError("refused canary-secret-of-an-account")
except OSError:
    logger.exception("dial failed")
def die():
    raise ValueError("in a thread")
thread = threading.Thread(target=die, name="hot")
thread.start()
thread.join()
raise RuntimeError("at the end")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(form=form)],
        env={"TZ": "Asia/Tokyo"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "canary" not in done.stderr
    return done.stderr.splitlines()


def assert_now(text: str) -> None:
    written = dt.datetime.fromisoformat(text)
    age = dt.datetime.now(dt.UTC) - written
    assert abs(age) < dt.timedelta(minutes=2), "UTC, whatever the machine's zone"


def test_text_has_date_level_logger_and_message() -> None:
    printed = lines("text")
    records = [line for line in printed if not line.startswith("    ")]
    found = [
        re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([A-Z]+) ([\w.]+): (.*)", line) for line in records
    ]
    assert all(found), records
    assert [match.groups()[1:] for match in found if match] == [
        ("WARNING", "quotebus.pricing.node", r"the line is down\nfor **********"),
        ("ERROR", "quotebus.pricing.node", "dial failed"),
        ("CRITICAL", "quotebus", "thread hot ended by ValueError"),
        ("CRITICAL", "quotebus", "uncaught RuntimeError"),
    ]
    assert found[0] is not None
    assert_now(found[0][1])
    assert "    OSError: refused **********" in printed, "indented: it belongs to the record before it"
    assert "    RuntimeError: at the end" in printed


def test_json_is_one_object_a_line_with_the_exception_in_it() -> None:
    records = [json.loads(line) for line in lines("json")]
    assert [(r["level"], r["logger"], r["message"]) for r in records] == [
        ("warning", "quotebus.pricing.node", "the line is down\nfor **********"),
        ("error", "quotebus.pricing.node", "dial failed"),
        ("critical", "quotebus", "thread hot ended by ValueError"),
        ("critical", "quotebus", "uncaught RuntimeError"),
    ]
    assert_now(records[0]["time"])
    assert "exception" not in records[0]
    assert records[1]["exception"].startswith("Traceback")
    assert records[1]["exception"].endswith("OSError: refused **********")
