"""Which of several nodes on one bus is active: what is heard of the others, and what follows from it. Pure.

A node that has just started listens: it neither dials nor answers before it has heard for `LISTEN_NS` that no other
node is active. A node that streams stays active beside one that does not; of equals the smaller source stays. Two
healths of one node in a row are needed before this one waits for it, and four where this one streams: one message never
changes that. A node that waits becomes active when no other node is, and counts another's silence only while its own
healths come back through the broker. Where the two share a lock folder, the lock proves that the other's process has
ended, so that less silence is enough. A health whose number is below its source's newest one is dropped and counted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, to_utc_ns
from quotebus.bus.events import ConnectionHealth, SymbolsRequested
from quotebus.bus.events import ConnectionState as State
from quotebus.bus.protocol import HEALTH_EVERY_NS, HEALTH_SILENCE_NS
from quotebus.bus.sequence import LATE, SequenceTracker
from quotebus.pricing.demand import MAX_CLIENTS
from quotebus.pricing.session_states import UP

LISTENING = "listening"
"""The `detail` of the health of a node that listens; its state is `standby`."""
LISTEN_NS = 1_200 * NS_PER_MS
EXTENSION_NS = 2_500 * NS_PER_MS
"""How much longer a node listens after a health of another one."""
CALL_NS = 400 * NS_PER_MS
"""How often a node publishes its health while it listens, while the active node it waits for is overdue, and while two
are active."""
ANSWER_NS = 100 * NS_PER_MS
"""At most one health in this time answers newcomers, however many there are."""
OVERDUE_NS = 3 * NS_PER_S // 2
"""A node that is not heard for so long has missed a health. Together with its lock, which the kernel has freed, this
proves that it has ended; by itself it proves nothing."""
TURN_NS = NS_PER_S // 2
"""Of several waiting nodes each leaves those with a smaller source this much time to become active."""
MAX_TURNS = 4
LOCK_WAIT_NS = 3 * NS_PER_S
"""For so long the lock of a node that has ended is tried at short intervals; a process takes a moment to end."""
LOCK_RETRY_NS = NS_PER_S // 20
ENOUGH_HEALTHS = 2
ENOUGH_BESIDE_STREAM = 4
"""A node that streams serves somebody: it gives way only to one that is proven to stream for longer."""
MAX_MISSING = 2
"""Healths in a row may miss so many between them: the bus may lose some."""
IN_STEP_NS = NS_PER_S
"""Healths in a row were sent as long after each other as they came, within this."""
PROOFS_OF_SILENCE = 4
"""Our own healths that must have come back since another's last one: the broker may have been away just as long."""
AHEAD_NS = NS_PER_S // 4
"""How much faster than our clock the stamps of another node are believed to run, so that one false stamp is outrun."""
OWN_STAMPS = 64
PROOF_NS = CALL_NS // 2
MAX_NODES = 64
_INACTIVE = frozenset({State.STANDBY, State.STOPPED})
_DIALS = frozenset({State.CONNECTING, State.AUTHENTICATING, State.SUBSCRIBING})


@dataclass(slots=True)
class OtherNode:
    """What was heard of one other node.

    `proofs`: our own healths that had come back by then. `outranked_us`: how many healths in a row said that it goes
    before us. `sent_ns` is the stamp of its newest health, `stamp_ns` what of that is believed. `ended_ns`: when its
    lock was found to be free.
    """

    source: str
    heard_ns: int
    numbers: SequenceTracker = field(default_factory=SequenceTracker)
    sent_ns: int = 0
    stamp_ns: int | None = None
    state: State = State.STANDBY
    listens: bool = False
    proofs: int = 0
    outranked_us: int = 0
    ended_ns: int | None = None

    @property
    def active(self) -> bool:
        return self.state not in _INACTIVE

    def take_number(self, health: ConnectionHealth, now_ns: int) -> int:
        """How many healths are missing before this one, LATE if it must be dropped."""
        believed_ns = health.published_ns
        if self.stamp_ns is not None:
            believed_ns = min(believed_ns, self.stamp_ns + max(0, now_ns - self.heard_ns) + AHEAD_NS)
        place = self.numbers.observe(self.source, b"health", health.seq, believed_ns, once=True)
        if place != LATE:
            self.stamp_ns = believed_ns if self.stamp_ns is None else max(self.stamp_ns, believed_ns)
        return place

    def is_followed_by(self, health: ConnectionHealth, now_ns: int) -> bool:
        """Whether it was sent as long after the former one as it came after it."""
        sent_ns = health.published_ns - self.sent_ns
        return sent_ns > 0 and abs(sent_ns - (now_ns - self.heard_ns)) <= IN_STEP_NS


