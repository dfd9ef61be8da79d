"""Programs with verbs: `PROGRAM VERB …`, each verb a module of one package, with a `run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence

from bus.errors import EX_CONFIG


def run_verb(program: str, package: str, verbs: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run the verb that comes first; its exit status, 78 for an unknown one. `verbs` says of each what it does."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program} VERB [--help | settings]\n")
        for verb, text in verbs.items():
            print(f"  {verb:<8} {text}")
        return 0
    verb, *rest = arguments
    if verb not in verbs:
        print(f"{program}: no such verb: {verb[:40]!r} (there are {', '.join(verbs)})", file=sys.stderr)
        return EX_CONFIG
    status: int = importlib.import_module(f"{package}.{verb}").run(rest)
    return status
