"""The screen of `top`: header, table and panels, drawn from a snapshot and the user's choices. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Claim, RecorderState, SymbolState
from quotebus.bus.process.units import (
    format_clock,
    format_duration,
    format_price,
    format_quantity,
    format_rate,
    format_size,
)
from quotebus.bus.protocol import MAX_SYMBOLS
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.freshness import describe_currency
from quotebus.bus.tap.pace import Pacing, skip_pacing
from quotebus.bus.tap.price_history import PriceHistory, draw_trend
from quotebus.bus.tap.snapshot import NOT_HEARD, ConnectionLine, Snapshot, SymbolRow
from quotebus.bus.tap.top.controls import HELP, Controls, select_rows
from quotebus.bus.tap.usability import Usability

MIDDLE, WIDE, WIDEST = 96, 125, 150
"""From these widths on: a trend; sizes, causes and client names; both."""
_TREND = 12
_TREND_S = 300
_MAX_LINES = 4
_KEYS = ("? help", "q quit", "s sort", "/ filter", "Enter why", "u unusable", "c counters")
_STATE_STYLES = {
    "streaming": "bold green", "idle": "cyan", "standby": "cyan", "connecting": "yellow", "authenticating": "yellow",
    "subscribing": "yellow", "suspect": "bold yellow", "backing_off": "bold red", "circuit_open": "bold red",
    "refused": "bold red", "stopped": "bold red", "live": "green", "quiet": "cyan", "halted": "bold magenta",
    "stale": "yellow", "pending": "yellow", "evicted": "red", "released": "dim",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column's heading, width, alignment, and the sort order that it marks."""

    title: str
    width: int
    right: bool
    sort: str = ""


_NARROW = (
    TableColumn("SYMBOL", 8, False, "symbol"),
    TableColumn("BID", 9, True),
    TableColumn("ASK", 9, True),
    TableColumn("SPREAD", 7, True, "spread"),
    TableColumn("AGE", 6, True, "age"),
    TableColumn("RATE/s", 7, True, "rate"),
    TableColumn("STATE", 8, False, "state"),
    TableColumn("CL", 3, True, "clients"),
    TableColumn("USABLE", 15, False, "usable"),
)
_BROAD = (
    TableColumn("SYMBOL", 9, False, "symbol"),
    TableColumn("BID SZ", 7, True),
    TableColumn("BID", 10, True),
    TableColumn("ASK", 10, True),
    TableColumn("ASK SZ", 7, True),
    TableColumn("SPREAD", 8, True, "spread"),
    TableColumn("AGE", 7, True, "age"),
    TableColumn("RATE/s", 7, True, "rate"),
    TableColumn("STATE", 9, False, "state"),
    TableColumn("CAUSE", 13, False),
    TableColumn("USABLE", 17, False, "usable"),
    TableColumn("CLIENTS", 8, False, "clients"),
)

_TRENDING = TableColumn("5 MINUTES", _TREND, False)
_ANSWER = TableColumn("USABLE", 24, False, "usable")
_MEDIUM = (_NARROW[0], _TRENDING, *_NARROW[1:])
_BROADEST = (_BROAD[0], _TRENDING, *_BROAD[1:-2], _ANSWER, _BROAD[-1])


def render_screen(
    shown: Snapshot,
    controls: Controls,
    width: int,
    height: int,
    panel: Sequence[Text] = (),
    pace: Pacing = skip_pacing,
    history: PriceHistory | None = None,
) -> list[Text]:
    """At most `height` lines of at most `width` columns; `panel` takes the place of the table."""
    head = render_header(shown, width)
    foot = _footer(shown, controls, width)
    room = max(0, height - len(head) - 1)
    if controls.panel == "help":
        body: list[Text] = [Text.assemble((f" {keys:<28}", "bold"), meaning) for keys, meaning in HELP]
    elif controls.panel == "counters":
        body = render_counters(shown, width)
    elif controls.panel:
        body = list(panel)
    else:
        body = render_table(shown, controls, width, room, pace, history=history)
    lines = [*head, *body[:room]]
    lines += [Text("")] * (height - 1 - len(lines))
    return [_fitted(line, width) for line in [*lines[: height - 1], foot]]


