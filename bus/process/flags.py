"""Settings on the command line: each field of a settings class is a flag.

A field's flag is its name without the program's own prefix: `pricing_linger_s` is `--linger-s`. The whole name
(`--pricing-linger-s`) and a field's other names are accepted as well, and not shown in `--help`.
"""

from __future__ import annotations

import argparse
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from quotebus.bus.process.command_line import CommandLine, Switch

ONE_RULE = "Every flag is also a variable, in the environment or in .env"
_UNITS = {
    "_s": "SECONDS", "_mb": "MIB", "_url": "URL", "_file": "FILE", "_cert": "FILE", "_dir": "FOLDER", "port": "PORT",
    "_ticks": "TICKS", "_symbols": "SYMBOLS", "_key": "KEY", "_secret": "SECRET",
}  # fmt: skip
_TYPES = {int: "N", float: "NUMBER", str: "TEXT"}


@dataclass(frozen=True, slots=True)
class Unit:
    """What a field's value is called in `--help`, where its name does not tell: `Annotated[str, Unit("SYMBOL")]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Positional:
    """A field that is an argument without a flag."""

    needed: bool = False


@dataclass(frozen=True, slots=True)
class Internal:
    """A field that a program sets for itself: a flag that `--help` does not show."""


@dataclass(frozen=True, slots=True)
class AlsoFlag:
    """Another, shorter flag of a field; no variable."""

    name: str


@dataclass(frozen=True, slots=True)
class OneMore:
    """A second flag that adds one value to a field's text, as often as it is given."""

    flag: str
    unit: str
    separator: str
    about: str


@dataclass(frozen=True, slots=True)
class Given:
    """What a command line gives to a settings class."""

    values: dict[str, Any]
    """Under the names that the class takes."""
    flags: dict[str, str]
    """Of each field that was given, the flag as it was typed."""


def split_words(value: object) -> object:
    """The words of `a,b c`, or of a list of such."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return value
    return [word for text in texts for word in text.replace(",", " ").split()]


Words = Annotated[list[str], NoDecode, BeforeValidator(split_words)]
"""A list of words, with commas or blanks between them where it is one text."""


def names(settings: type[BaseModel], field: str) -> list[str]:
    """A field's names as settings, the one that counts most first: `pricing_api_key`, `apca_api_key_id`."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [choice for choice in alias.choices if isinstance(choice, str)]
    return [alias] if isinstance(alias, str) else [f"{settings.model_config.get('env_prefix', '')}{field}".lower()]


def variable(settings: type[BaseModel], field: str) -> str:
    """A field's name in the environment: `PRICING_LINGER_S`."""
    own = _own_prefix(settings)
    candidates = names(settings, field)
    return next((name for name in candidates if own and name.startswith(own)), candidates[0]).upper()


def flags(settings: type[BaseModel], field: str) -> tuple[list[str], list[str]]:
    """A field's flags: those that are shown, and those that are only accepted."""
    own = _own_prefix(settings)
    candidates = names(settings, field)
    others = [marker.name for marker in settings.model_fields[field].metadata if isinstance(marker, AlsoFlag)]
    every = [name.removeprefix(own) for name in candidates] + candidates + others
    short = [f"-{name}" for name in every if len(name) == 1]
    long = list(dict.fromkeys("--" + name.replace("_", "-") for name in every if len(name) > 1))
    return list(dict.fromkeys([*short, long[0]])), long[1:]


def is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def is_switch(field: FieldInfo) -> bool:
    return field.annotation is bool


def is_positional(field: FieldInfo) -> bool:
    return any(isinstance(marker, Positional) for marker in field.metadata)


def add_flags(parser: CommandLine, settings: type[BaseModel]) -> None:
    """A flag for each field, in groups: those of the class itself first, then what it has from others."""
    groups: dict[str, Any] = {}
    for heading, name in grouped(settings):
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading)
        _add(groups[heading], settings, name)


