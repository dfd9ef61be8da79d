"""`quotebus`: its verbs, and the program that runs one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from quotebus.bus.process.verbs import format_examples, run_verb

VERBS = {
    "up": "starts everything on this machine, without keys on a simulator",
    "broker": "carries the messages of the bus",
    "keys": "makes, lists and takes back the keys of programs on other machines",
    "record": "writes everything that crosses the bus to MCAP files",
    "capture": "works with captures: info, verify, recover, cat, export, report",
    "replay": "plays a capture on the bus; consumers work as they do live",
    "tap": "shows what the bus is doing, and why: top, echo, rate, delay, why",
    "serve": "serves a live page of the bus, health checks and metrics",
    "edge": "speaks Alpaca's stream protocol to unmodified SDKs, over the one connection",
    "completion": "prints a script that completes verbs and flags in bash or zsh",
}
PROGRAMS = (
    "programs of their own:",
    "  pricing-node        opens the account's market-data connection and shares it",
    "  execution-worker    decides on prices; with intents, works them into orders",
    "  exchange-simulator  an exchange with Alpaca's protocols, and faults on demand",
)
EXAMPLES = (
    "quotebus up --for 30",
    "quotebus broker",
    "quotebus keys new worker strat --bus-keys-dir keys",
    "quotebus record quote. health.",
    "quotebus capture info captures/",
    "quotebus replay captures/day.mcap --rate 10",
    "quotebus tap why SPY",
    "quotebus serve  # then open http://127.0.0.1:8768/",
    "quotebus edge  # then give an SDK ws://127.0.0.1:8769/v2/iex",
    'eval "$(quotebus completion bash)"',
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; its exit status. 78 for an unknown one."""
    arguments = sys.argv[1:] if argv is None else argv
    if argv is None and arguments[:1] == ["tap"]:
        from quotebus.bus.tap.program import begin

        begin(arguments[1:])
    return run_verb("quotebus", "quotebus.bus.cli", VERBS, arguments, (*PROGRAMS, "", *format_examples(EXAMPLES)))