def count_page_rows(shown: Snapshot, width: int, height: int) -> int:
    """How many rows of the table fit on the screen."""
    return max(1, height - len(render_header(shown, width)) - 2)


def render_snapshot(
    shown: Snapshot,
    controls: Controls,
    width: int,
    pace: Pacing = skip_pacing,
    history: PriceHistory | None = None,
) -> list[Text]:
    """The header and all rows, for a pipe."""
    rows = render_table(shown, controls, width, len(shown.rows) + 1, pace, cursor=False, history=history)
    return [_fitted(line, width) for line in [*render_header(shown, width), *rows]]


def render_header(shown: Snapshot, width: int) -> list[Text]:
    """Connections, the bus, counters, recorders."""
    heard = {True: "", False: "NOT CONNECTED", None: "capture"}[shown.connected]
    title = Text.assemble(
        ("quotebus", "bold"),
        "  ",
        clean(shown.origin, 50),
        "  ",
        (heard, "bold red" if heard == "NOT CONNECTED" else ""),
    )
    title.append(" " * max(1, width - len(title.plain) - 13))
    title.append(f"{format_clock(shown.now_ns)}Z", "dim")
    lines = [title]
    if shown.currency is not None and (trouble := describe_currency(shown.currency)):
        lines.append(Text(trouble, "bold red"))
    if not any(not line.orders for line in shown.lines):
        lines.append(Text.assemble(("line  ", "bold"), ("no pricing node heard", "bold red")))
    for line in shown.lines[:_MAX_LINES]:
        lines += _line(line, width, shown.connected)
    if len(shown.lines) > _MAX_LINES:
        rest = ", ".join(f"{clean(line.node, 24)} {clean(line.state, 20)}" for line in shown.lines[_MAX_LINES:])
        lines.append(Text(f"      and {len(shown.lines) - _MAX_LINES} more: {rest}", "dim"))
    bus = f"{format_rate(shown.messages_per_s)} msg/s  {format_size(shown.bytes_per_s)}/s"
    bus += f"  {format_rate(shown.quotes_per_s)} quotes/s"
    lines.append(
        Text.assemble(
            ("bus   ", "bold"),
            bus,
            "  ",
            _counted("lost here", shown.lost_here),
            "  ",
            _counted("bad", sum(shown.unreadable.values())),
        )
    )
    for name, count in (("not subscribed", shown.not_subscribed), ("forged", shown.forged)):
        if count:
            lines[-1].append_text(Text.assemble("  ", _counted(name, count)))
    if shown.replayed:
        lines[-1].append(f"  replayed {shown.replayed}", "magenta")
    if shown.beyond_bound:
        lines.append(
            Text(f"      {shown.beyond_bound} messages of symbols beyond the first {MAX_SYMBOLS:,}", "bold red")
        )
    programs = Text.assemble(("count ", "bold"))
    for number, (name, value) in enumerate(shown.programs.items()):
        programs.append("  " if number else "")
        programs.append_text(_counted(name, value, "" if name == "conflated" else "bold red"))
    programs.append(f"  (counters. of {len(shown.counters)} programs)", "dim")
    lines.append(programs)
    for recorder in shown.recorders[:2]:
        lines.append(
            Text.assemble(
                ("rec   ", "bold"),
                f"{clean(recorder.name, 20)} ",
                (clean(recorder.state, 20), "bold red" if recorder.state == RecorderState.FAILED else ""),
                f" ({clean(recorder.cause, 20)})  {recorder.messages} msg {format_size(recorder.bytes)}  ",
                _counted("lost", recorder.lost),
                f"  {clean(recorder.file, 40)}",
            )
        )
    return lines


