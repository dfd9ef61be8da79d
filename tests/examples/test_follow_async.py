"""The example, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from quotebus.bus.events import SymbolsRequested
from tests.support.world import World

EXAMPLE = Path(__file__).with_name("follow_async.py")


def test_it_prints_prices_and_gives_its_symbols_back(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    log = world.log(b"symbols.requested\0")
    command = [sys.executable, str(EXAMPLE), "spy", "*"]
    environment = {**os.environ, **world.environment}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[0].startswith("SPY live")
        assert lines[1] == "* refused bad_symbol\n"
        assert any(re.fullmatch(r"SPY \d+\.\d\d\n", process.stdout.readline()) for _ in range(10))
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(60) == 0
    log.wait(SymbolsRequested, lambda request: request.client == "follow-async" and not request.symbols)
