"""`quotebus capture`: captures as files. `info`, `verify`, `recover`, `cat`, `export` and `report`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import CliPositionalArg

from bus.capture import text
from bus.capture.captured import NotACapture
from bus.capture.export import Export
from bus.capture.prefixes import prefixes
from bus.capture.reader import SUFFIX, Capture
from bus.capture.recovery import recover_file, recover_folder
from bus.capture.segment import PART
from bus.capture.span import window
from bus.capture.verify import Verdict, verify
from bus.cli import capture_report
from bus.cli.record import size
from bus.clock import NS_PER_S
from bus.errors import EX_CONFIG, EX_IOERR, EX_NOINPUT, ConfigError
from bus.printable import escaped
from bus.settings import Settings, die, load

PROGRAM = "quotebus capture"
EX_DAMAGED = 3
"""A capture that is not whole."""


class FileSettings(Settings):
    """Which capture."""

    files: CliPositionalArg[list[Path]] = Field(min_length=1, description="capture files, or a folder of them")


class WindowSettings(FileSettings):
    """Which part of a capture. What lies outside is neither read nor checked where the files have an index."""

    begin: str = Field("", validation_alias=AliasChoices("from"), description="a UTC time, nanoseconds, or +seconds")
    end: str = Field("", validation_alias=AliasChoices("to"), description="end before this time")


class CatSettings(WindowSettings):
    """Which messages of a capture, and how they are printed."""

    topics: str = Field("", description="topic prefixes, separated by commas")
    json_lines: bool = Field(False, validation_alias=AliasChoices("json"), description="one JSON object a line")
    gaps: bool = Field(False, description="with the losses that the recorder noted, as capture.gap")


class RecoverSettings(FileSettings):
    """What to recover."""

    output: str = Field("", validation_alias=AliasChoices("o", "output"), description="the file to make, from one file")


class ExportSettings(WindowSettings):
    """What to export, and where to."""

    output: Path = Field(
        Path("export"), validation_alias=AliasChoices("output", "o"), description="folder for the tables"
    )
    format: Literal["parquet", "csv"] = Field("parquet", description="of the tables")
    topics: str = Field("", description="topic prefixes, separated by commas")

    @field_validator("output")
    @classmethod
    def _folder(cls, output: Path) -> Path:
        if output.suffix.lower() in (".csv", ".parquet"):
            raise ValueError(f"{output.name}: a folder is wanted, for a table a kind of event; see --format")
        return output


def run(argv: Sequence[str]) -> int:
    """Run a verb. 0 when all is well, 3 for a capture that is not whole, 66 for one that is not there, 74 for a disk,
    78 for bad arguments.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {PROGRAM} VERB FILE… [--help | settings]\n\n" + "\n".join(_usage()))
        return 0
    verb, *rest = argv
    if verb not in VERBS:
        print(f"{PROGRAM}: no such verb: {verb[:40]!r} (there are {', '.join(VERBS)})", file=sys.stderr)
        return EX_CONFIG
    try:
        return VERBS[verb](rest)
    except NotACapture as error:
        print(f"{PROGRAM} {verb}: {escaped(str(error))}", file=sys.stderr)
        return EX_DAMAGED
    except ConfigError as error:
        die(f"{PROGRAM} {verb}", error)
    except BrokenPipeError:  # whoever read our output has gone: no fault, and nothing left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        about = escaped(f": {error.filename}" if error.filename else "")
        print(f"{PROGRAM} {verb}: {error.strerror or error}{about}", file=sys.stderr)
        return EX_NOINPUT if isinstance(error, FileNotFoundError) else EX_IOERR


def info(argv: Sequence[str]) -> int:
    """Who recorded what, when, how much. Reads everything, but decodes only the recorder's own notes."""
    capture = _open(load(FileSettings, argv, f"{PROGRAM} info"))
    verdict = verify(capture, decode=False)
    head = capture.metadata
    versions = ", ".join(f"{program} {version}" for program, version in sorted(head.versions.items()))
    runs = {segment.metadata.run for segment in capture.segments}
    rows = [
        ("recorder", f"{head.recorder} ({head.source}) on {head.host or '?'}, run {head.run}"),
        ("programs", versions),
        ("topics", " ".join(head.topics) or "all"),
        *(("file", f"{s.path.name}  {size(s.path.stat().st_size)}") for s in capture.segments),
        *([("runs", f"{len(runs)}: their messages are numbered apart")] if len(runs) > 1 else []),
        *_contents(verdict),
        *(("partial", part) for part in verdict.partial),
        *(("damaged", str(damage)) for damage in verdict.damages),
        ("whole", "no" if verdict.damages else "yes"),
    ]
    for name, value in rows:
        print(f"{name:<10}{escaped(value)}")
    return EX_DAMAGED if verdict.damages else 0