def _line(line: ConnectionLine, width: int, connected: bool | None) -> list[Text]:
    text = Text.assemble(
        ("order " if line.orders else "line  ", "bold"), f"{clean(line.node, 24)} ({clean(line.feed, 10)}) "
    )
    state = clean(line.state, 20)
    text.append(state, _STATE_STYLES.get(state, "") if connected is not False and not line.silent else "dim")
    text.append(f" {clean(line.cause, 24)}")
    if line.replayed:
        text.append(" REPLAY", "bold magenta")
    if line.silent:
        text.append(f"  SILENT for {format_duration(line.heard_ago_ns)}", "bold red")
    elif line.retry_in_ns is not None:
        text.append(f"  next try in {format_duration(max(0, line.retry_in_ns))}", "bold yellow")
    if not line.silent:
        text.append(f"  for {format_duration(line.for_ns)}")
    if line.attempt and line.orders:
        text.append(f"  failures {line.attempt}", "red")
    lines = [text]
    if line.detail:
        lines.append(Text(f"      {clean(line.detail, width - 6)}", "dim"))
    if not line.orders:
        parts = [
            f"{'last: ' if line.silent else ''}{line.desired} wanted {line.acknowledged} acked {line.live} live",
            f"connection {line.connection}",
            *([f"failures {line.attempt}"] if line.attempt else []),
        ]
        if line.lag_ns is not None:
            parts.append(f"lag {format_duration(line.lag_ns)}")
        if line.last_byte_ago_ns is not None:
            parts.append(f"last byte {format_duration(line.last_byte_ago_ns)}")
        if line.last_gap_ns is not None:
            parts.append(f"gap {format_duration(line.last_gap_ns)}, {format_duration(line.last_gap_ago_ns)} ago")
        lines += _packed(parts, width)
    return lines


def _packed(parts: Sequence[str], width: int) -> list[Text]:
    """Lines below the state, as many parts on each as fit."""
    lines = [f"      {parts[0]}"]
    for part in parts[1:]:
        if len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(f"      {part}")
    return [Text(line) for line in lines]


