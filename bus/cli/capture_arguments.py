"""Arguments of the verbs of `quotebus capture`. File names are taken as they are, whatever bytes they hold."""

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
    """What to recover; `output` names the new file when one file is recovered."""

    output: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportArguments(PartArguments):
    """Where the tables go, and in which format."""

    output: Path
    format: Literal["parquet", "csv"]


def parse_file_arguments(argv: Sequence[str], program: str, about: str) -> FileArguments:
    return FileArguments(**vars(_parser(program, about).parse_args(argv)))


def parse_cat_arguments(argv: Sequence[str], program: str, about: str) -> CatArguments:
    parser = _windowed(program, about)
    parser.add_argument("--json", dest="json_lines", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--gaps", action="store_true", help="include the losses that the recorder noted (topic capture.gap)"
    )
    return CatArguments(**vars(parser.parse_args(argv)))


def parse_recover_arguments(argv: Sequence[str], program: str, about: str) -> RecoverArguments:
    parser = _parser(program, about)
    parser.add_argument("-o", "--output", type=Path, help="name of the recovered file, when FILE is one file")
    arguments = RecoverArguments(**vars(parser.parse_args(argv)))
    if arguments.output is not None and len(arguments.files) > 1:
        parser.error("--output needs exactly one FILE")
    return arguments


def parse_export_arguments(argv: Sequence[str], program: str, about: str) -> ExportArguments:
    parser = _windowed(program, about)
    parser.add_argument(
        "-o", "--output", type=_folder, default=Path("export"), help="folder for the tables (default: export)"
    )
    parser.add_argument(
        "--format", choices=("parquet", "csv"), default="parquet", help="file format (default: parquet)"
    )
    return ExportArguments(**vars(parser.parse_args(argv)))


def _parser(program: str, about: str) -> Arguments:
    parser = Arguments(program, description=about)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="capture file, or folder of capture files")
    return parser


def _windowed(program: str, about: str) -> Arguments:
    parser = _parser(program, about)
    parser.add_argument(
        "--from",
        dest="begin",
        default="",
        metavar="T",
        help="start at T: a UTC time, nanoseconds, or +seconds from the first message",
    )
    parser.add_argument("--to", dest="end", default="", metavar="T", help="end before T")
    parser.add_argument(
        "--topics", type=_prefixes, default=(), metavar="PREFIX,…", help="only topics that begin with one of these"
    )
    return parser


def _folder(text: str) -> Path:
    if text.lower().endswith((".csv", ".parquet")):
        raise ArgumentTypeError(f"{text}: not a folder: each kind of event gets a table of its own; see --format")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ArgumentTypeError(f"{text}: not UTF-8, as the library that writes tables requires") from None
    return Path(text)


def _prefixes(text: str) -> tuple[str, ...]:
    try:
        return parse_prefixes([text])
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