def check(argv: Sequence[str]) -> int:
    """Whether a capture is whole."""
    verdict = verify(_open(load(FileSettings, argv, f"{PROGRAM} verify")))
    for name, value in _contents(verdict):
        print(f"{name:<10}{escaped(value)}")
    for example in verdict.examples:
        print(f"unreadable {escaped(example)}")
    if verdict.unreadable > len(verdict.examples):
        print(f"unreadable {verdict.unreadable - len(verdict.examples):,} more")
    for part in verdict.partial:
        print(f"partial   {escaped(part)}")
    for damage in verdict.damages:
        print(f"damaged   {escaped(str(damage))}")
    print("whole" if verdict.whole else "NOT whole")
    return 0 if verdict.whole else EX_DAMAGED


def recover(argv: Sequence[str]) -> int:
    """Make complete files of what is left: of each `.part` in a folder, or of one file."""
    settings = load(RecoverSettings, argv, f"{PROGRAM} recover")
    status = 0
    for path in settings.files:
        if path.is_dir():
            results = list(recover_folder(path))
            if not results:
                print(f"nothing to recover in {escaped(str(path))}")
        else:
            if settings.output and len(settings.files) > 1:
                raise ConfigError("--output goes with one file")
            results = [recover_file(path, Path(settings.output) if settings.output else _recovered_name(path))]
        for recovered in results:
            print(escaped(str(recovered)))
            status = status if recovered.path is not None else EX_DAMAGED
    return status


def cat(argv: Sequence[str]) -> int:
    """Print messages, one a line."""
    settings = load(CatSettings, argv, f"{PROGRAM} cat")
    capture = _open(settings)
    shown = text.json_line if settings.json_lines else text.line
    wanted = _prefixes(settings.topics)
    within = _window(capture, settings)
    for message in capture.everything(*within) if settings.gaps else capture.read(*within):
        if not wanted or message.topic.startswith(wanted):
            sys.stdout.write(shown(message) + "\n")
    sys.stdout.flush()
    return _warn(capture, "cat")


def export(argv: Sequence[str]) -> int:
    """Write one table per kind of event."""
    settings = load(ExportSettings, argv, f"{PROGRAM} export")
    exporter = Export(settings.output, settings.format)
    capture = _open(settings)
    wanted = _prefixes(settings.topics)
    within = capture.everything(*_window(capture, settings))
    exporter.write(m for m in within if not wanted or m.topic.startswith(wanted))
    for name, rows in sorted(exporter.rows.items()):
        print(f"{settings.output / name}.{settings.format}  {rows:,} rows")
    if exporter.unreadable:
        print(f"{PROGRAM} export: {exporter.unreadable:,} messages have no place in a table", file=sys.stderr)
    return _warn(capture, "export")


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "info": info,
    "verify": check,
    "recover": recover,
    "cat": cat,
    "export": export,
    "report": capture_report.run,
}


def _usage() -> list[str]:
    return [f"  {verb:<8} {(act.__doc__ or '').splitlines()[0]}" for verb, act in VERBS.items()]


def _open(settings: FileSettings) -> Capture:
    return Capture(settings.files)


def _window(capture: Capture, settings: WindowSettings) -> tuple[int | None, int | None]:
    try:
        return window(capture, settings.begin, settings.end)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _prefixes(topics: str) -> tuple[str, ...]:
    try:
        return prefixes([topics])
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _recovered_name(path: Path) -> Path:
    if path.name.endswith(PART):
        return path.with_name(path.name.removesuffix(PART))
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.recovered{SUFFIX}")


def _contents(verdict: Verdict) -> list[tuple[str, str]]:
    span_s = (verdict.last_ns - verdict.first_ns) / NS_PER_S
    rows = [("messages", f"{verdict.messages:,} on {verdict.topics:,} topics")]
    rows += [("", f"{count:>12,}  {kind}") for kind, count in sorted(verdict.kinds.items())]
    if verdict.messages:
        first, last = text.utc_text(verdict.first_ns), text.utc_text(verdict.last_ns)
        rows.append(("received", f"{first} to {last}, {span_s:,.3f} s"))
    lost = ", ".join(f"{count:,} ({cause})" for cause, count in sorted(verdict.lost.items()))
    return [*rows, ("lost", lost or "nothing")]


def _warn(capture: Capture, verb: str) -> int:
    for damage in capture.damages:
        print(f"{PROGRAM} {verb}: {escaped(str(damage))}", file=sys.stderr)
    return EX_DAMAGED if capture.damages else 0
