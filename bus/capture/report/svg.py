"""Pictures of a report as SVG: axes, shaded spans, bands of extremes, bars; text of a capture is escaped. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isnan, log10

from quotebus.bus.capture.report.collect import DecisionMark, Span, SymbolData
from quotebus.bus.capture.report.labels import choose_time_ticks, choose_value_ticks, escape_text, format_count
from quotebus.bus.capture.report.scale import STEPS_PER_DECADE, Columns, Extremes, LogHistogram, find_edge
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.process.units import format_clock, format_duration

LEFT, RIGHT = 78, 12
SPARE = 0.005
"""This share of columns at either end does not stretch the price axis; prices beyond are marked at the edge."""
HIGHEST_SPANS = 800


@dataclass(frozen=True, slots=True)
class PlotArea:
    """The place of a picture's plot area, and the time and values that it covers."""

    columns: Columns
    top: float
    height: float
    low: float = 0.0
    high: float = 1.0

    def x(self, at_ns: int) -> float:
        return LEFT + self.columns.position(at_ns)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.top + self.height * (1 - min(max(share, 0.0), 1.0))

    @property
    def right(self) -> float:
        return LEFT + self.columns.count

    @property
    def bottom(self) -> float:
        return self.top + self.height


def draw_svg(width: float, height: float, label: str, parts: Iterable[str], more: str = "") -> str:
    body = "".join(parts)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape_text(label)}"{more}>{body}</svg>'


def draw_timed(width: float, height: float, label: str, parts: Iterable[str], more: str = "") -> str:
    """A picture over time, which the page's script can zoom; on a phone it is moved sideways."""
    picture = draw_svg(width, height, label, parts, f' class="timed"{more}')
    return f"<div class=pan>{picture}</div>"


def _zoomed(columns: Columns, bottom: float, parts: Iterable[str]) -> str:
    """What is stretched when the picture is zoomed, clipped to the plot area."""
    place = (
        f'x="{LEFT}" y="0" width="{columns.count}" height="{bottom:g}" viewBox="{LEFT} 0 {columns.count} {bottom:g}"'
    )
    return f'<svg class="clip" preserveAspectRatio="none" {place}><g class="zoom">{"".join(parts)}</g></svg>'


def format_ms(at_ns: int) -> str:
    """An instant as scripts take it."""
    return f"{at_ns / NS_PER_MS:.3f}"


def _series(values: Extremes) -> str:
    """Each column's last price in ten-thousandths, as differences; empty where there is none."""
    parts, former = [], 0
    for value in values.last:
        if isnan(value):
            parts.append("")
            continue
        now = round(value * 10_000)
        parts.append(str(now - former))
        former = now
    return " ".join(parts)


def draw_text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{content}</text>'


def draw_prices(symbol: SymbolData, columns: Columns, missed: Sequence[Span]) -> str:
    """Bid and ask over time, with the spans in which they were not usable, and below them quotes per second."""
    ranges = [found for side in (symbol.bid, symbol.ask) if (found := side.range(SPARE)) is not None]
    if not ranges:
        low, high = 0.0, 1.0
    else:
        low, high = min(found[0] for found in ranges), max(found[1] for found in ranges)
        margin = (high - low) * 0.08 or abs(high) * 0.0005 or 1.0
        low, high = low - margin, high + margin
    prices = PlotArea(columns, 16, 230, low, high)
    wide, rates = _bins(symbol, columns)
    most = max(rates) or 1.0
    updates = PlotArea(columns, 270, 44, 0, most)
    parts = [
        *_value_axis(prices, _price, "USD"),
        *_time_axis(columns, prices.bottom, updates.bottom),
        _zoomed(
            columns,
            updates.bottom,
            [
                *_spans(prices, symbol.unusable, lambda span: "halted" if span.what == "halted" else "unusable"),
                *_spans(prices, missed, lambda _: "gap"),
                *_spans(prices, symbol.gaps, lambda _: "gap"),
                *_band(prices, symbol.bid, "bid", symbol.unusable),
                *_band(prices, symbol.ask, "ask", symbol.unusable),
                *_bars(updates, wide, rates),
            ],
        ),
        *(_mark(prices, mark) for mark in symbol.marks),
        draw_text(LEFT - 8, updates.top + 6, f"{most:.0f}" if most >= 100 else f"{most:.3g}", "tick", "end"),
        draw_text(LEFT - 8, updates.bottom, "0", "tick", "end"),
        draw_text(LEFT - 8, updates.top + 26, "quotes/s", "unit", "end"),
    ]
    label, series = f"{symbol.symbol}: bid and ask in USD over time", (_series(symbol.bid), _series(symbol.ask))
    more = f' data-bid="{series[0]}" data-ask="{series[1]}"'
    return draw_timed(updates.right + RIGHT, updates.bottom + 22, label, parts, more)


