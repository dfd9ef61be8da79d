"""`execution-worker`: settings, gateway and worker put together."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.host_budget import HostBudget
from quotebus.bus.process.log import setup
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.process.stdout import forgive_stdout
from quotebus.bus.rest_address import ALPACA_TRADING, name_account
from quotebus.bus.settings import die, load
from quotebus.bus.transport.engines import settle_name
from quotebus.execution_adapter.dry_run import DryRun
from quotebus.execution_adapter.gateways.alpaca import AlpacaGateway
from quotebus.execution_adapter.gateways.base import Gateway, NullGateway, watch_nothing
from quotebus.execution_adapter.gateways.simulator import SimulatorGateway
from quotebus.execution_adapter.order_worker import OrderWorker
from quotebus.execution_adapter.replay_worker import ReplayWorker
from quotebus.execution_adapter.settings import MAX_INTENTS, ExecutionSettings
from quotebus.execution_adapter.verify.command import run_verify
from quotebus.execution_adapter.worker import Worker

PROGRAM = "execution-worker"
_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit status.

    Without intents it decides until SIGINT or SIGTERM, then 0. With intents: 0 when by the broker's books all are
    filled, 4 when the fate of an order is open, else 3. 78 for bad settings. `verify FILE` has its own.
    With `--dry-run`: 0 when an order would be sent for every intent, else 3.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] == ["verify"]:
        return run_verify(arguments[1:])
    settings = load(ExecutionSettings, arguments, PROGRAM)
    try:
        settings = settle_name(settings, "execution_client")
        budget = open_budget(settings)
        gateway = open_gateway(check_intents(settings), budget) if settings.trades else None
    except ConfigError as error:
        die(PROGRAM, error)
    setup(settings.log_level, settings.log_format, settings.secrets())
    worker: Worker | ReplayWorker | OrderWorker | DryRun
    if gateway is not None and settings.execution_dry_run:
        worker = DryRun(settings, gateway, _say)
    elif gateway is not None:
        allow_open_files(4 * MAX_INTENTS)  # each intent holds its journal open
        worker = OrderWorker(settings, gateway, _say, budget)
    else:
        worker = (ReplayWorker if settings.execution_clock == "stream" else Worker)(settings, _say)
    on_ending(worker.stop)
    try:
        return worker.run() or 0
    except ConfigError as error:
        die(PROGRAM, error)


def open_budget(settings: ExecutionSettings) -> HostBudget | None:
    """The account's budget of requests on this host; None where no broker is asked. Opens no file."""
    if settings.gateway == "none":
        return None
    address = settings.execution_orders_url if settings.gateway == "simulator" else ALPACA_TRADING[settings.gateway]
    account = name_account(address, _keys(settings)[0])
    return HostBudget(settings.execution_budget_dir, account, settings.execution_request_share)


def open_gateway(settings: ExecutionSettings, budget: HostBudget | None = None) -> Gateway:
    """The gateway the settings ask for. Raises ConfigError when it cannot be opened."""
    key, secret = _keys(settings)
    timeout_s, extended_hours = settings.execution_http_timeout_s, settings.execution_extended_hours
    watch = budget.watch if budget is not None else watch_nothing
    if settings.execution_gateway == "simulator":
        url = settings.execution_orders_url
        return SimulatorGateway(url, key, secret, timeout_s, extended_hours=extended_hours, watch=watch)
    if settings.execution_gateway in ("paper", "live"):
        paper = settings.execution_gateway == "paper"
        return AlpacaGateway(key, secret, paper=paper, timeout_s=timeout_s, extended_hours=extended_hours, watch=watch)
    return NullGateway()


def _keys(settings: ExecutionSettings) -> tuple[str, str]:
    """Key and secret that go to the gateway."""
    key, secret = settings.execution_api_key.get_secret_value(), settings.execution_api_secret.get_secret_value()
    if settings.execution_gateway != "simulator":
        return key, secret
    if "execution_orders_url" not in settings.model_fields_set:
        key = secret = ""  # whoever listens there, it is no place for real keys
    return key or "simulated", secret or "simulated"


def check_intents(settings: ExecutionSettings) -> ExecutionSettings:
    """Return the settings unchanged when every intent can be read. Raises ConfigError."""
    try:
        settings.intents()
    except ValueError as error:
        raise ConfigError(f"EXECUTION_INTENTS_FILE: {error}") from None
    except OSError as error:
        raise ConfigError(f"EXECUTION_INTENTS_FILE: {error.strerror}") from None
    return settings


def _say(text: str) -> None:
    try:
        sys.stdout.write(f"{text}\n")  # in one piece: print() writes the end by itself, after another thread's line
        sys.stdout.flush()
    except OSError:  # nobody reads it any more, or its disk is full: orders are open, and must be seen to their end
        forgive_stdout()
        _log.debug("not printed: %s", text)
