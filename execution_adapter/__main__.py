"""`execution-worker`: the execution worker as a program."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from bus.log import setup
from bus.settings import load
from execution_adapter.settings import ExecutionSettings
from execution_adapter.worker import Worker

PROGRAM = "execution-worker"


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM. Exit status 0, or 78 for bad settings."""
    settings = load(ExecutionSettings, sys.argv[1:] if argv is None else list(argv), PROGRAM)
    setup()
    worker = Worker(settings, lambda text: print(text, flush=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.stop())
    worker.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
