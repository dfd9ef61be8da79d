"""Renders the fault table as `pricing/FAULTS.md`."""

from __future__ import annotations

from collections.abc import Iterator

from quotebus.pricing.failures import FaultResponse
from quotebus.pricing.faults import GROUPS

_HEAD = """# Faults and answers

Rendered from `failures.py` and `faults.py` by `python -m tests.faults --document`; `python -m tests.faults` shows each
row to the real programs and prints the measured times beside these bounds.

- *scope*: what the fault touches. Unless that is the connection, the line is not dialled again and other symbols stay
  usable.
- *published*: the connection's state (backing_off, refused, suspect, circuit_open, streaming) or the symbol's, with its
  cause; or the flag that the symbol's quotes carry; or the counter that rises.
- *within*: seconds from the fault to the event at a subscriber; `+ SETTING`: after the time set there has passed.

Whatever happens: never two sockets upstream, every request is acknowledged within 100 ms and served when the fault is
over, no flagged, stale or halted price is usable, no secret is printed or published, and no program dies.
"""


def document() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *(line for group, rows in GROUPS.items() for line in _section(group, rows))]) + "\n"


def _section(group: str, rows: tuple[FaultResponse, ...]) -> Iterator[str]:
    yield from (
        f"## {group}",
        "",
        "| fault | what happens | scope | published | within | we do |",
        "|---|---|---|---|---|---|",
    )
    for row in rows:
        yield f"| {row.name} | {row.fault} | {row.scope.value} | {_published(row)} | {_within(row)} | {row.action} |"
    yield ""


def _published(row: FaultResponse) -> str:
    if row.flag is not None:
        return f"flag {(row.flag.name or '').lower()}"
    told = f"{row.state}, {row.cause}"
    if row.counter:
        told += f"; counter `{row.counter}`"
    return told + (f"; then {row.then}" if row.then else "")


def _within(row: FaultResponse) -> str:
    bound = f"{row.within_s:g}" + (f" + `{row.after}`" if row.after else "")
    return bound + (f"; {row.then_within_s:g}" if row.then else "")
