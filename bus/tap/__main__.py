"""`bus-tap`, which is also `quotebus tap`: one verb a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from quotebus.bus.errors import EX_IOERR, ConfigError
from quotebus.bus.process.stdout import give_up_stdout
from quotebus.bus.process.verbs import run_verb
from quotebus.bus.settings import die
from quotebus.bus.tap.output import prepare_streams
from quotebus.bus.tap.own_session import run_in_own_session

PROGRAM = "bus-tap"
VERBS = {
    "top": "live table of lines and symbols",
    "echo": "messages as they come, text or JSON",
    "rate": "messages a second by topic, and what is missing",
    "delay": "p50, p99, max of each hop",
    "why": "who asked for a symbol, may its price be used, and if not, why not",
}


def begin(arguments: Sequence[str]) -> None:
    """For a program that is the tap and nothing else: stand apart from what runs beside it."""
    screen = arguments[:1] == ["top"] and all(os.isatty(descriptor) for descriptor in (0, 1))
    run_in_own_session(on_screen=screen)


def main(argv: Sequence[str] | None = None) -> int:
    """A verb's exit status. 78 for an unknown one, 74 for a full disk; Ctrl-C and a closed pipe are a quiet 0."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if argv is None:
        begin(arguments)
    prepare_streams()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        status = run_verb(PROGRAM, "quotebus.bus.tap.verbs", VERBS, arguments)
        sys.stdout.flush()
    except ConfigError as error:
        die(f"{PROGRAM} {arguments[0]}", error)
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        give_up_stdout()
        return 0
    except OSError as error:
        print(f"{PROGRAM} {arguments[0]}: {error.strerror or error}", file=sys.stderr)
        give_up_stdout()
        return EX_IOERR
    return status


if __name__ == "__main__":
    sys.exit(main())
