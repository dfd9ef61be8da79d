"""`quotebus capture VERB FILE…`: work with captures. `info`, `verify`, `recover`, `cat`, `export`, `report`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from quotebus.bus.capture.format.captured import NotACapture
from quotebus.bus.capture.format.file_names import PART, SUFFIX
from quotebus.bus.capture.inspect.export import Export
from quotebus.bus.capture.inspect.message_text import encode_message, format_message
from quotebus.bus.capture.inspect.verify import Verification, verify
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.record.recovery import recover_file, recover_folder
from quotebus.bus.capture.time_range import parse_time_range
from quotebus.bus.cli import capture_arguments, capture_report
from quotebus.bus.cli.capture_arguments import (
    PROGRAM,
    parse_cat_arguments,
    parse_export_arguments,
    parse_file_arguments,
    parse_recover_arguments,
)
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import EX_IOERR, EX_NOINPUT, ConfigError
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.shutdown import raise_at_interrupt
from quotebus.bus.process.stdout import give_up_stdout, settle_stdout
from quotebus.bus.process.units import format_size, format_utc
from quotebus.bus.process.verbs import answer_without_verb, format_examples
from quotebus.bus.settings import die

EXAMPLES = [f"{PROGRAM} {example}" for example in capture_arguments.EXAMPLES.values()]
EX_DAMAGED = 3
"""Exit status for a capture that is not whole, or that is none."""


def run(argv: Sequence[str]) -> int:
    """Run a verb; its exit status.

    0 for success, 3 for a capture that is not whole, 66 for a missing file, 74 for a disk error, 78 for bad arguments.
    """
    status = answer_without_verb(PROGRAM, capture_arguments.VERBS, argv, format_examples(EXAMPLES))
    if status is not None:
        return status
    verb, *rest = argv
    try:
        with raise_at_interrupt():  # what it writes is put in place whole, or taken away
            status = VERBS[verb](rest)
            sys.stdout.flush()
            return status
    except NotACapture as error:
        print(f"{PROGRAM} {verb}: {escaped(str(error))}", file=sys.stderr)
        return EX_DAMAGED
    except ConfigError as error:
        die(f"{PROGRAM} {verb}", error)
    except BrokenPipeError:  # the reader of our output has gone: no error, and nowhere to report one
        give_up_stdout()
        return 0
    except OSError as error:
        settle_stdout()
        about = escaped(f": {error.filename}" if error.filename else "")
        print(f"{PROGRAM} {verb}: {error.strerror or error}{about}", file=sys.stderr)
        return EX_NOINPUT if isinstance(error, FileNotFoundError) else EX_IOERR


def info(argv: Sequence[str]) -> int:
    """Show who recorded what, when and how much. Reads every byte, but decodes only the recorder's own notes."""
    capture = Capture(parse_file_arguments(argv, "info").files)
    verdict = verify(capture, decode=False)
    head = capture.metadata
    versions = ", ".join(f"{program} {version}" for program, version in sorted(head.versions.items()))
    runs = {segment.metadata.run for segment in capture.segments}
    rows = [
        ("recorder", f"{head.recorder} ({head.source}) on {head.host or '?'}, run {head.run}"),
        ("programs", versions),
        ("topics", " ".join(head.topics) or "all"),
        *(("file", f"{s.path.name}  {format_size(s.size)}") for s in capture.segments),
        *([("runs", f"{len(runs)}, each with its own message numbers")] if len(runs) > 1 else []),
        *_contents(verdict),
        *(("partial", part) for part in verdict.partial),
        *(("damaged", str(damage)) for damage in verdict.damages),
        ("whole", "no" if verdict.damages else "yes"),
    ]
    for name, value in rows:
        print(f"{name:<10}{escaped(value)}")
    return EX_DAMAGED if verdict.damages else 0


def check(argv: Sequence[str]) -> int:
    """Check that a capture is whole: every byte, every message number, every payload."""
    verdict = verify(Capture(parse_file_arguments(argv, "verify").files))
    for name, value in _contents(verdict):
        print(f"{name:<10}{escaped(value)}")
    for example in verdict.examples:
        print(f"unreadable {escaped(example)}")
    if verdict.unreadable > len(verdict.examples):
        print(f"unreadable and {verdict.unreadable - len(verdict.examples):,} more")
    for part in verdict.partial:
        print(f"partial   {escaped(part)}")
    for damage in verdict.damages:
        print(f"damaged   {escaped(str(damage))}")
    print("whole" if verdict.whole else "NOT whole")
    return 0 if verdict.whole else EX_DAMAGED