def grouped(settings: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Heading and name of each field."""
    for owner in settings.__mro__:
        headings: Mapping[str, str] = owner.__dict__.get("headings", {})
        heading = "settings"
        for name in inspect.get_annotations(owner):
            if name in settings.model_fields:
                heading = headings.get(name, heading)
                yield heading, name


def read_flags(settings: type[BaseModel], parser: CommandLine, parsed: argparse.Namespace) -> Given:
    """What was given on the command line."""
    given = Given({}, {})
    for name, field in settings.model_fields.items():
        value = getattr(parsed, name, None)
        typed = parser.typed.get(name)
        more = [marker for marker in field.metadata if isinstance(marker, OneMore)]
        for marker in more:
            parts = getattr(parsed, f"{name}+", None)
            if parts:
                value = marker.separator.join([*([value] if value else []), *parts])
                typed = marker.flag
        if value is None or value == []:
            continue
        alias = field.validation_alias
        given.values[name if alias is None else names(settings, name)[0]] = value
        if typed is not None:
            given.flags[name] = typed
    return given


def _add(group: Any, settings: type[BaseModel], name: str) -> None:
    field = settings.model_fields[name]
    about = describe(field)
    unit = unit_of(settings, name)
    several = get_origin(field.annotation) is list
    if is_positional(field):
        group.add_argument(name, nargs="*" if several else "?", metavar=unit, default=None, help=about)
        return
    kind: dict[str, Any] = {"action": "append" if several else "store", "metavar": unit}
    if is_switch(field):
        kind = {"action": Switch}
    shown, hidden = flags(settings, name)
    for marker in field.metadata:
        if isinstance(marker, OneMore):
            group.add_argument(
                marker.flag, dest=f"{name}+", action="append", metavar=marker.unit, help=_escape(marker.about)
            )
    internal = any(isinstance(marker, Internal) for marker in field.metadata)
    group.add_argument(*shown, dest=name, default=None, help=argparse.SUPPRESS if internal else about, **kind)
    if hidden:
        group.add_argument(*hidden, dest=name, default=None, help=argparse.SUPPRESS, **kind)


def unit_of(settings: type[BaseModel], name: str) -> str:
    """What the value is: `SECONDS`, `paper|live`."""
    field = settings.model_fields[name]
    for marker in field.metadata:
        if isinstance(marker, Unit):
            return marker.name
    kind = inner_type(field.annotation)
    if get_origin(kind) is Literal:
        return "|".join(str(choice) for choice in get_args(kind))
    spelled = f"_{name}"
    return next((unit for end, unit in _UNITS.items() if spelled.endswith(end)), _TYPES.get(kind, "VALUE"))


def describe(field: FieldInfo) -> str:
    """A field's description and its default, where there is one to show."""
    default = shown_default(field)
    return _escape((field.description or "") + (f" (default {default})" if default else ""))


def shown_default(field: FieldInfo) -> str:
    """The default as one would type it; empty when there is none."""
    default = field.get_default(call_default_factory=True)
    if default is None or is_secret(field) or isinstance(default, (bool, list)) or default == "":
        return ""
    if isinstance(default, float) and default.is_integer():
        return str(int(default))
    home = str(Path.home())
    return f"~{str(default)[len(home) :]}" if str(default).startswith(f"{home}/") else str(default)


def inner_type(annotation: Any) -> Any:
    """The type within an optional one, or within a list."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation


def _own_prefix(settings: type[BaseModel]) -> str:
    return str(getattr(settings, "flag_prefix", "") or settings.model_config.get("env_prefix", "")).lower()


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def usage(program: str, settings: type[BaseModel]) -> str:
    """`quotebus record [SETTING …] [TOPIC …]`."""
    arguments = []
    for name, field in settings.model_fields.items():
        for marker in field.metadata:
            if isinstance(marker, Positional):
                unit = unit_of(settings, name) + (" …" if get_origin(field.annotation) is list else "")
                arguments.append(unit if marker.needed else f"[{unit}]")
    return " ".join([program, "[SETTING …]", *arguments])


def command_line(settings: type[BaseModel], program: str) -> CommandLine:
    """The whole command line of a program that has settings and nothing else."""
    example = next((name for _, name in grouped(settings) if not is_positional(settings.model_fields[name])), "")
    rule = f"{ONE_RULE}: {flags(settings, example)[0][-1]} is {variable(settings, example)}." if example else ""
    closing = "\n\n".join(part for part in (rule, format_examples(getattr(settings, "examples", ()))) if part)
    parser = CommandLine(program, str(getattr(settings, "about", "")), closing, usage(program, settings))
    add_flags(parser, settings)
    return parser


def format_examples(examples: Sequence[str]) -> str:
    """Command lines for the end of `--help`, with their comments below each other."""
    parts = [example.partition("  # ")[::2] for example in examples]
    width = max((len(command) for command, comment in parts if comment), default=0)
    lines = [f"  {command:<{width}}   # {comment}" if comment else f"  {command}" for command, comment in parts]
    return "\n".join(["examples:", *lines]) if lines else ""


def parse_flags(settings: type[BaseModel], argv: Sequence[str], program: str) -> Given:
    """What a command line says, for the class to check. Raises ConfigError."""
    parser = command_line(settings, program)
    return read_flags(settings, parser, parser.parse_args(list(argv)))
