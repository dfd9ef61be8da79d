"""`execution-worker`: the execution worker as a program."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import die, load
from quotebus.execution_adapter import trade
from quotebus.execution_adapter.order_worker import Desk
from quotebus.execution_adapter.replay_worker import ReplayWorker
from quotebus.execution_adapter.trade_settings import MAX_INTENTS, TradeSettings
from quotebus.execution_adapter.verify import command as verify_command
from quotebus.execution_adapter.worker import Worker

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
        allow_open_files(4 * MAX_INTENTS)  # each intent holds its journal open
        worker = Desk(settings, gateway, _say)
    else:
        worker = (ReplayWorker if settings.execution_clock == "stream" else Worker)(settings, _say)
    on_ending(worker.stop)
    try:
        return worker.run() or 0
    except ConfigError as error:
        die(PROGRAM, error)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
