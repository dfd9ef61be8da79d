"""A command line: flags in groups with units and examples, and one line for a mistake."""

from __future__ import annotations

import argparse
import difflib
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from quotebus.bus.errors import ConfigError
from quotebus.bus.version import __version__

NEAR = 0.6
"""How similar two names must be, of 1, for one to be offered instead of the other."""
_FLAGS_WIDTH = 32


def nearest(name: str, known: Iterable[str], near: float = NEAR) -> str:
    """The known name that is most like this one; empty when none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=near)), "")


def format_choices(choices: Sequence[str]) -> str:
    """`one`, `one or two`, `one, two or three`."""
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last


class Formatter(argparse.HelpFormatter):
    """Wraps at the terminal's width, never within a flag, and leaves paragraphs with indented lines as they are."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **{"max_help_position": _FLAGS_WIDTH, **named})

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            paragraph
            if "\n " in f"\n{paragraph}"
            else textwrap.fill(
                paragraph, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
            )
            for paragraph in text.split("\n\n")
        )

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, Switch):
            return "--[no-]" + action.option_strings[0].removeprefix("--")
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {self._format_args(action, action.dest.upper())}"


class Switch(argparse.Action):
    """`--name` and `--no-name`."""

    def __init__(self, option_strings: Sequence[str], dest: str, **named: Any) -> None:
        negated = [f"--no-{flag.removeprefix('--')}" for flag in option_strings]
        super().__init__([*option_strings, *negated], dest, nargs=0, **named)

    def __call__(self, _parser: object, namespace: object, _values: object, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, "false" if (option_string or "").startswith("--no-") else "true")


class CommandLine(argparse.ArgumentParser):
    """`argparse` without abbreviations, with `--version`. A mistake raises ConfigError, of one line."""

    def __init__(self, program: str, about: str = "", examples: str = "", usage: str | None = None) -> None:
        super().__init__(
            program,
            usage=usage,
            description=about or None,
            epilog=examples or None,
            formatter_class=Formatter,
            allow_abbrev=False,
            add_help=False,
        )
        self._positionals.title = "arguments"
        self.typed: dict[str, str] = {}
        """After `parse_args`: the flag that was typed, by the name of its value. The last one, where there were two."""
        self.add_argument("-h", "--help", action="help", help="show this text")
        self.add_argument("--version", action="version", version=f"{program} {__version__}", help="show the version")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As `argparse` does, but for the words on what it does not know: the nearest flag is named, no value is."""
        for word in args or ():
            flag = word.partition("=")[0]
            if flag in self._option_string_actions:
                self.typed[self._option_string_actions[flag].dest] = flag
        parsed, unknown = self.parse_known_args(args, namespace)
        flags = [word.partition("=")[0] for word in unknown if word.startswith("-") and len(word) > 1]
        if flags:
            near = nearest(flags[0], self.flags()) or nearest(flags[0], self.flags(hidden=True))
            self.error(f"no such flag: {flags[0]}" + (f"; did you mean {near}?" if near else ""))
        if unknown:
            self.error(f"{len(unknown)} argument{'s' * (len(unknown) > 1)} too many")
        return parsed

    def flags(self, *, hidden: bool = False) -> list[str]:
        """All flags; with `hidden` also those that `--help` does not show."""
        actions = self._actions if hidden else self.shown_actions()
        return [flag for action in actions for flag in action.option_strings]

    def shown_actions(self) -> list[argparse.Action]:
        """What `--help` shows."""
        return [action for action in self._actions if action.help != argparse.SUPPRESS]

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError, in the words of all our mistakes."""
        raise ConfigError(self.reword(message))

    def reword(self, message: str) -> str:
        """What `argparse` says of a mistake, in our words and with the flag as it was typed."""
        name, _, reason = message.removeprefix("argument ").partition(": ")
        if not reason:
            return name
        flags = name.split("/")
        name = next((typed for typed in self.typed.values() if typed in flags), flags[-1])
        if reason.startswith("expected "):
            return f"{name}: a value is missing; one that begins with - is written {name}=VALUE"
        if reason.startswith("ignored explicit argument "):
            return f"{name}: takes no value (given: {reason.removeprefix('ignored explicit argument ')})"
        if reason.startswith("invalid choice: "):
            value, _, choices = reason.removeprefix("invalid choice: ").removesuffix(")").partition(" (choose from ")
            wanted = [choice.strip("'") for choice in choices.split(", ")]
            near = nearest(value.strip("'"), wanted)
            hint = f"; did you mean {near}?" if near else ""
            return f"{name}: must be {format_choices(wanted)}{hint} (given: {value})"
        if name.startswith("the following arguments are required"):
            return f"{reason} is missing"
        return f"{name}: {reason}"
