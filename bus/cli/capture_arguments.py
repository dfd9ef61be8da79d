"""What the verbs of `quotebus capture` take. File names are taken as they are, whatever is in them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quotebus.bus.capture.topic_prefixes import parse_prefixes
from quotebus.bus.cli.arguments import Arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class FileArguments:
    """Which capture."""

    files: list[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartArguments(FileArguments):
    """Which part of a capture."""

    begin: str
    end: str
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatArguments(PartArguments):
    """How messages are printed."""

    json_lines: bool
    gaps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverArguments(FileArguments):
    """What to recover, and the file to make of it if it is one."""

    output: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments(PartArguments):
    """Where tables go, and of which kind they are."""

    output: Path
    format: Literal["parquet", "csv"]


def parse_file_arguments(argv: Sequence[str], program: str, about: str) -> FileArguments:
    return FileArguments(**vars(_parser(program, about).parse_args(argv)))


def parse_cat_arguments(argv: Sequence[str], program: str, about: str) -> CatArguments:
    parser = _windowed(program, about)
    parser.add_argument("--json", dest="json_lines", action="store_true", help="one JSON object a line")
    parser.add_argument("--gaps", action="store_true", help="with the losses that the recorder noted, as capture.gap")
    return CatArguments(**vars(parser.parse_args(argv)))


def parse_recover_arguments(argv: Sequence[str], program: str, about: str) -> RecoverArguments:
    parser = _parser(program, about)
    parser.add_argument("-o", "--output", type=Path, help="the file to make, from one file")
    arguments = RecoverArguments(**vars(parser.parse_args(argv)))
    if arguments.output is not None and len(arguments.files) > 1:
        parser.error("--output goes with one file")
    return arguments


def parse_export_arguments(argv: Sequence[str], program: str, about: str) -> ExportArguments:
    parser = _windowed(program, about)
    parser.add_argument("-o", "--output", type=_folder, default=Path("export"), help="folder for the tables (export)")
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet", help="of the tables")
    return ExportArguments(**vars(parser.parse_args(argv)))


def _parser(program: str, about: str) -> Arguments:
    parser = Arguments(program, description=about)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="capture files, or folders of them")
    return parser


def _windowed(program: str, about: str) -> Arguments:
    parser = _parser(program, about)
    parser.add_argument("--from", dest="begin", default="", metavar="T", help="a UTC time, nanoseconds, or +seconds")
    parser.add_argument("--to", dest="end", default="", metavar="T", help="end before this time")
    parser.add_argument("--topics", type=_prefixes, default=(), metavar="PREFIX,…", help="these topics only")
    return parser


def _folder(text: str) -> Path:
    if text.lower().endswith((".csv", ".parquet")):
        raise ArgumentTypeError(f"{text}: a folder is wanted, for a table a kind of event; see --format")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{text}: the library that writes tables takes UTF-8 names only") from None
    return Path(text)


def _prefixes(text: str) -> tuple[str, ...]:
    try:
        return parse_prefixes([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
