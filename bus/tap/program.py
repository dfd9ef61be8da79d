"""`quotebus tap`, and its short name `bus-tap`: one verb per file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from quotebus.bus.errors import EX_IOERR, ConfigError
from quotebus.bus.process.shutdown import raise_at_interrupt
from quotebus.bus.process.stdout import give_up_stdout, prepare_streams
from quotebus.bus.process.verbs import format_examples, run_verb
from quotebus.bus.tap.own_session import give_weight_back, run_in_own_session

PROGRAM = "quotebus tap"
VERBS = {
    "top": "shows connections and symbols as a live table",
    "echo": "prints messages as they arrive, as text or JSON",
    "rate": "counts messages per second by topic, and how many are missing",
    "delay": "measures p50, p99 and maximum of each hop",
    "list": "lists the topics that are published, and what their messages are",
    "info": "says who publishes a topic, how often, and what its messages hold",
    "bw": "measures bytes per second by topic",
    "pub": "publishes one intent, or counters",
    "why": "explains whether a symbol's price may be used, and who asked for it",
}
EXAMPLES = (
    "quotebus tap top",
    "quotebus tap echo health quote.SPY",
    "quotebus tap rate --every 5",
    "quotebus tap delay quote.SPY",
    "quotebus tap list",
    "quotebus tap info quote.SPY",
    "quotebus tap bw quote --for 30",
    "quotebus tap pub intent SPY buy 10 --within-s 60",
    "quotebus tap why SPY",
)


def begin(arguments: Sequence[str]) -> None:
    """For a process that is only the tap: continue in a session of its own, so that it never delays other programs."""
    screen = arguments[:1] == ["top"] and all(os.isatty(descriptor) for descriptor in (0, 1))
    run_in_own_session(on_screen=screen)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb; its exit status. 78 for an unknown verb, 74 for a full disk, 0 after Ctrl-C and for a closed pipe."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if argv is None:
        begin(arguments)
    prepare_streams()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        status = run_verb(
            PROGRAM, "quotebus.bus.tap.verbs", VERBS, arguments, format_examples(EXAMPLES), raise_at_interrupt
        )
        sys.stdout.flush()
        give_weight_back(os.getpid())  # what is left is to end, which nobody should have to wait for
    except ConfigError as error:
        from quotebus.bus.settings import die  # by then a verb has imported it; without one it would only take time

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
