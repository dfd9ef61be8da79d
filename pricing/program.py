"""`pricing-node`: the pricing node as a program."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from collections.abc import Sequence

from quotebus.bus.clock import take_wall_clock
from quotebus.bus.errors import ConfigError, IllegalTransition
from quotebus.bus.process.log import setup
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import die, load, parse
from quotebus.pricing.credentials import AccountCredentials
from quotebus.pricing.node import Node
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.upstream.dialler import strip_query

PROGRAM = "pricing-node"
SWITCH_INTERVAL_S = 0.0005
"""How long the control thread may hold the interpreter. The hot thread releases it at each system call."""
NEVER = 1_000_000_000
EX_SOFTWARE = 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT, SIGTERM or the end of its terminal.

    Returns the exit status: 0, 78 for bad settings, 70 when the hot thread has died.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    settings = load(PricingSettings, arguments, PROGRAM)
    setup(settings.log_level, settings.log_format, settings.secrets())
    log = logging.getLogger("quotebus.pricing")

    credentials = AccountCredentials(settings, lambda: parse(PricingSettings, arguments, PROGRAM))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)  # with 10,000 symbols a full collection stops quotes for 80 ms: see Node
    try:
        nodes = [Node(settings, credentials)]
    except ConfigError as error:
        die(PROGRAM, error)
    ending = threading.Event()

    def stop() -> None:
        ending.set()
        nodes[0].stop()

    on_ending(stop, hang_up=lambda: nodes[0].hang_up())
    address = strip_query(settings.upstream_url)
    try:
        while True:
            name = (settings.pricing_node, nodes[0].source, address)
            log.info("node %s (%s), upstream %s: idle until a symbol is requested", *name)
            nodes[0].run()
            if ending.is_set() or not nodes[0].clock_was_set:
                return 0
            take_wall_clock()
            nodes[0] = Node(settings, credentials)  # with another source, since its times have jumped
            if ending.is_set():
                nodes[0].stop()
    except (RuntimeError, IllegalTransition, ConfigError) as error:
        log.critical("%s", error)
        return EX_SOFTWARE
