"""`quotebus`: one verb a file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from bus.errors import EX_CONFIG

VERBS = {
    "up": "broker, pricing node, execution worker and, without keys, the simulated exchange, together",
    "broker": "the bus's broker",
    "record": "everything that crosses the bus, to MCAP files",
    "capture": "captures as files: info, verify, recover, cat, export, report",
    "replay": "plays a capture on the bus, so that consumers work as they do live",
    "tap": "what the bus is doing and why: top, echo, rate, delay, why",
}


def usage() -> str:
    lines = [f"  {verb:<8} {text}" for verb, text in VERBS.items()]
    return "usage: quotebus VERB [--help | settings]\n\n" + "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; its exit status. 78 for an unknown one."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"quotebus: no such verb: {verb[:40]!r} (there are {', '.join(VERBS)})", file=sys.stderr)
        return EX_CONFIG
    status: int = importlib.import_module(f"bus.cli.{verb}").run(rest)
    return status
