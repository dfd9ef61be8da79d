"""A picture as Prometheus metrics, under Prometheus's own conventions: base units, `_total`, `_seconds`, few labels.

Labels are names of nodes, programs and counters, which are bounded in the view; no metric has a symbol as a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from quotebus.bus.events import ConnectionState, ExecutionOutcome, RecorderState, SymbolState
from quotebus.bus.serve.hop_latency import BOUNDS_S
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.snapshot import FAMILIES, ConnectionLine
from quotebus.bus.version import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HOP_HELP = (
    "How long quotes take from hop to hop. exchange_to_node compares two clocks, and a negative duration counts as "
    "none; node_to_here includes up to 10 ms in which this program collects messages"
)


def render_metrics(state: PageState, picture: Picture, pages: int, pages_dropped: int) -> bytes:
    """The whole exposition. `pages`: open ones."""
    registry = CollectorRegistry()
    registry.register(_Collected([*_bus(state, picture), *_lines(picture), *_symbols(picture), *_hops(state),
                                  *_programs(state), *_recorders(picture), *_orders(state, picture),
                                  *_ourselves(picture, pages, pages_dropped)]))  # fmt: skip
    return generate_latest(registry)


class _Collected(Collector):
    """Metrics that were made already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _bus(state: PageState, picture: Picture) -> Iterator[Metric]:
    shown, rates = picture.shown, state.view.bus
    yield _gauge("quotebus_bus_connected", "1 while this program is connected to the broker", bool(shown.connected))
    messages = CounterMetricFamily("quotebus_messages", "Messages received, by kind of topic", labels=["kind"])
    octets = CounterMetricFamily("quotebus_message_bytes", "Bytes of messages received, by kind", labels=["kind"])
    for kind, count in sorted(rates.total.items())[:50]:
        messages.add_metric([clean(kind, 40)], count)
        octets.add_metric([clean(kind, 40)], rates.total_bytes[kind])
    yield from (messages, octets)
    yield CounterMetricFamily("quotebus_quotes", "Quotes received", value=rates.total.get("quote", 0))
    yield CounterMetricFamily(
        "quotebus_lost_messages", "Messages that this program itself missed, by their numbers", value=shown.lost_here
    )
    yield CounterMetricFamily(
        "quotebus_forged_messages", "Messages dropped here: in another's name than their sender's", value=shown.forged
    )
    unreadable = CounterMetricFamily("quotebus_unreadable_messages", "Messages that no one could read", labels=["kind"])
    for kind, count in sorted(shown.unreadable.items()):
        unreadable.add_metric([clean(kind, 40)], count)
    yield unreadable


def _lines(picture: Picture) -> Iterator[Metric]:
    by_line = ["node", "feed"]
    states = GaugeMetricFamily(
        "quotebus_connection_state", "1 for the state that a connection is in; `silent` when the node is not heard",
        labels=[*by_line, "state"],
    )  # fmt: skip
    gauges: dict[str, GaugeMetricFamily] = {
        name: GaugeMetricFamily(f"quotebus_connection_{name}", about, labels=by_line)
        for name, about in {
            "streaming": "1 while prices of the connection may be used",
            "state_seconds": "For how long the connection is in its state",
            "health_age_seconds": "How long ago the node was heard",
            "wanted_symbols": "Symbols that clients want",
            "acknowledged_symbols": "Of these, acknowledged by the upstream",
            "live_symbols": "Of these, with a quote on this connection and not halted",
            "failures": "Failures in a row",
            "lag_seconds": "Received less exchange time, the smallest seen removed",
        }.items()
    }
    opened = CounterMetricFamily(
        "quotebus_connections", "Upstream connections that the node has opened since its start", labels=by_line
    )
    causes = GaugeMetricFamily(
        "quotebus_connection_cause", "1 for the cause of the state", labels=[*by_line, "cause"]
    )  # fmt: skip
    for line in picture.shown.lines:
        if line.replayed:
            continue
        labels = [clean(line.node, 60), clean(line.feed, 20)]
        here = "silent" if line.silent else line.state
        known = [*(str(each) for each in ConnectionState), "silent"]
        for each in known if here in known else [*known, clean(here, 20)]:
            states.add_metric([*labels, each], each == clean(here, 20))
        causes.add_metric([*labels, clean(line.cause, 40)], 1)
        for name, value in _line_values(line):
            gauges[name].add_metric(labels, value)
        opened.add_metric(labels, line.connection)
    yield from (states, causes, opened, *gauges.values())


