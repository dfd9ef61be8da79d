"""Programs with verbs: `PROGRAM VERB …`, each verb a module of one package, with a `run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

from bus.errors import EX_CONFIG, EX_IOERR
from bus.stdout import give_up_stdout, open_stdout


def run_verb(program: str, package: str, verbs: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run the verb that comes first; its exit status, 78 for an unknown one. `verbs` says of each what it does."""
    open_stdout()
    if not arguments or arguments[0] in ("-h", "--help"):
        return _usage(program, verbs)
    verb, *rest = arguments
    if verb not in verbs:
        print(f"{program}: no such verb: {verb[:40]!r} (there are {', '.join(verbs)})", file=sys.stderr)
        return EX_CONFIG
    status: int = importlib.import_module(f"{package}.{verb}").run(rest)
    return status


def _usage(program: str, verbs: Mapping[str, str]) -> int:
    lines = [f"usage: {program} VERB [--help | settings]", "", *(f"  {verb:<8} {text}" for verb, text in verbs.items())]
    try:
        print("\n".join(lines), flush=True)
    except OSError as error:
        give_up_stdout()
        print(f"{program}: {error.strerror}", file=sys.stderr)
        return EX_IOERR
    return 0