class OtherNodes:
    """What this node heard of itself and of the others. `state` arguments are this node's own.

    `late` counts healths that came twice or late, or whose number cannot be, `copied` those under another name that
    bear the stamp of one of ours.
    """

    def __init__(self, source: str) -> None:
        self.late = 0
        self.copied = 0
        self._source = source
        self._nodes: dict[str, OtherNode] = {}
        self._own = SequenceTracker()
        self._own_stamps: deque[int] = deque(maxlen=OWN_STAMPS)
        self._kept: dict[tuple[str, str], SymbolsRequested] = {}
        self._kept_numbers = SequenceTracker()
        self._proofs = 0
        self._own_ns: int | None = None
        self._since_ns = 0
        self._free_ns: int | None = None
        self._answer_due = False

    # what is heard

    def note_own_health(self, health: ConnectionHealth, now_ns: int) -> bool:
        """Our own health came back through the broker: so could those of the others. False when it was dropped."""
        stamp_ns = min(health.published_ns, to_utc_ns(now_ns))
        if self._own.observe(self._source, b"health", health.seq, stamp_ns, once=True) == LATE:
            self.late += 1
            return False
        self._own_stamps.append(health.published_ns)
        if self._own_ns is not None and now_ns - self._own_ns < PROOF_NS:
            return True  # what waited for the broker comes all at once, and proves no more than one message
        self._proofs += 1
        if self._own_ns is None or now_ns - self._own_ns > OVERDUE_NS:  # nothing was heard before, or for a while
            self._since_ns = now_ns
            for node in self._nodes.values():
                node.proofs = self._proofs
        self._own_ns = now_ns
        for source in [node.source for node in self._nodes.values() if self._is_gone(node, now_ns)]:
            del self._nodes[source]
        return True

    def note_health(self, health: ConnectionHealth, state: State, now_ns: int) -> bool:
        """Another node's health came. False when it was dropped."""
        if health.published_ns in self._own_stamps:
            self.copied += 1
            return False  # no two nodes send in the same nanosecond
        node = self._nodes.get(health.source)
        if node is None:
            if len(self._nodes) >= MAX_NODES:
                del self._nodes[min(self._nodes.values(), key=lambda node: node.heard_ns).source]
            node = self._nodes[health.source] = OtherNode(health.source, now_ns - HEALTH_SILENCE_NS - 1)
        place = node.take_number(health, now_ns)
        if place == LATE:
            self.late += 1
            return False
        listens = health.state == State.STANDBY and health.detail == LISTENING
        silent = now_ns - node.heard_ns > HEALTH_SILENCE_NS
        in_row = not silent and 0 <= place <= MAX_MISSING and node.is_followed_by(health, now_ns)
        if listens or silent:
            self._answer_due = True
        node.sent_ns, node.heard_ns, node.proofs = health.published_ns, now_ns, self._proofs
        if node.ended_ns is not None and now_ns - node.ended_ns > OVERDUE_NS:
            node.ended_ns = None  # no message is under way for so long: it lives, whatever the lock says
        node.state, node.listens = State(health.state), listens
        if node.active and (_rank(node.state), self._source) > (_rank(state), node.source):
            node.outranked_us = node.outranked_us + 1 if in_row else 1
        else:
            node.outranked_us = 0
        return True

    def note_ended(self, source: str, now_ns: int) -> None:
        """The lock that this node held is ours now: the kernel has freed it, so its process has ended."""
        node = self._nodes.get(source)
        if node is not None:
            node.ended_ns = now_ns

    def keep(self, request: SymbolsRequested) -> None:
        """A request that came while this node listens; a client repeats what does not fit here."""
        key = (request.client, request.source)
        if key not in self._kept and len(self._kept) >= MAX_CLIENTS:
            return
        topic = request.client.encode()
        if self._kept_numbers.observe(request.source, topic, request.seq, request.published_ns) != LATE:
            self._kept[key] = request

    def take_kept(self) -> list[SymbolsRequested]:
        """The newest request of each client that asked while this node listened."""
        kept, self._kept, self._kept_numbers = list(self._kept.values()), {}, SequenceTracker()
        return kept

    # what follows

    def must_stand_by(self, state: State, now_ns: int) -> bool:
        """Another node is active, proven by enough healths in a row, and has the better right to be."""
        enough = ENOUGH_BESIDE_STREAM if state is State.STREAMING else ENOUGH_HEALTHS
        return any(
            node.outranked_us >= enough
            and now_ns - node.heard_ns <= (HEALTH_SILENCE_NS if node.ended_ns is None else OVERDUE_NS)
            for node in self._nodes.values()
        )

    def has_listened(self, now_ns: int) -> bool:
        """The time to listen is over and no other node is heard that could be, or become, the active one."""
        at_ns = self._listens_until_ns(now_ns)
        return at_ns is not None and now_ns >= at_ns

    def may_take_over(self, now_ns: int) -> bool:
        """No other node is active, and it is this waiting node's turn."""
        nodes = self._nodes.values()
        if self._own_ns is None or any(node.active and not self._is_silent(node, now_ns) for node in nodes):
            self._free_ns = None
            return False
        if self._free_ns is None:
            self._free_ns = now_ns
        return now_ns >= self._turn_ns(self._free_ns, now_ns)

    def awaits_lock(self, now_ns: int) -> bool:
        """The active node is overdue, or it is this node's turn since a moment ago: the lock may be free any moment."""
        if any(
            node.active and OVERDUE_NS < now_ns - node.heard_ns <= HEALTH_SILENCE_NS for node in self._nodes.values()
        ):
            return True
        return self.may_take_over(now_ns) and now_ns - (self._free_ns or now_ns) < LOCK_WAIT_NS

    def health_due_ns(self, last_ns: int, now_ns: int, *, listening: bool, waiting: bool) -> int:
        """When the next health is due, the last one having been published at `last_ns`."""
        if self._answer_due:
            return last_ns + ANSWER_NS
        nodes = [node for node in self._nodes.values() if node.active]
        if waiting:
            hears = self._own_ns is not None and now_ns - self._own_ns <= OVERDUE_NS
            hurried = hears and any(now_ns - node.heard_ns > OVERDUE_NS for node in nodes)
        elif listening and self._own_ns is None:  # nothing can be heard yet, and the time to listen has not begun
            return last_ns + ANSWER_NS
        else:
            hurried = listening or any(now_ns - node.heard_ns <= OVERDUE_NS for node in nodes)
        return last_ns + (CALL_NS if hurried else HEALTH_EVERY_NS)

    def note_published(self) -> None:
        """A health was published: it answers all newcomers so far."""
        self._answer_due = False

    def next_ns(self, now_ns: int, *, listening: bool, lock_held: bool) -> int | None:
        """When `has_listened`, or `may_take_over`, may have changed without a message."""
        if listening:
            until_ns = self._listens_until_ns(now_ns)
            return None if until_ns is None else max(until_ns, now_ns + 1)
        if self._own_ns is None:
            return None
        if self._free_ns is not None:
            at_ns = self._turn_ns(self._free_ns, now_ns)
            if lock_held or at_ns > now_ns:
                return max(at_ns, now_ns + 1)
            return now_ns + LOCK_RETRY_NS if self.awaits_lock(now_ns) else None
        bounds = (OVERDUE_NS, HEALTH_SILENCE_NS)
        ends = [node.heard_ns + bound + 1 for node in self._nodes.values() if node.active for bound in bounds]
        if not lock_held and self.awaits_lock(now_ns):
            ends.append(now_ns + LOCK_RETRY_NS)
        return min((at_ns for at_ns in ends if at_ns > now_ns), default=None)

    def _listens_until_ns(self, now_ns: int) -> int | None:
        """None while our own healths do not come back: nothing else could be heard either."""
        if self._own_ns is None or now_ns - self._own_ns > HEALTH_EVERY_NS:
            return None
        until_ns = self._since_ns + LISTEN_NS
        for node in self._nodes.values():
            if node.active:
                until_ns = max(until_ns, node.heard_ns + EXTENSION_NS)
            elif node.state is State.STANDBY and (not node.listens or node.source < self._source):
                # It may become active in this time; one that does not must not keep us for ever.
                until_ns = max(until_ns, min(node.heard_ns, self._since_ns + LISTEN_NS) + EXTENSION_NS)
        return until_ns

    def _has_ended(self, node: OtherNode, now_ns: int) -> bool:
        hears = self._own_ns is not None and now_ns - self._own_ns <= OVERDUE_NS
        return hears and node.ended_ns is not None and now_ns - node.heard_ns > OVERDUE_NS

    def _is_silent(self, node: OtherNode, now_ns: int) -> bool:
        return self._has_ended(node, now_ns) or self._is_gone(node, now_ns)

    def _is_gone(self, node: OtherNode, now_ns: int) -> bool:
        return now_ns - node.heard_ns > HEALTH_SILENCE_NS and self._proofs - node.proofs >= PROOFS_OF_SILENCE

    def _turn_ns(self, free_ns: int, now_ns: int) -> int:
        """When this waiting node may become active, where no other has been since `free_ns`."""
        before = [
            node
            for node in self._nodes.values()
            if node.state is State.STANDBY and not node.listens and node.source < self._source
            if now_ns - node.heard_ns <= HEALTH_SILENCE_NS
        ]
        if any(self._has_ended(node, now_ns) for node in self._nodes.values()):
            before = []  # they do not have the lock, or do not know yet
        turn_ns = free_ns + min(len(before), MAX_TURNS) * TURN_NS
        if any(node.state is State.STOPPED for node in self._nodes.values()):
            return turn_ns
        return max(turn_ns, self._since_ns + LISTEN_NS)  # it may not have heard of the others yet


def _rank(state: State) -> int:
    """The higher one stays active."""
    if state in _INACTIVE:
        return -1
    if state in UP:
        return 3 if state is State.STREAMING else 2
    return 1 if state in _DIALS else 0
