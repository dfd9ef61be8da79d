"""`execution-worker`: the execution worker as a program."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Sequence

from bus.log import setup
from bus.settings import load
from execution_adapter import verify_command
from execution_adapter.follow import ReplayWorker
from execution_adapter.settings import ExecutionSettings
from execution_adapter.worker import Worker

PROGRAM = "execution-worker"


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Exit status 0, or 78 for bad settings; `verify FILE` has its own."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["verify"]:
        return verify_command.run(arguments[1:])
    arguments = [re.sub(r"^--clock(?==|$)", "--execution-clock", word) for word in arguments]
    settings = load(ExecutionSettings, arguments, PROGRAM)
    setup()
    worker = (ReplayWorker if settings.execution_clock == "stream" else Worker)(settings, _say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
