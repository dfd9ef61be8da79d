"""What a tap dropped of the live bus, it says."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.tap.source import LiveSource
from tests.support.bus import fake_node, running_broker
from tests.support.programs import eventually
from tests.support.samples import QUOTE, like
from tests.support.stranger import Stranger


def test_parts_whose_topics_nobody_asked_for_are_told_at_the_end() -> None:
    with running_broker() as settings, fake_node(settings) as node:
        source = LiveSource(settings.bus_address, [b"quote."], gather_ms=0)
        eventually(lambda: source.read(0.02) or node.tick("SPY"))
        assert source.notes() == []
        stranger = Stranger(settings.bus_publish_url, b"PUB")
        stranger.send(codec.encode(like(QUOTE, symbol="SPY")), b"forged", b"forged")
        eventually(lambda: source.read(0.02) is not None and source.not_subscribed == 2)
        assert source.notes() == ["dropped 2 parts of messages whose topics were not asked for"]
        stranger.close()
        source.close()
