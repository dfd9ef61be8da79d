"""Several pricing cores on one bus that delays, loses and repeats messages and goes away, on a virtual clock."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from itertools import count

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ConnectionHealth, Event, SymbolsAcknowledged, SymbolsRequested
from tests.support.core_rig import CoreRig
from tests.support.pricing import T0, request

REPEAT_NS = NS_PER_S // 2
RENEW_NS = 5 * NS_PER_S


class BusNode(CoreRig):
    """A core whose messages go over the bus, and whose dials take a moment."""

    def __init__(self, bus: NodeBus, source: str, seed: int) -> None:
        self.bus = bus
        self.dialled_ns = 0
        self.held: list[Event] = []
        """What waits for the broker."""
        self.connected_ns = 0
        """When it hears and is heard again after the broker's return."""
        super().__init__(source=source, starts_ns=bus.now_ns, linger_s=1, seed=seed)
        self.stamp_offset_ns = seed % NS_PER_MS  # no two real nodes send in the same nanosecond
        self.dials = False

    @property
    def active(self) -> bool:
        return self.core.session.state not in ("standby", "stopped")

    @property
    def dialled(self) -> bool:
        return self.dialling or self.socket

    def _publish(self, event: Event) -> None:
        self.bus.publish(self, event)

    def receive(self, event: Event) -> None:
        if isinstance(event, ConnectionHealth):
            self.core.on_health(event, self.now_ns)
        elif isinstance(event, SymbolsRequested):
            self.core.on_request(event, self.now_ns)

    def wake(self, now_ns: int) -> None:
        """One round of the node's loop."""
        self.now_ns = now_ns
        was_dialling = self.dialling
        self.bus.offer_lock(self)
        self.step()
        if self.dialling and not was_dialling:
            self.dialled_ns = now_ns + self.rng.randrange(10, 200) * NS_PER_MS
        if self.dialling and now_ns >= self.dialled_ns:
            self.dials = True
            self.settle()
            self.dials = False

    def next_ns(self) -> int:
        next_ns = self.core.next_ns(self.now_ns)
        return min(next_ns, self.dialled_ns) if self.dialling else next_ns


@dataclass(order=True)
class Delivery:
    """A message under way to one node."""

    at_ns: int
    number: int
    node: BusNode = field(compare=False)
    event: Event = field(compare=False)


class NodeBus:
    """The bus, its nodes, and one client that wants a symbol."""

    def __init__(self, seed: int, *, loss: float = 0, repeats: float = 0, delay_ms: int = 20) -> None:
        self.rng = random.Random(seed)
        self.now_ns = T0
        self.loss, self.repeats, self.delay_ms = loss, repeats, delay_ms
        self.nodes: list[BusNode] = []
        self.up = True
        self.acks: list[tuple[int, str]] = []
        """(when, source) of each acknowledgement."""
        self.published: list[tuple[int, ConnectionHealth]] = []
        self.wants = True
        self.holder: BusNode | None = None
        """Who holds the lock of the folder that all nodes share; None when each has a folder of its own."""
        self._numbers = count()
        self._under_way: list[Delivery] = []
        self._ask_ns = T0
        self._asked = 0

    # what may happen

    def start(self, source: str = "") -> BusNode:
        node = BusNode(self, source or f"pricing-{self.rng.randrange(1 << 24):06x}", self.rng.randrange(1 << 30))
        self.nodes.append(node)
        return node

    def share_lock(self, holder: BusNode) -> None:
        """From now on the nodes share one lock, which this one holds."""
        self.holder = holder
        for node in self.nodes:
            node.core.lock_held = node is holder

    def offer_lock(self, node: BusNode) -> None:
        """The node tries the lock, if it wants to now: the kernel has freed it when its holder's process has ended."""
        if self.holder is None or self.holder in self.nodes or not node.core.awaits_lock(self.now_ns):
            return
        former, self.holder = self.holder.source, node
        node.core.on_lock(True, self.now_ns, former=former)

    def kill(self, node: BusNode) -> None:
        self.nodes.remove(node)

    def stop(self, node: BusNode) -> None:
        node.now_ns = self.now_ns
        node.core.stop(self.now_ns)
        node.settle()
        self.nodes.remove(node)

    def break_off(self) -> None:
        """The broker ends, and what was under way with it."""
        self.up = False
        self._under_way.clear()

    def restore(self) -> None:
        """The broker is back; the nodes find it one by one."""
        self.up = True
        for node in self.nodes:
            node.connected_ns = self.now_ns + self.rng.randrange(20, 600) * NS_PER_MS

    # time

    def publish(self, sender: BusNode, event: Event) -> None:
        if isinstance(event, SymbolsAcknowledged):
            self.acks.append((self.now_ns, sender.source))
            self._ask_ns = self.now_ns + RENEW_NS
        elif isinstance(event, ConnectionHealth):
            self.published.append((self.now_ns, event))
            self._send(event, sender)
            if sender.active and self.up and self.acks and self.acks[-1][1] != sender.source:  # it asks the new node
                self._ask_ns = min(self._ask_ns, self.now_ns + self.rng.randrange(200) * NS_PER_MS)

    def _send(self, event: Event, sender: BusNode | None = None) -> None:
        if sender is not None and (not self.up or self.now_ns < sender.connected_ns):
            sender.held.append(event)
            return
        if not self.up:
            return
        receivers = [*self.nodes] if sender is None or sender in self.nodes else [*self.nodes, sender]
        for node in receivers:
            for _ in range(2 if self.rng.random() < self.repeats else 1):
                if self.rng.random() >= self.loss and self.now_ns >= node.connected_ns:
                    at_ns = self.now_ns + self.rng.randrange(1, self.delay_ms + 1) * NS_PER_MS
                    heapq.heappush(self._under_way, Delivery(at_ns, next(self._numbers), node, event))

    def step(self, end_ns: int) -> None:
        """To the next instant at which something happens."""
        times = [end_ns, self._ask_ns, *(node.next_ns() for node in self.nodes)]
        if self._under_way:
            times.append(self._under_way[0].at_ns)
        self.now_ns = max(self.now_ns, min(times))
        for node in self.nodes:
            if node.held and self.up and self.now_ns >= node.connected_ns:
                held, node.held = node.held, []
                for event in held:
                    self._send(event, node)
        if self.now_ns >= self._ask_ns:
            self._asked += 1
            self._ask_ns = self.now_ns + REPEAT_NS
            if self.wants:
                self._send(request("client", ("SPY",), seq=self._asked))
        while self._under_way and self._under_way[0].at_ns <= self.now_ns:
            delivery = heapq.heappop(self._under_way)
            if delivery.node in self.nodes:
                delivery.node.now_ns = self.now_ns
                delivery.node.receive(delivery.event)
                delivery.node.wake(self.now_ns)
        for node in [node for node in self.nodes if node.next_ns() <= self.now_ns]:
            node.wake(self.now_ns)
