"""`execution-worker`: the execution worker as a program."""

from __future__ import annotations

import re
import resource
import signal
import sys
from collections.abc import Sequence

from bus.errors import ConfigError
from bus.log import setup
from bus.settings import die, load
from execution_adapter import trade, verify_command
from execution_adapter.desk import Desk
from execution_adapter.follow import ReplayWorker
from execution_adapter.trade_settings import MAX_INTENTS, TradeSettings
from execution_adapter.worker import Worker

PROGRAM = "execution-worker"


def main(argv: Sequence[str] | None = None) -> int:
    """Work intents to their end, or without any decide until SIGINT or SIGTERM. Exit status 78 for bad settings.

    With intents: 0 when all were filled, 3 when not, 4 when the fate of an order is not known. `verify FILE` has its
    own.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["verify"]:
        return verify_command.run(arguments[1:])
    arguments = [re.sub(r"^--clock(?==|$)", "--execution-clock", word) for word in trade.folded(arguments)]
    settings = load(TradeSettings, arguments, PROGRAM)
    try:
        gateway = trade.gateway(trade.checked(settings)) if settings.trades else None
    except ConfigError as error:
        die(PROGRAM, error)
    setup()
    worker: Worker | ReplayWorker | Desk
    if gateway is not None:
        _allow_files()
        worker = Desk(settings, gateway, _say)
    else:
        worker = (ReplayWorker if settings.execution_clock == "stream" else Worker)(settings, _say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: worker.stop())
    try:
        return worker.run() or 0
    except ConfigError as error:
        die(PROGRAM, error)


def _allow_files() -> None:
    """Each intent holds its journal open, and many shells allow 1,024 files: take as many as we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MAX_INTENTS if hard == resource.RLIM_INFINITY else min(4 * MAX_INTENTS, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
