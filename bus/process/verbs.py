"""Programs with verbs: `PROGRAM VERB …`, each verb a module of one package, with a `run`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from quotebus.bus.errors import EX_CONFIG, EX_IOERR
from quotebus.bus.process.command_line import nearest
from quotebus.bus.process.stdout import give_up_stdout, open_stdout
from quotebus.bus.version import __version__


def run_verb(
    program: str,
    package: str,
    verbs: Mapping[str, str],
    arguments: Sequence[str],
    more: Sequence[str] = (),
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Run the verb that comes first; its exit status, 78 for an unknown one. `verbs` says of each what it does.

    `around` is entered once the verb is imported.
    """
    open_stdout()
    status = answer_without_verb(program, verbs, arguments, more)
    if status is not None:
        return status
    verb, *rest = arguments
    module = importlib.import_module(f"{package}.{verb}")
    with around():
        ended: int = module.run(rest)
    return ended


def format_examples(examples: Sequence[str]) -> list[str]:
    """Command lines for the end of a help text."""
    return ["examples:", *(f"  {example}" for example in examples)]


def answer_without_verb(
    program: str, verbs: Mapping[str, str], arguments: Sequence[str], more: Sequence[str] = ()
) -> int | None:
    """The exit status when no verb is to be run: help (also without arguments), version, or an unknown verb.

    `more` are lines at the end of the help.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        return _print(program, "\n".join(_usage(program, verbs, more)))
    if arguments[0] == "--version":
        return _print(program, f"{program} {__version__}")
    verb = arguments[0]
    if verb in verbs:
        return None
    near = nearest(verb, verbs)
    hint = f"did you mean {near}?" if near else f"there are {', '.join(verbs)}"
    print(f"{program}: no such verb: {verb[:40]!r}; {hint}", file=sys.stderr)
    return EX_CONFIG


def _usage(program: str, verbs: Mapping[str, str], more: Sequence[str]) -> list[str]:
    width = max(map(len, verbs))
    return [
        f"usage: {program} VERB [SETTING …]",
        "",
        *(f"  {verb:<{width}}  {text}" for verb, text in verbs.items()),
        *(["", *more] if more else []),
        "",
        f"`{program} VERB --help` explains a verb and its settings.",
    ]


def _print(program: str, text: str) -> int:
    try:
        print(text, flush=True)
    except OSError as error:
        give_up_stdout()
        print(f"{program}: {error.strerror}", file=sys.stderr)
        return EX_IOERR
    return 0
