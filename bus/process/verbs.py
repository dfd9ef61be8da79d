"""Programs with verbs: `PROGRAM VERB …`, each verb a module of one package, with a `run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

from quotebus.bus.errors import EX_CONFIG, EX_IOERR
from quotebus.bus.process.stdout import give_up_stdout, open_stdout
from quotebus.bus.version import __version__


def run_verb(program: str, package: str, verbs: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run the verb that comes first; its exit status, 78 for an unknown one. `verbs` says of each what it does."""
    open_stdout()
    if not arguments or arguments[0] in ("-h", "--help"):
        return _usage(program, verbs)
    if arguments[0] == "--version":
        return _print(program, f"{program} {__version__}")
    verb, *rest = arguments
    if verb not in verbs:
        print(f"{program}: no such verb: {verb[:40]!r} (there are {', '.join(verbs)})", file=sys.stderr)
        return EX_CONFIG
    status: int = importlib.import_module(f"{package}.{verb}").run(rest)
    return status


def _usage(program: str, verbs: Mapping[str, str]) -> int:
    lines = [f"usage: {program} VERB [--help | settings]", "", *(f"  {verb:<8} {text}" for verb, text in verbs.items())]
    return _print(program, "\n".join(lines))


def _print(program: str, text: str) -> int:
    try:
        print(text, flush=True)
    except OSError as error:
        give_up_stdout()
        print(f"{program}: {error.strerror}", file=sys.stderr)
        return EX_IOERR
    return 0
