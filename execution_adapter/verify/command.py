"""`execution-worker verify FILE`: re-derive every decision in a capture and print the first that differs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from quotebus.bus.capture.format.captured import NotACapture
from quotebus.bus.capture.reader import Capture
from quotebus.bus.cli.arguments import Arguments
from quotebus.bus.errors import EX_IOERR, EX_NOINPUT
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.stdout import give_up_stdout
from quotebus.execution_adapter.verify.verifier import Difference, Findings, Verifier

PROGRAM = "execution-worker verify"
ABOUT = (
    "Makes the decisions of a capture again, and prints the first that differs; "
    "exit status 3 when one does, or none can be judged."
)
EX_DIFFERENT = 3


def run_verify(argv: Sequence[str]) -> int:
    """Exit status 0 when every decision that can be judged comes out as recorded.

    3 when one does not, when none can be judged, or when the file is damaged; 66 when there is no decision in it.
    """
    parser = Arguments(PROGRAM, ABOUT, usage=f"{PROGRAM} FILE")
    parser.add_argument("file", type=Path, metavar="FILE", help="a capture: a file, or a folder of its segments")
    path: Path = parser.parse_args(argv).file
    verifier = Verifier()
    try:
        with Capture(path) as capture:
            verifier.run(capture.read_everything())
    except NotACapture as error:
        print(f"{PROGRAM}: {escaped(str(error))}", file=sys.stderr)
        return EX_DIFFERENT
    except OSError as error:
        print(f"{PROGRAM}: {escaped(str(path))}: {error.strerror}", file=sys.stderr)
        return EX_NOINPUT if isinstance(error, FileNotFoundError) else EX_IOERR
    for damage in capture.damages:
        print(f"{PROGRAM}: {escaped(str(damage))}", file=sys.stderr)
    try:
        print("\n".join(format_findings(verifier.findings)), flush=True)
    except OSError as error:
        give_up_stdout()
        if not isinstance(error, BrokenPipeError):
            print(f"{PROGRAM}: {error.strerror}", file=sys.stderr)
            return EX_IOERR
    if capture.damages or verifier.findings.differences or verifier.findings.undecodable:
        return EX_DIFFERENT
    if not verifier.findings.decisions:
        print(f"{PROGRAM}: {escaped(str(path))}: no decision in it", file=sys.stderr)
        return EX_NOINPUT
    if not verifier.findings.agree:
        print(f"{PROGRAM}: {escaped(str(path))}: none of its decisions can be judged", file=sys.stderr)
        return EX_DIFFERENT
    return 0


def format_findings(findings: Findings) -> list[str]:
    """The counts, one per line, and the first difference with both sides."""
    lines = [
        f"decisions    {findings.decisions}",
        f"agree        {findings.agree}",
        f"differ       {findings.differences}",
        f"not judged   {findings.before} (based on messages the capture does not have)",
        f"undecodable  {findings.undecodable}",
        f"as recorded  {_list_as_recorded(findings)}",
    ]
    return lines if findings.first is None else [*lines, *_format_difference(findings.first)]


def _list_as_recorded(findings: Findings) -> str:
    """What this capture does not show of the intents' states, and how often."""
    return ", ".join(f"{name} {count}" for name, count in sorted(findings.as_recorded.items())) or "nothing"


def _format_difference(difference: Difference) -> list[str]:
    decision = difference.decision
    return [
        "",
        f"first difference: message {difference.sequence}, decision {decision.decision_id!a} of "
        f"{decision.client!a} on {decision.symbol!a} {decision.side!a} at now_ns {decision.now_ns}",
        f"  based on    quote {_format_reference(decision.quote)}, health {_format_reference(decision.health)}, "
        f"status {_format_reference(decision.status)}",
        f"  {difference.field}",
        f"    recorded    {ascii(difference.recorded)[1:-1]}",
        f"    recomputed  {ascii(difference.recomputed)[1:-1]}",
    ]


def _format_reference(reference: tuple[str, int]) -> str:
    return f"{ascii(reference[0])[1:-1]}#{reference[1]}" if reference[0] else "none"
