"""The page of a report: one HTML file with its style and one script inside, and nothing loaded. Pure.

The policy in its head lets this very script run and no other, so nothing that a capture holds can act.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quotebus.bus.capture.report.collect import HOPS, ReportData, SymbolData
from quotebus.bus.capture.report.events import render_events
from quotebus.bus.capture.report.labels import escape_text, format_count
from quotebus.bus.capture.report.scale import LogHistogram
from quotebus.bus.capture.report.script import SCRIPT, SCRIPT_HASH
from quotebus.bus.capture.report.style import STYLE
from quotebus.bus.capture.report.svg import (
    LEFT,
    draw_connection,
    draw_histogram,
    draw_prices,
    format_log,
    format_ms,
)
from quotebus.bus.process.units import format_duration, format_instant, format_size

MOST_PICTURES = 24
"""How many symbols are drawn if none are named: those with the most quotes."""
_NOTE = (
    "A pixel shows the lowest, highest and last value of its time; a line ends where no usable price was held. "
    "Times are by the recorder's clock unless stated otherwise. Hover over a mark for details."
)
_TOOLS = (
    "<div id=tools hidden><button id=zoom-in type=button title='zoom in (+)'>+</button>"
    "<button id=zoom-out type=button title='zoom out (-)'>−</button>"
    "<button id=zoom-all type=button title='everything (0)'>all</button>"
    "<label><input id=local type=checkbox> local time</label><span id=window></span>"
    "<span class=hint>drag to zoom, double click for everything</span><output id=readout hidden></output></div>"
)


def render_page(data: ReportData, title: str, facts: Sequence[tuple[str, str]], symbols: Sequence[str] = ()) -> str:
    """The whole page. `facts`: lines for the head, such as host and damage. `symbols`: those to draw."""
    drawn = _drawn(data, symbols)
    body = "".join([
        f"<header><h1>{escape_text(title)}</h1>{_facts(data, facts)}</header>",
        _tiles(data),
        _legend(),
        _TOOLS,
        _section("Events", render_events(data, drawn)),
        _section("Connection", _connection(data), "connection"),
        _section("Latency", _latency(data)),
        _section("Symbols", _symbol_table(data, drawn)),
        *(_symbol(symbol, data) for symbol in drawn),
        f"<footer><p>{_NOTE}</p></footer>",
    ])  # fmt: skip
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src '{SCRIPT_HASH}'\">"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<title>{escape_text(title)}</title><style>{STYLE}</style></head>{_open_body(data)}{body}"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _drawn(data: ReportData, wanted: Sequence[str]) -> list[SymbolData]:
    if wanted:
        return [data.symbols[name] for name in wanted if name in data.symbols]
    busiest = sorted(data.symbols.values(), key=lambda symbol: (-symbol.quotes, symbol.symbol))
    return busiest[:MOST_PICTURES]


def _connection(data: ReportData) -> str:
    return draw_connection(data.columns, data.line, data.missed) + _state_table(data)


def _section(heading: str, content: str, name: str = "") -> str:
    named = f' id="{name}"' if name else ""
    return f"<section{named}><h2>{heading}</h2>{content}</section>"


def _open_body(data: ReportData) -> str:
    """With what the script must know of the time axis."""
    columns = data.columns
    until_ns = columns.begin_ns + columns.width_ns * columns.count
    axis = f'data-begin="{format_ms(columns.begin_ns)}" data-end="{format_ms(until_ns)}"'
    return f'<body {axis} data-left="{LEFT}" data-columns="{columns.count}">'


def _facts(data: ReportData, facts: Sequence[tuple[str, str]]) -> str:
    columns = data.columns
    lines = [
        ("from", f"{format_instant(columns.begin_ns)} UTC"),
        ("to", f"{format_instant(columns.end_ns)} UTC ({format_duration(columns.end_ns - columns.begin_ns)})"),
        *facts,
    ]
    rows = "".join(
        f"<div><dt>{escape_text(name)}</dt><dd>{escape_text(value, 400)}</dd></div>" for name, value in lines if value
    )
    return f"<dl>{rows}</dl>"


def _tiles(data: ReportData) -> str:
    quotes = sum(symbol.quotes for symbol in data.symbols.values())
    decisions = sum(symbol.decisions.total() for symbol in data.symbols.values())
    tiles = [
        ("messages", format_count(data.messages), format_size(data.bytes)),
        ("quotes", format_count(quotes), f"{len(data.symbols)} symbols"),
        ("trades", format_count(data.kinds["trade"]), ""),
        ("decisions", format_count(decisions), ""),
        ("lost", format_count(data.lost), "noted by the recorder"),
        ("connections", format_count(len([span for span in data.line if span.what == "streaming"])), "times streaming"),
        ("undecodable", format_count(data.undecodable), ""),
    ]
    if data.left_out:
        tiles.append(("left out", format_count(data.left_out), "beyond the limits of this page"))
    return "<div class=tiles>" + "".join(map(_tile, tiles)) + "</div>"


def _tile(tile: tuple[str, str, str]) -> str:
    name, value, more = tile
    bad = " bad" if name in ("lost", "undecodable", "left out") and value != "0" else ""
    return f'<div class="tile{bad}"><b>{value}</b><span>{name}</span><small>{more}</small></div>'


def _state_table(data: ReportData) -> str:
    spent: dict[tuple[str, str], tuple[int, int]] = {}
    for span in data.line:
        times, total = spent.get((span.what, span.detail), (0, 0))
        length = max(0, (span.end_ns or data.columns.end_ns) - span.begin_ns)
        spent[span.what, span.detail] = (times + 1, total + length)
    rows = [
        [
            f'<i class="dot s-{escape_text(state)}"></i>{escape_text(state)}',
            escape_text(cause),
            format_count(times),
            format_duration(total),
        ]
        for (state, cause), (times, total) in sorted(spent.items(), key=lambda item: -item[1][1])[:40]
    ]
    return _table(["state", "cause", "times", "time in it"], rows)


def _latency(data: ReportData) -> str:
    cards = []
    for hop in HOPS:
        histogram = data.hops[hop]
        picture = draw_histogram(histogram, hop, format_duration, "share of quotes")
        early = ""
        if histogram.not_positive:
            early = f" · {format_count(histogram.not_positive)} not above 0: the two clocks differ"
        cards.append(f"<figure><figcaption>{hop}</figcaption>{picture}<p>{_quantiles(histogram)}{early}</p></figure>")
    return f"<div class=cards>{''.join(cards)}</div>"


def _quantiles(histogram: LogHistogram) -> str:
    if not histogram.total:
        return "no quotes"
    parts = [f"p{share * 100:g} {format_duration(histogram.quantile(share))}" for share in (0.5, 0.99, 0.999)]
    return " · ".join([*parts, f"max {format_duration(histogram.highest)}"])


def _symbol_table(data: ReportData, drawn: Sequence[SymbolData]) -> str:
    names = {symbol.symbol for symbol in drawn}
    length = max(1, data.columns.end_ns - data.columns.begin_ns)
    rows = []
    for symbol in sorted(data.symbols.values(), key=lambda symbol: (-symbol.quotes, symbol.symbol)):
        unusable = sum((span.end_ns or data.columns.end_ns) - span.begin_ns for span in symbol.unusable)
        name = escape_text(symbol.symbol)
        spread = symbol.spread_bps.quantile(0.5)
        rows.append([
            f'<a href="#{name}">{name}</a>' if symbol.symbol in names else name,
            format_count(symbol.quotes),
            format_count(symbol.trades),
            "–" if spread is None else f"{spread:.3g}",
            f"{min(1.0, unusable / length):.1%}",
            format_count(symbol.flagged),
            _list_decisions(symbol) or "–",
        ])  # fmt: skip
    heads = ["symbol", "quotes", "trades", "median spread, bps", "not usable", "flagged", "decisions"]
    table = _table(heads, rows)
    return table if len(rows) <= 40 else f"<details><summary>{len(rows)} symbols</summary>{table}</details>"


def _list_decisions(symbol: SymbolData) -> str:
    frequent = symbol.decisions.most_common(4)
    return ", ".join(f"{format_count(number)} {escape_text(action)}" for action, number in frequent)


def _symbol(symbol: SymbolData, data: ReportData) -> str:
    spread = draw_histogram(symbol.spread_bps, "spread", format_log, "share of quotes")
    rate = draw_histogram(symbol.rate, "updates", format_log, "share of seconds")
    reasons = sorted({span.what for span in symbol.unusable})
    why = f"Not usable at times: {escape_text(', '.join(reasons))}." if reasons else "Usable throughout."
    return _section(
        f'<a id="{escape_text(symbol.symbol)}"></a>{escape_text(symbol.symbol)}',
        f"{draw_prices(symbol, data.columns, data.missed)}<p class=why>{why}</p><div class=cards>"
        f"<figure><figcaption>spread, basis points of the mid</figcaption>{spread}</figure>"
        f"<figure><figcaption>quotes per second, in seconds with at least one</figcaption>{rate}</figure></div>",
        f"p-{escape_text(symbol.symbol)}",
    )


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _legend() -> str:
    keys = [
        ("bid", "bid"), ("ask", "ask"), ("unusable", "price not usable"), ("halted", "halted"),
        ("gap", "data missed or lost"), ("buy", "▲ limit, buy"), ("sell", "▼ limit, sell"),
        ("market", "× market"), ("refuse", "× refused"),
    ]  # fmt: skip
    items = "".join(f'<span><i class="key k-{kind}"></i>{name}</span>' for kind, name in keys)
    return f"<div class=legend>{items}</div>"
