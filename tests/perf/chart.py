"""Draw what `make bench` and `make latency` have measured: `make chart ARGS="bench.json latency.json docs/speed.svg"`.

One panel for each measurement, one bar for each contender, medians over the rounds that others did not disturb. A
latency's bar is its p50, the line beyond it its p99; the scale ends where a contender falls behind without end.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from tests.perf.processors import CROWDED

ORDER = ("quotebus", "bare", "cryptofeed", "alpaca-py")
NAMES = {
    "quotebus": "quotebus",
    "bare": "bare PUB, proxy, SUB",
    "cryptofeed": "cryptofeed, no broker",
    "alpaca-py": "alpaca-py, direct",
}
COLOURS = {"quotebus": "#1f6feb", "bare": "#8b949e", "cryptofeed": "#8b949e", "alpaca-py": "#8b949e"}
BEHIND = 50.0
"""Times the fastest: such a latency is that of a queue which grows as long as the run lasts."""
PANEL, LEFT, ROW, TOP = 300, 150, 24, 46


@dataclass(frozen=True, slots=True)
class Bar:
    """A contender's figure; `beyond` is its p99 where it has one."""

    contender: str
    figure: float
    beyond: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One measurement. `spell` writes a figure."""

    title: str
    bars: list[Bar]
    spell: Callable[[Bar], str]


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """The rounds that count: those that others did not disturb; of a contender that has fewer than half such, all."""
    rounds = [each for path in paths for each in json.loads(path.read_text())["rounds"]]
    chosen: list[dict[str, Any]] = []
    for kind in dict.fromkeys(map(_kind, rounds)):
        of = [each for each in rounds if _kind(each) == kind]
        quiet = [each for each in of if each["others"] < CROWDED]
        chosen += quiet if len(quiet) * 2 >= len(of) else of
    return chosen


def _kind(measured: dict[str, Any]) -> tuple[Any, ...]:
    return measured["contender"], measured["per_frame"], measured["rate"]


def panels(rounds: list[dict[str, Any]]) -> Iterator[Panel]:
    loads = sorted({(each["rate"], each["per_frame"]) for each in rounds})
    for rate, per_frame in loads:
        of = [each for each in rounds if (each["rate"], each["per_frame"]) == (rate, per_frame)]
        names = [name for name in ORDER if any(each["contender"] == name for each in of)]

        def median(name: str, key: str, of: list[dict[str, Any]] = of) -> float:
            return statistics.median(each[key] for each in of if each["contender"] == name)

        if rate:
            bars = [Bar(name, median(name, "p50_ms"), median(name, "p99_ms")) for name in names]
            yield Panel(f"latency at {rate:,.0f} quotes/s", bars, lambda bar: f"{bar.figure:.2f}, {bar.beyond:.2f} ms")
        else:
            bars = [Bar(name, median(name, "quotes_per_s")) for name in names]
            frame = "one quote a frame" if per_frame == 1 else f"{per_frame} quotes a frame"
            yield Panel(f"quotes a second, {frame}", bars, lambda bar: f"{bar.figure / 1_000:,.0f} k")


def draw(all_panels: list[Panel]) -> str:
    """An SVG that reads on a light and on a dark page."""
    rows = max(len(panel.bars) for panel in all_panels)
    lines = -(-len(all_panels) // 2)
    width, height = 2 * (LEFT + PANEL) + 20, lines * (TOP + rows * ROW + 10) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(all_panels):
        x, y = number % 2 * (LEFT + PANEL + 10) + 10, number // 2 * (TOP + rows * ROW + 10)
        parts += _draw_panel(panel, x, y)
    note = "Latency: the bar is p50, the line ends at p99. Medians of interleaved rounds on the same two cores."
    parts.append(f'<text x="10" y="{height - 12}" fill="#57606a">{escape(note)}</text></svg>')
    return "\n".join(parts) + "\n"


def _draw_panel(panel: Panel, x: int, y: int) -> Iterator[str]:
    least = min(bar.figure for bar in panel.bars)
    behind = {bar.contender for bar in panel.bars if bar.beyond is not None and bar.figure > BEHIND * least}
    ends = [bar.beyond or bar.figure for bar in panel.bars if bar.contender not in behind]
    scale = (PANEL - 90) / max(ends)
    yield f'<text x="{x}" y="{y + 26}" font-weight="bold" fill="#1f2328">{escape(panel.title)}</text>'
    for row, bar in enumerate(panel.bars):
        top, colour = y + TOP - 8 + row * ROW, COLOURS[bar.contender]
        weight = ' font-weight="bold"' if bar.contender == "quotebus" else ""
        yield f'<text x="{x}" y="{top + 13}"{weight} fill="#1f2328">{escape(NAMES[bar.contender])}</text>'
        if bar.contender in behind:
            yield f'<text x="{x + LEFT}" y="{top + 13}" fill="#57606a">falls behind without end</text>'
            continue
        end = x + LEFT + bar.figure * scale
        yield f'<rect x="{x + LEFT}" y="{top + 2}" width="{bar.figure * scale:.1f}" height="14" fill="{colour}"/>'
        if bar.beyond is not None:
            line = x + LEFT + bar.beyond * scale
            path = f"M{end:.1f} {top + 9}H{line:.1f}M{line:.1f} {top + 4}v10"
            yield f'<path d="{path}" stroke="{colour}" stroke-width="2"/>'
            end = max(end, line)
        yield f'<text x="{end + 6:.1f}" y="{top + 13}" fill="#1f2328">{escape(panel.spell(bar))}</text>'


def main() -> int:
    *measured, drawn = map(Path, sys.argv[1:])
    drawn.write_text(draw(list(panels(read(measured)))))
    print(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
