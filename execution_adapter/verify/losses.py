"""Messages that a decision names and a capture does not have: were they lost, or never sent? Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from quotebus.bus import topics
from quotebus.bus.book import Unusable
from quotebus.bus.capture.format.captured import Gap
from quotebus.bus.events import ExecutionDecision, Reference
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.execution_adapter.verify.messages import KEPT, MessageIndex

ACK = "ack:"
"""Before the source of a state that came with an acknowledgement."""


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
