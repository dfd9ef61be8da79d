"""`quotebus capture report FILE`: a capture as one self-contained HTML page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from quotebus.bus.capture.reader import Capture, is_capture
from quotebus.bus.capture.report.collect import Collector
from quotebus.bus.capture.report.page import render_page
from quotebus.bus.capture.report.scale import Columns
from quotebus.bus.capture.time_range import find_time_range, parse_time_range
from quotebus.bus.cli.capture_arguments import parse_report_arguments
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.printable import escaped

PROGRAM = "quotebus capture report"
EX_DAMAGED = 3
COLUMNS = 1_100


def run(argv: Sequence[str]) -> int:
    """Write a capture as one self-contained HTML page.

    The exit status: 0, or 3 when the capture is damaged and the page shows only what is good. Raises NotACapture,
    ConfigError and OSError.
    """
    arguments = parse_report_arguments(argv)
    output: Path = arguments.output or arguments.file.resolve().with_suffix(".html")
    symbols = [symbol.strip().upper() for symbol in arguments.symbols.split(",") if symbol.strip()]
    if output.exists() and is_capture(output):
        raise ConfigError(f"{escaped(str(output))} is a capture and is not overwritten")
    capture = Capture(arguments.file)
    first_ns, last_ns = find_time_range(capture)
    try:
        from_ns, to_ns = parse_time_range(capture, arguments.begin, arguments.end)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    drawn = max(first_ns, from_ns or 0), last_ns if to_ns is None else min(last_ns, to_ns)
    if drawn[0] > drawn[1]:
        raise ConfigError("nothing was recorded between these times")
    data = Collector(Columns(*drawn, COLUMNS)).run(capture.read_everything(from_ns, to_ns))
    facts = [("recorder", capture.metadata.recorder), ("host", capture.metadata.host)]
    facts += [(f"{program}", version) for program, version in capture.metadata.versions.items()]
    facts += [("damaged", str(damage)) for damage in capture.damages]
    output.write_text(render_page(data, f"Capture {arguments.file.name}", facts, symbols), encoding="utf-8")
    print(f"{PROGRAM}: {escaped(str(output))}, {output.stat().st_size / 1e6:.2f} MB")
    for damage in capture.damages:
        print(f"{PROGRAM}: {escaped(str(damage))}", file=sys.stderr)
    return EX_DAMAGED if capture.damages else 0
