"""Messages that a decision names and a capture does not have: were they lost, or never sent? Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from quotebus.bus import topics
from quotebus.bus.book import Unusable
from quotebus.bus.capture.format.captured import Gap
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ExecutionDecision, Reference
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.execution_adapter.verify.messages import KEPT, MessageIndex

ACK = "ack:"
"""Before the source of a state that came with an acknowledgement."""


ALL_NOTED_NS = 12 * NS_PER_S
"""A node speaks on each of its topics within 10 s, and then a loss on it is noted."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A message that a decision names in its field `name`, and that is not kept."""

    sequence: int
    decision: ExecutionDecision
    name: str
    reference: Reference
    topic: str
    early: bool
    """Of the first three seconds after the capture's beginning, or after a hole."""


class WaitingMissing:
    """Missing messages that may still be noted as lost: a recorder notes a loss at the next message of the same source
    and topic, and a decision may stand before that. At most `bound` wait.
    """

    def __init__(self, bound: int) -> None:
        self._bound, self._count = bound, 0
        self._by_topic: dict[tuple[str, str], list[Missing]] = {}

    def add(self, missing: Missing) -> bool:
        """Let it wait; False when too many do."""
        if self._count >= self._bound:
            return False
        self._by_topic.setdefault((missing.reference[0], missing.topic), []).append(missing)
        self._count += 1
        return True

    def take_until(self, source: str, topic: str, seq: int) -> list[Missing]:
        """Those that a message with this number decides: what was lost before it has been noted."""
        waiting = self._by_topic.get((source, topic))
        if waiting is None:
            return []
        decided = [missing for missing in waiting if missing.reference[1] <= seq]
        left = [missing for missing in waiting if missing.reference[1] > seq]
        self._count -= len(decided)
        if left:
            self._by_topic[source, topic] = left
        else:
            del self._by_topic[source, topic]
        return decided

    def take_all(self) -> list[Missing]:
        """Those that nothing has decided, at the end."""
        waiting = [missing for missings in self._by_topic.values() for missing in missings]
        self._by_topic, self._count = {}, 0
        return waiting


class Losses:
    """What may be missing: messages from before the capture or in its holes, and those that the recorder noted."""

    def __init__(self, messages: MessageIndex) -> None:
        self._messages = messages
        self._gaps: deque[Gap] = deque(maxlen=KEPT)

    def on_gap(self, gap: Gap) -> None:
        """Take the recorder's note that messages were lost."""
        self._gaps.append(gap)

    def explain(self, missing: Missing) -> bool:
        """Whether the message may have been sent without being in the capture."""
        elsewhere = self._messages.may_be_elsewhere(missing.reference, missing.topic)
        return elsewhere or self._may_have_gone(missing) or self._is_noted(missing)

    def may_be_unnoted(self, missing: Missing) -> bool:
        """Whether the capture ends while losses of the same publisher were being noted, topic by topic."""
        source, at_ns = missing.reference[0].removeprefix(ACK), missing.decision.now_ns
        return any(gap.publisher == source and gap.published_ns >= at_ns - ALL_NOTED_NS for gap in self._gaps)

    def _may_have_gone(self, missing: Missing) -> bool:
        """Whether a source never seen may be a node that stopped before: a running one publishes its health."""
        source, decision = missing.reference[0].removeprefix(ACK), missing.decision
        if self._messages.knows(missing.reference[0]):
            return False
        if source == decision.health[0]:
            age_ns = decision.health_age_ns
            return missing.early or age_ns is None or age_ns > HEALTH_SILENCE_NS
        return (Unusable.OTHER_SOURCE if missing.name == "quote" else Unusable.NO_STATUS) in decision.reasons

    def _is_noted(self, missing: Missing) -> bool:
        """Whether the recorder noted the message as lost."""
        source, seq = missing.reference
        acknowledged = source.startswith(ACK)
        topic = f"{topics.ACKNOWLEDGED}." if acknowledged else missing.topic
        return any(
            gap.publisher == source.removeprefix(ACK)
            and (gap.topic.startswith(topic) if acknowledged or topic == "health" else gap.topic == topic)
            and (gap.first_seq == 0 or gap.first_seq <= seq < gap.first_seq + gap.count)
            for gap in self._gaps
        )
