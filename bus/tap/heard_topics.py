"""What was heard of each topic: how much, how large, from whom, and how much is missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Event
from quotebus.bus.process.units import format_clock, format_duration, format_rate, format_size
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.message_reader import ReceivedMessage

MAX_TOPICS = 20_000
MAX_SOURCES = 16
"""Of one topic; more are counted together."""


@dataclass(slots=True)
class HeardSource:
    """One publisher of a topic, and its newest message."""

    messages: int = 0
    seq: int = 0
    heard_ns: int = 0


@dataclass(slots=True)
class HeardTopic:
    """One topic. Sizes in bytes, the topic's name included; `began_ns` is when its first message was heard."""

    topic: str
    kind: type[Event]
    began_ns: int
    newest_ns: int = 0
    messages: int = 0
    bytes: int = 0
    least: int = 0
    most: int = 0
    missing: int = 0
    late: int = 0
    other_sources: int = 0
    sources: dict[str, HeardSource] = field(default_factory=dict)

    def take(self, heard: ReceivedMessage) -> None:
        size = heard.octets
        self.least = size if not self.messages else min(self.least, size)
        self.most = max(self.most, size)
        self.messages += 1
        self.bytes += size
        self.missing += heard.missing
        self.late += heard.late
        self.newest_ns = heard.received_ns
        source = self.sources.get(heard.event.source)
        if source is None:
            if len(self.sources) >= MAX_SOURCES:
                self.other_sources += 1
                return
            source = self.sources[heard.event.source] = HeardSource()
        source.messages += 1
        source.seq, source.heard_ns = heard.event.seq, heard.received_ns

    def per_s(self, amount: int, began_ns: int, now_ns: int) -> float:
        """An amount in every second since listening began."""
        return amount * NS_PER_S / max(now_ns - began_ns, NS_PER_S // 100)


class HeardTopics:
    """Takes every message that was selected. `began_ns` is when listening began; of a capture, its first message."""

    def __init__(self) -> None:
        self.topics: dict[str, HeardTopic] = {}
        self.began_ns: int | None = None
        self.beyond = 0

    def take(self, heard: ReceivedMessage) -> None:
        if self.began_ns is None:
            self.began_ns = heard.received_ns
        topic = self.topics.get(heard.topic)
        if topic is None:
            if len(self.topics) >= MAX_TOPICS:
                self.beyond += 1
                return
            topic = self.topics[heard.topic] = HeardTopic(heard.topic, type(heard.event), heard.received_ns)
        topic.take(heard)


def format_list(heard: HeardTopics, now_ns: int) -> list[str]:
    """A line a topic: its name, what its messages are, how many come, from how many publishers."""
    room = max((len(name) for name in heard.topics), default=5)
    room = max(5, min(room, 40))
    lines = [f"{'TOPIC':<{room}} {'MESSAGE':<19} {'RATE/s':>7} {'FROM':>4}"]
    began_ns = heard.began_ns or now_ns
    for name in sorted(heard.topics):
        topic = heard.topics[name]
        rate = format_rate(topic.per_s(topic.messages, began_ns, now_ns))
        publishers = f"{len(topic.sources)}{'+' if topic.other_sources else ''}"
        lines.append(f"{clean(name, room):<{room}} {topic.kind.__name__:<19} {rate:>7} {publishers:>4}")
    lines.append(f"{len(heard.topics)} topics{f', {heard.beyond} messages of more' if heard.beyond else ''}")
    return lines


def format_bandwidth(heard: HeardTopics, now_ns: int, rows: int) -> list[str]:
    """The topics that take the most bytes: bytes a second, and a message's mean, least and most."""
    began_ns = heard.began_ns or now_ns
    busiest = sorted(heard.topics.values(), key=lambda topic: (-topic.bytes, topic.topic))
    room = max(5, min(max((len(topic.topic) for topic in busiest[:rows]), default=5), 40))
    lines = [f"{'TOPIC':<{room}} {'BYTES/s':>8} {'RATE/s':>7} {'MEAN':>7} {'MIN':>7} {'MAX':>7}"]
    for topic in busiest[:rows]:
        octets_per_s = format_size(topic.per_s(topic.bytes, began_ns, now_ns))
        rate = format_rate(topic.per_s(topic.messages, began_ns, now_ns))
        sizes = " ".join(f"{format_size(size):>7}" for size in (topic.bytes / topic.messages, topic.least, topic.most))
        lines.append(f"{clean(topic.topic, room):<{room}} {octets_per_s:>8} {rate:>7} {sizes}")
    total = sum(topic.bytes for topic in busiest)
    seconds = max(now_ns - began_ns, 1) / NS_PER_S
    lines.append(f"{format_clock(now_ns)}Z  {format_size(total)} in {seconds:.1f} s, {format_size(total / seconds)}/s")
    return lines


def format_info(topic: HeardTopic, began_ns: int, now_ns: int) -> list[str]:
    """One topic: its message and fields, its publishers, what is missing."""
    more = f" and {topic.other_sources} messages of more" if topic.other_sources else ""
    lines = [
        f"topic      {clean(topic.topic)}",
        f"message    {topic.kind.__name__}, see EVENTS.md",
        f"heard      {topic.messages} messages, {format_rate(topic.per_s(topic.messages, began_ns, now_ns))}/s,"
        f" {format_size(topic.bytes / max(topic.messages, 1))} each,"
        f" the newest {format_duration(now_ns - topic.newest_ns)} ago",
        f"missing    {topic.missing}, late or repeated {topic.late}",
        f"publishers {len(topic.sources)}{more}",
    ]
    for name, source in sorted(topic.sources.items()):
        replay = ", a replay" if name.startswith(topics.REPLAYED) else ""
        ago = format_duration(now_ns - source.heard_ns)
        lines.append(f"           {clean(name, 80)}: {source.messages} messages, #{source.seq} {ago} ago{replay}")
    fields = [name for name in topic.kind.__struct_fields__ if name != "version"]
    line = "fields    "
    for name in fields:
        if len(line) + len(name) + 1 > 79:
            lines.append(line)
            line = " " * 10
        line += f" {name}"
    return [*lines, line]