def _line_values(line: ConnectionLine) -> Iterator[tuple[str, float]]:
    yield "streaming", not line.silent and line.state == ConnectionState.STREAMING
    yield "state_seconds", max(0, line.for_ns) / 1e9
    yield "health_age_seconds", max(0, line.heard_ago_ns) / 1e9
    yield "wanted_symbols", line.desired
    yield "acknowledged_symbols", line.acknowledged
    yield "live_symbols", line.live
    yield "failures", line.attempt
    if line.lag_ns is not None:
        yield "lag_seconds", line.lag_ns / 1e9


def _symbols(picture: Picture) -> Iterator[Metric]:
    states = GaugeMetricFamily("quotebus_symbols", "Symbols by state", labels=["state"])
    for state in dict.fromkeys([*map(str, SymbolState), *picture.by_state]):
        states.add_metric([state], picture.by_state.get(state, 0))
    yield states
    yield _gauge("quotebus_usable_symbols", "Symbols whose price may be used now", picture.usable)
    yield _gauge("quotebus_undecided_symbols", "Symbols of which this program cannot tell", picture.undecided)
    reasons = GaugeMetricFamily("quotebus_unusable_symbols", "Symbols by the first reason against", labels=["reason"])
    for reason, count in sorted(picture.by_reason.items()):
        reasons.add_metric([clean(reason, 40)], count)
    yield reasons
    yield _gauge("quotebus_requesting_clients", "Clients whose newest request names symbols", picture.requests)


def _hops(state: PageState) -> Iterator[Metric]:
    family = HistogramMetricFamily("quotebus_hop_seconds", _HOP_HELP, labels=["hop"])
    for hop, held in state.quotes.hops.items():
        bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(held.counts)), strict=True))
        family.add_metric([hop], buckets, held.sum_ns / 1e9)
    yield family


def _programs(state: PageState) -> Iterator[Metric]:
    labels = ["program", "source"]
    values = GaugeMetricFamily(
        "quotebus_program_counter", "What a program counts, as it publishes it", labels=[*labels, "counter"]
    )
    losses = CounterMetricFamily(
        "quotebus_program_losses", "What a program dropped, lost or could not read", labels=[*labels, "kind"]
    )
    for counters, _ in state.view.counters.values():
        names = [clean(counters.program, 40), clean(counters.source, 80)]
        for name, value in counters.counters.items():
            values.add_metric([*names, clean(name, 40)], value)
        for family, counts in FAMILIES.items():
            if family != "conflated":
                total = sum(value for name, value in counters.counters.items() if counts(name))
                losses.add_metric([*names, family], total)
    yield from (values, losses)


def _recorders(picture: Picture) -> Iterator[Metric]:
    failed = GaugeMetricFamily("quotebus_recorder_failed", "1 for a recorder that has failed", labels=["recorder"])
    written = CounterMetricFamily("quotebus_recorder_messages", "Messages written", labels=["recorder"])
    lost = CounterMetricFamily("quotebus_recorder_lost_messages", "Messages not written", labels=["recorder"])
    for each in picture.shown.recorders:
        name = [clean(each.name, 60)]
        failed.add_metric(name, each.state == RecorderState.FAILED)
        written.add_metric(name, each.messages)
        lost.add_metric(name, each.lost)
    yield from (failed, written, lost)


def _orders(state: PageState, picture: Picture) -> Iterator[Metric]:
    intents = GaugeMetricFamily("quotebus_intents", "The newest intents, by outcome", labels=["outcome"])
    counts = dict.fromkeys(map(str, ExecutionOutcome), 0)
    for note in state.activity.intents.values():
        counts[note.outcome] = counts.get(note.outcome, 0) + 1
    for outcome, count in sorted(counts.items())[:20]:
        intents.add_metric([clean(outcome, 40)], count)
    yield intents
    yield _gauge("quotebus_unresolved_intents", "Intents with an order whose fate is open", picture.unresolved)


def _ourselves(picture: Picture, pages: int, pages_dropped: int) -> Iterator[Metric]:
    currency = picture.currency
    yield InfoMetricFamily("quotebus_serve", "This program", value={"version": __version__})
    yield _gauge("quotebus_ready", "1 while /readyz says so", picture.ready.ready)
    yield _gauge("quotebus_serve_behind_seconds", "How late this program takes messages", currency.behind_ns / 1e9)
    yield _gauge("quotebus_serve_silent_seconds", "Since the last message", currency.silent_ns / 1e9)
    yield _gauge("quotebus_serve_pages", "Open pages", pages)
    yield CounterMetricFamily("quotebus_serve_pages_dropped", "Pages that did not read", value=pages_dropped)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))