def recover(argv: Sequence[str]) -> int:
    """Complete what a killed recorder left: every `.part` in a folder, or one file."""
    arguments = parse_recover_arguments(argv)
    status = 0
    for path in arguments.files:
        if path.is_dir():
            results = list(recover_folder(path))
            if not results:
                print(f"nothing to recover in {escaped(str(path))}")
        else:
            results = [recover_file(path, arguments.output or _recovered_name(path))]
        for recovered in results:
            print(escaped(str(recovered)))
            status = status if recovered.path is not None else EX_DAMAGED
    return status


def cat(argv: Sequence[str]) -> int:
    """Print messages, one per line."""
    arguments = parse_cat_arguments(argv)
    capture, wanted = Capture(arguments.files), arguments.topics
    shown = encode_message if arguments.json_lines else format_message
    within = _window(capture, arguments.begin, arguments.end)
    printed = 0
    for message in capture.read_everything(*within) if arguments.gaps else capture.read(*within):
        if not wanted or message.topic.startswith(wanted):
            sys.stdout.write(shown(message) + "\n")
            printed += 1
    sys.stdout.flush()
    return _end(capture, "cat", printed)


def export(argv: Sequence[str]) -> int:
    """Write the events as tables, one per kind of event."""
    arguments = parse_export_arguments(argv)
    output, wanted = arguments.output, arguments.topics
    exporter = Export(output, arguments.format)
    capture = Capture(arguments.files)
    within = capture.read_everything(*_window(capture, arguments.begin, arguments.end))
    exporter.write(m for m in within if not wanted or m.topic.startswith(wanted))
    left = [name for name in exporter.find_tables() if name not in exporter.rows]
    if left:
        print(f"{PROGRAM} export: tables of an earlier export remain: {', '.join(left)}", file=sys.stderr)
    for name, rows in sorted(exporter.rows.items()):
        print(f"{escaped(str(output / name))}.{arguments.format}  {rows:,} rows")
    if exporter.unreadable:
        print(
            f"{PROGRAM} export: {exporter.unreadable:,} messages left out: undecodable, or beyond what a column holds",
            file=sys.stderr,
        )
    return _end(capture, "export", len(exporter.rows))


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "info": info,
    "verify": check,
    "recover": recover,
    "cat": cat,
    "export": export,
    "report": capture_report.run,
}


def _window(capture: Capture, begin: str, end: str) -> tuple[int | None, int | None]:
    try:
        return parse_time_range(capture, begin, end)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _recovered_name(path: Path) -> Path:
    if path.name.endswith(PART):
        return path.with_name(path.name.removesuffix(PART))
    return path.with_name(f"{path.name.removesuffix(SUFFIX)}.recovered{SUFFIX}")


def _contents(verdict: Verification) -> list[tuple[str, str]]:
    span_s = (verdict.last_ns - verdict.first_ns) / NS_PER_S
    rows = [("messages", f"{verdict.messages:,} on {verdict.topics:,} topics")]
    rows += [("", f"{count:>12,}  {kind}") for kind, count in sorted(verdict.kinds.items())]
    if verdict.messages:
        first, last = format_utc(verdict.first_ns), format_utc(verdict.last_ns)
        rows.append(("received", f"{first} to {last}, {span_s:,.3f} s"))
    lost = ", ".join(f"{count:,} ({cause})" for cause, count in sorted(verdict.lost.items()))
    return [*rows, ("lost", lost or "nothing")]


def _end(capture: Capture, verb: str, found: int) -> int:
    """Report what is missing; the exit status."""
    for damage in capture.damages:
        print(f"{PROGRAM} {verb}: {escaped(str(damage))}", file=sys.stderr)
    if not found and not capture.damages:
        print(f"{PROGRAM} {verb}: no matching message", file=sys.stderr)
    return EX_DAMAGED if capture.damages else 0
