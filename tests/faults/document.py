"""Renders the fault table as `pricing/FAULTS.md`."""

from __future__ import annotations

from collections.abc import Iterator

from quotebus.pricing.faults import GROUPS, FaultResponse

_HEAD = """# Faults and responses

Rendered from `faults.py` by `python -m tests.faults --document`. `python -m tests.faults` shows each row to the real
programs and prints the measured times next to these bounds.

- *scope*: what the fault affects. Unless that is the connection, the node does not redial, and other symbols stay
  usable.
- *published*: the state of the connection (backing_off, refused, suspect, circuit_open, streaming) or of the symbol,
  with its cause; or the flag that the symbol's quotes carry; or the counter that rises.
- *within*: seconds from the fault to the event at a subscriber; `+ SETTING`: plus the time set there.
- *redial*: the connection is closed and opened again after the backoff. `kill -HUP` ends the wait, at most twice a
  minute, unless the upstream asked for it (406, 429, `Retry-After`).

Whatever happens: there are never two sockets to the upstream, every request is acknowledged within 100 ms and served
once the fault is over, no flagged, stale or halted price is usable, no secret is printed or published, and no program
dies.
"""


def document() -> str:
    """The whole file."""
    return "\n".join([_HEAD, *(line for group, rows in GROUPS.items() for line in _section(group, rows))]) + "\n"


def _section(group: str, rows: tuple[FaultResponse, ...]) -> Iterator[str]:
    yield from (
        f"## {group}",
        "",
        "| fault | what happens | scope | published | within | response |",
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
