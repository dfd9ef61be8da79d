"""`bus-tap`, which is also `quotebus tap`: one verb a file."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

from bus.errors import EX_CONFIG, ConfigError
from bus.settings import die
from bus.tap.escape import clean
from bus.tap.output import prepare

PROGRAM = "bus-tap"
VERBS = {
    "top": "live table of lines and symbols",
    "echo": "messages as they come, text or JSON",
    "rate": "messages a second by topic, and what is missing",
    "delay": "p50, p99, max of each hop",
    "why": "who asked for a symbol, may its price be used, and if not, why not",
}


def usage() -> str:
    lines = [f"  {verb:<8} {text}" for verb, text in VERBS.items()]
    return f"usage: {PROGRAM} VERB [--help | settings]\n\n" + "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; its exit status. 78 for an unknown one; Ctrl-C and a closed pipe are a quiet 0."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage())
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"{PROGRAM}: no such verb: {clean(verb, 40)!r} (there are {', '.join(VERBS)})", file=sys.stderr)
        return EX_CONFIG
    prepare()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        status: int = importlib.import_module(f"bus.tap.{verb}").run(rest)
        sys.stdout.flush()
    except ConfigError as error:
        die(f"{PROGRAM} {verb}", error)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        return 0
    return status


if __name__ == "__main__":
    sys.exit(main())