def draw_connection(columns: Columns, line: Sequence[Span], missed: Sequence[Span]) -> str:
    """The connection's states over time."""
    frame = PlotArea(columns, 6, 30)
    shapes = [
        *_spans(frame, line, lambda span: f"state s-{escape_text(span.what)}"),
        *_spans(frame, missed, lambda _: "gap"),
    ]
    parts = [_zoomed(columns, frame.bottom, shapes)]
    for span in line[:HIGHEST_SPANS]:
        begin, end = frame.x(span.begin_ns), frame.x(span.end_ns or columns.end_ns)
        place = f'data-from="{format_ms(span.begin_ns)}" data-to="{format_ms(span.end_ns or columns.end_ns)}"'
        hidden = "" if end - begin > 8 * len(span.what) else ' display="none"'
        parts.append(
            f'<text x="{(begin + end) / 2:.1f}" y="{frame.top + 20:.1f}" class="on" text-anchor="middle" {place}'
            f"{hidden}>"
            f"{escape_text(span.what)}</text>"
        )
    parts += _time_axis(columns, frame.bottom, frame.bottom)
    return draw_timed(frame.right + RIGHT, frame.bottom + 22, "state of the upstream connection over time", parts)


def draw_histogram(histogram: LogHistogram, label: str, shown: Callable[[float], str], unit: str) -> str:
    """A distribution over a logarithmic axis."""
    width, height, top, left = 360.0, 118.0, 16.0, 44.0
    if not histogram.steps:
        return draw_svg(width, 60, label, [draw_text(width / 2, 34, "nothing to show", "unit", "middle")])
    first, last = min(histogram.steps), max(histogram.steps)
    first -= (first % STEPS_PER_DECADE) if last - first < STEPS_PER_DECADE else 0
    steps = max(last - first + 1, STEPS_PER_DECADE)
    most = max(histogram.steps.values())
    step_width = (width - left - 8) / steps
    bottom = top + height - 24
    parts = []
    for step, number in sorted(histogram.steps.items()):
        tall = max(1.0, number / most * (bottom - top))
        x = left + (step - first) * step_width
        title = f"{shown(find_edge(step))} to {shown(find_edge(step + 1))}: "
        title += f"{format_count(number)} ({number / histogram.total:.1%})"
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{bottom - tall:.1f}" width="{max(step_width - 1, 0.8):.1f}" '
            f'height="{tall:.1f}"><title>{escape_text(title)}</title></rect>'
        )
    parts.append(f'<path class="axis" d="M{left} {bottom}H{width - 8}"/>')
    decades = range(-(-first // STEPS_PER_DECADE), (first + steps) // STEPS_PER_DECADE + 1)
    every = max(1, len(decades) // 6)
    for decade in decades[::every]:
        x = left + (decade * STEPS_PER_DECADE - first) * step_width
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(draw_text(x, bottom + 13, escape_text(shown(10.0**decade)), "tick", "middle"))
    parts.append(draw_text(left - 6, top + 9, _percent(most / histogram.total), "tick", "end"))
    parts.append(draw_text(left - 6, bottom, "0", "tick", "end"))
    parts.append(draw_text(width - 8, top - 6, escape_text(unit), "unit", "end"))
    return draw_svg(width, top + height, label, parts)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"


def _price(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.4f}"


def _value_axis(frame: PlotArea, shown: Callable[[float], str], unit: str) -> Iterable[str]:
    ticks = choose_value_ticks(frame.low, frame.high)
    finer = len({shown(tick) for tick in ticks}) < len(ticks)
    for tick in ticks:
        y = frame.y(tick)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{frame.right}"/>'
        yield draw_text(LEFT - 8, y + 4, f"{tick:.4f}" if finer else shown(tick), "tick", "end")
    yield draw_text(LEFT - 8, frame.top - 6, unit, "unit", "end")
    yield f'<path class="axis" d="M{LEFT} {frame.top}V{frame.bottom}H{frame.right}"/>'


def _time_axis(columns: Columns, *bottoms: float) -> Iterable[str]:
    ticks = choose_time_ticks(columns.begin_ns, columns.end_ns)
    for bottom in bottoms[-1:]:
        yield f'<path class="axis" d="M{LEFT} {bottom}H{LEFT + columns.count}"/>'
        yield f'<g class="times" data-bottom="{bottom:g}">'
        for tick in ticks:
            x = LEFT + columns.position(tick)
            yield f'<path class="axis" d="M{x:.1f} {bottom}v4"/>'
            yield draw_text(x, bottom + 16, format_clock(tick, milliseconds=False), "tick", "middle")
        yield "</g>"
        yield draw_text(8, bottom + 16, "UTC", "unit zone")


def _spans(frame: PlotArea, spans: Sequence[Span], kind: Callable[[Span], str]) -> Iterable[str]:
    """Shaded stretches, none thinner than a pixel; those that share one pixel are drawn as one."""
    drawn_to: dict[str, float] = {}
    for span in spans:
        begin, end = frame.x(span.begin_ns), frame.x(span.end_ns if span.end_ns is not None else frame.columns.end_ns)
        name = kind(span)
        if end <= drawn_to.get(name, -1.0):
            continue
        end = max(end, begin + 1)
        drawn_to[name] = end
        length = format_duration((span.end_ns or frame.columns.end_ns) - span.begin_ns)
        title = f"{span.what} {format_clock(span.begin_ns)} for {length}"
        if span.detail and span.detail != span.what:
            title += f": {span.detail}"
        yield (
            f'<rect class="{name}" x="{begin:.1f}" y="{frame.top}" width="{end - begin:.1f}" '
            f'height="{frame.height}"><title>{escape_text(title)}</title></rect>'
        )


def _band(frame: PlotArea, values: Extremes, kind: str, unusable: Sequence[Span]) -> Iterable[str]:
    """A step line through each column's lowest and highest value; broken where no usable price was held."""
    broken = _columns_within(frame, unusable)
    path: list[str] = []
    beyond: list[str] = []
    former = -1
    for column, (low, high, last) in enumerate(zip(values.low, values.high, values.last, strict=True)):
        if isnan(low):
            continue
        x = LEFT + column + 0.5
        held = former >= 0 and not broken[former + 1 : column].count(1)
        path.append(f"{f'H{x:.1f}' if held else f'M{x:.1f} {frame.y(low):.1f}'}V{frame.y(low):.1f}")
        if high > low:
            path.append(f"V{frame.y(high):.1f}V{frame.y(last):.1f}")
        elif not held:
            path.append("h1")
        if high > frame.high:
            beyond.append(f"M{x - 3:.1f} {frame.top + 6}l3 -6l3 6z")
        if low < frame.low:
            beyond.append(f"M{x - 3:.1f} {frame.bottom - 6}l3 6l3 -6z")
        former = column
    yield f'<path class="{kind}" d="{"".join(path)}"/>'
    if beyond:
        yield f'<path class="beyond" d="{"".join(beyond)}"><title>prices beyond the axis</title></path>'


def _columns_within(frame: PlotArea, spans: Sequence[Span]) -> bytearray:
    within = bytearray(frame.columns.count)
    for span in spans:
        begin = frame.columns.of(span.begin_ns)
        end = frame.columns.of(span.end_ns if span.end_ns is not None else frame.columns.end_ns)
        within[begin : end + 1] = b"\1" * (end + 1 - begin)
    return within


def _bins(symbol: SymbolData, columns: Columns) -> tuple[int, list[float]]:
    """How many columns make a bin, at least a second wide, and the quotes per second in each bin."""
    wide = min(max(2, -(-1_000_000_000 // columns.width_ns)), columns.count)
    column_s = columns.width_ns / 1e9
    bins = [symbol.updates[at : at + wide] for at in range(0, columns.count, wide)]
    return wide, [sum(counts) / (len(counts) * column_s) for counts in bins]


def _bars(frame: PlotArea, wide: int, rates: Sequence[float]) -> Iterable[str]:
    path = [
        f"M{LEFT + number * wide} {frame.bottom}V{frame.y(rate):.1f}"
        f"H{LEFT + min((number + 1) * wide - 0.5, frame.columns.count):g}V{frame.bottom}z"
        for number, rate in enumerate(rates)
        if rate
    ]
    yield f'<path class="updates" d="{"".join(path)}"/>'


def _mark(frame: PlotArea, mark: DecisionMark) -> str:
    if mark.price is not None:
        y = frame.y(mark.price)
        up = mark.side == "buy"
        shape = f"M-3.5 {7 if up else -7}l3.5 {-7 if up else 7}l3.5 {7 if up else -7}z"
        kind = "buy" if up else "sell"
    else:
        y, shape = frame.bottom - 6, "M-3 -3l6 6m0 -6l-6 6"
        kind = "refuse" if mark.action == "refuse" else "market"
    title = escape_text(f"{format_clock(mark.at_ns)} {mark.text}")
    place = (
        f'transform="translate({frame.x(mark.at_ns):.1f} {y:.1f})" data-ms="{format_ms(mark.at_ns)}" data-y="{y:.1f}"'
    )
    return f'<path class="mark {kind}" d="{shape}" {place}><title>{title}</title></path>'


def format_log(value: float) -> str:
    """A decade as a plain number."""
    return f"{value:g}" if -4 <= log10(value) <= 5 else f"1e{round(log10(value))}"