def render_table(
    shown: Snapshot,
    controls: Controls,
    width: int,
    height: int,
    pace: Pacing = skip_pacing,
    *,
    cursor: bool = True,
    history: PriceHistory | None = None,
) -> list[Text]:
    """Headings and the rows around the cursor, `height` lines in total. `history` has the trends."""
    columns = _choose_columns(width, history is not None)
    heading = Text("")
    for column in columns:
        mark = ("v" if controls.descending else "^") if column.sort == controls.sort else ""
        title = f"{column.title}{mark}"
        title = title.rjust(column.width) if column.right else title.ljust(column.width)
        heading.append(f"{title} ", "bold underline" if mark else "bold")
    rows = select_rows(shown.rows, controls)
    at = min(controls.at, max(0, len(rows) - 1))
    first = max(0, min(at - (height - 1) // 2, len(rows) - (height - 1))) if height > 1 else 0
    lines = [heading]
    for number, row in enumerate(pace(rows[first : first + height - 1]), first):
        line = _row(row, columns, width, shown.now_ns, history)
        if cursor and number == at:
            line.stylize("reverse")
        lines.append(line)
    if not rows:
        nothing = "no symbol matches the filter" if shown.rows else "no symbol is requested or quoted"
        lines.append(Text(nothing, "dim"))
    return lines


def _choose_columns(width: int, trends: bool) -> Sequence[TableColumn]:
    if width < WIDE:
        return _MEDIUM if trends and width >= MIDDLE else _NARROW
    return _BROADEST if trends and width >= WIDEST else _BROAD


def _row(row: SymbolRow, columns: Sequence[TableColumn], width: int, now_ns: int, history: PriceHistory | None) -> Text:
    dim = "" if row.usable is Usability.YES else "dim"
    why, why_style = _usable(row)
    trend = ""
    if history is not None:
        room = next(column.width for column in columns if column.title == "USABLE")
        why = _add_since(why, row, now_ns, history, room)
        if _TRENDING in columns:
            trend = draw_trend(history.list_points(row.symbol, now_ns, _TREND_S), _TREND)
    state, state_style = _state(row)
    values = {
        "SYMBOL": (row.symbol, "bold"),
        "5 MINUTES": (trend, dim),
        "BID SZ": (format_quantity(row.bid_size), dim),
        "BID": (format_price(row.bid_price), dim),
        "ASK": (format_price(row.ask_price), dim),
        "ASK SZ": (format_quantity(row.ask_size), dim),
        "SPREAD": (format_price(row.spread), dim),
        "AGE": (format_duration(row.age_ns), dim),
        "RATE/s": (format_rate(row.per_s), dim),
        "STATE": (state, state_style),
        "CAUSE": (clean(row.cause, 13), ""),
        "CL": ("-" if row.since_ns is None else str(len(row.clients)), ""),
        "USABLE": (why, why_style),
        "CLIENTS": (_clients(row.clients, width), ""),
    }
    parts: list[tuple[str, str]] = []
    for column in columns:
        text, style = values[column.title]
        room = column.width - cell_len(text)
        if room < 0 and column.title != "CLIENTS":
            text, room = set_cell_size(text, column.width - 1) + "~", 0
        text = (" " * room + text if column.right else text + " " * room) + " "
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + text, style)  # fewer parts are drawn faster
        else:
            parts.append((text, style))
    return Text.assemble(*parts)


def _state(row: SymbolRow) -> tuple[str, str]:
    """The symbol's state; one that promises a price is in doubt, `live?`, while its line does not stream."""
    state = clean(row.state, 9)
    if row.state in (SymbolState.LIVE, SymbolState.QUIET) and not row.confirmed:
        return f"{state}?", "dim"
    return state, "dim" if row.replayed else _STATE_STYLES.get(state, "")


def _usable(row: SymbolRow) -> tuple[str, str]:
    """`yes`, the first reason against the price, or that this tap has not received enough yet."""
    if row.usable is Usability.YES:
        return "yes", "green"
    if row.usable is Usability.UNKNOWN:
        return "not heard" if NOT_HEARD in row.reasons else "not heard yet", "dim"
    return row.reasons[0] if row.reasons else "", "magenta" if row.replayed else "red"


def _add_since(why: str, row: SymbolRow, now_ns: int, history: PriceHistory, room: int) -> str:
    """With since when the price may not be used, where there is room for it."""
    since_ns = history.since_ns(row.symbol)
    if row.usable is not Usability.NO or since_ns is None:
        return why
    told = f"{why} {format_duration(max(0, now_ns - since_ns) // NS_PER_S * NS_PER_S)}"
    return told if len(told) <= room else why


def _clients(claims: Sequence[Claim], width: int) -> str:
    if not claims:
        return "-"
    names = [f"{clean(claim.client, 40)}{f'({claim.priority})' if claim.priority else ''}" for claim in claims]
    text = f"{len(names)}: {', '.join(names)}" if len(names) > 1 else names[0]
    return text[: max(8, width)]


def render_counters(shown: Snapshot, width: int) -> list[Text]:
    """Every non-zero counter, by source."""
    lines: list[Text] = []
    for source, counted in shown.counters.items():
        lines.append(Text(clean(source, 60), "bold"))
        named = [f"{clean(name, 40)} {value}" for name, value in counted.items() if value]
        room = max(map(len, named), default=0) + 2
        across = max(1, (width - 2) // room)
        shared = (named[at : at + across] for at in range(0, len(named), across))
        lines += [Text("  " + "".join(text.ljust(room) for text in part).rstrip()) for part in shared]
    return lines or [Text("no counters heard yet", "dim")]


def _footer(shown: Snapshot, controls: Controls, width: int) -> Text:
    if controls.typing:
        return Text.assemble(
            ("filter: ", "bold"), controls.filter, ("_", "blink"), ("   Enter applies, Esc clears", "dim")
        )
    count = len(select_rows(shown.rows, controls))
    held = ("FROZEN  ", "bold reverse") if controls.held else ("", "")
    kept = f" ({controls.filter!r})" if controls.filter else ""
    trouble = "  unusable only" if controls.trouble_only else ""
    position = f"{min(controls.at + 1, count)}/{count} of {len(shown.rows)}{kept}{trouble}"
    line = Text.assemble(held, position)
    for key in _KEYS:
        if line.cell_len + 2 + len(key) <= width:
            line.append(f"  {key}", "dim")
    return line


def _counted(name: str, value: int, style: str = "bold red") -> Text:
    return Text(f"{name} {value}", style if value else "")


def _fitted(line: Text, width: int) -> Text:
    line.truncate(width)
    return line
