"""Arguments of the verbs of `quotebus capture`. File names are taken as they are, whatever bytes they hold."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quotebus.bus.capture.topic_prefixes import parse_prefixes
from quotebus.bus.cli.arguments import Arguments

PROGRAM = "quotebus capture"
VERBS = {
    "info": "show who recorded what, when, and how much",
    "verify": "check whether a capture is whole; exit status 3 when not",
    "recover": "make whole files of what is left of a recording",
    "cat": "print messages, one a line",
    "export": "write one table per kind of event, as Parquet or CSV",
    "report": "draw a capture as one HTML page",
}
EXAMPLES = {
    "info": "info captures/",
    "verify": "verify day.mcap",
    "recover": "recover captures/",
    "cat": "cat day.mcap --topics quote.SPY --from +60 --to +90",
    "export": "export captures/ -o tables --format csv",
    "report": "report day.mcap --symbols SPY,QQQ",
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportArguments:
    """Which part of a capture to draw, of which symbols, and where the page goes."""

    file: Path
    begin: str
    end: str
    output: Path | None
    symbols: str


def parse_file_arguments(argv: Sequence[str], verb: str) -> FileArguments:
    return FileArguments(**vars(make_parser(verb).parse_args(argv)))


def parse_cat_arguments(argv: Sequence[str]) -> CatArguments:
    return CatArguments(**vars(make_parser("cat").parse_args(argv)))


def parse_recover_arguments(argv: Sequence[str]) -> RecoverArguments:
    parser = make_parser("recover")
    arguments = RecoverArguments(**vars(parser.parse_args(argv)))
    if arguments.output is not None and len(arguments.files) > 1:
        parser.error("--output needs exactly one FILE")
    return arguments


def parse_export_arguments(argv: Sequence[str]) -> ExportArguments:
    return ExportArguments(**vars(make_parser("export").parse_args(argv)))


def parse_report_arguments(argv: Sequence[str]) -> ReportArguments:
    return ReportArguments(**vars(make_parser("report").parse_args(argv)))


def make_parser(verb: str) -> Arguments:
    """The command line of a verb."""
    several = verb != "report"
    usage = f"{PROGRAM} {verb} [SETTING …] FILE{' …' if several else ''}"
    examples = f"examples:\n  {PROGRAM} {EXAMPLES[verb]}"
    parser = Arguments(f"{PROGRAM} {verb}", f"{VERBS[verb].capitalize()}.", examples, usage)
    if several:
        parser.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="capture file, or folder of capture files"
        )
    else:
        parser.add_argument("file", type=Path, metavar="FILE", help="capture file, or folder of its segments")
    if verb in ("cat", "export", "report"):
        parser.add_argument(
            "--from",
            dest="begin",
            default="",
            metavar="TIME",
            help="start at: UTC such as 2026-01-05T14:30, +seconds after the first message, or nanoseconds since 1970",
        )
        parser.add_argument("--to", dest="end", default="", metavar="TIME", help="end before this time")
    if verb in ("cat", "export"):
        parser.add_argument(
            "--topics", type=_prefixes, default=(), metavar="TOPICS", help="only topics that begin with one of these"
        )
    if verb in _OWN:
        _OWN[verb](parser)
    return parser


def _add_cat(parser: Arguments) -> None:
    parser.add_argument("--json", dest="json_lines", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--gaps", action="store_true", help="include the losses that the recorder noted (topic capture.gap)"
    )


def _add_recover(parser: Arguments) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="name of the recovered file, when FILE is one file"
    )


def _add_export(parser: Arguments) -> None:
    folder = Path("export")
    parser.add_argument(
        "-o", "--output", type=_folder, default=folder, metavar="FOLDER", help="folder for the tables (default export)"
    )
    parser.add_argument(
        "--format",
        choices=("parquet", "csv"),
        default="parquet",
        metavar="parquet|csv",
        help="file format (default parquet)",
    )


def _add_report(parser: Arguments) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page; next to the capture, with .html, unless given"
    )
    parser.add_argument("--symbols", default="", metavar="SYMBOLS", help="symbols to draw instead of the busiest")


_OWN = {"cat": _add_cat, "recover": _add_recover, "export": _add_export, "report": _add_report}


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
