"""`quotebus tap pub`: publish one intent, or counters. Nothing else: prices and states are for nodes to publish."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence

from quotebus.bus.base_client import default_name
from quotebus.bus.clock import now_ns, seconds, utc_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Counters, Event
from quotebus.bus.intent_request import make_intent
from quotebus.bus.own_names import make_own
from quotebus.bus.process.log import setup
from quotebus.bus.settings import die, load
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.settings import NOTHING_HEARD, PubSettings
from quotebus.bus.transport.engines import find_own_name
from quotebus.bus.transport.recorder_sockets import RecorderSockets

PROGRAM = "quotebus tap pub"
WAIT_S = 3.0
_COUNTER = re.compile(r"([a-z][a-z0-9_]{0,79})=(\d{1,18})\Z")
_NOTHING = "nothing."
"""No topic begins so: this program hears nothing."""


def run(argv: Sequence[str]) -> int:
    """Publish and say what; 124 when no broker took it within 3 s."""
    settings = load(PubSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
    try:
        own = find_own_name(settings.bus_address)
        event = make_event(settings, own)
    except (ValueError, ConfigError) as error:
        die(PROGRAM, ConfigError(str(error)))
    source = f"{own or 'tap'}-{secrets.token_hex(3)}"
    deadline_ns = now_ns() + seconds(WAIT_S)
    with RecorderSockets(settings, source, (_NOTHING,)) as sockets:
        while not (sockets.send() and sockets.connected):
            if now_ns() >= deadline_ns:
                print(f"{PROGRAM}: no broker took it at {settings.bus_address}", flush=True)
                return NOTHING_HEARD
            sockets.receive(1, 20)
        sockets.publish(event)
        sockets.send()
    print(clean(describe_published(event), 500), flush=True)
    return 0


def make_event(settings: PubSettings, own: str = "") -> Event:
    """The event that a command line asks for, in the program's own name. Raises ValueError with one clear sentence."""
    what, *words = settings.tap_what or [""]
    if what == "counters" and words:
        found = [_COUNTER.match(word) for word in words]
        if not all(found):
            raise ValueError("counters are NAME=NUMBER, such as: quotebus tap pub counters orders=3 errors=0")
        counts = {each[1]: int(each[2]) for each in found if each}
        return Counters(program=settings.tap_program or f"tap-{os.getpid()}", counters=counts)
    if what == "intent" and len(words) == 3:
        symbol, side, qty = words
        deadline_ns = utc_ns() + seconds(settings.tap_within_s)
        client, number = make_own(own, default_name()), f"pub-{secrets.token_hex(6)}"
        return make_intent(client, number, symbol, side, qty, settings.tap_urgency, deadline_ns=deadline_ns)[0]
    raise ValueError("say `intent SYMBOL buy|sell QTY|all` or `counters NAME=NUMBER …`")


def describe_published(event: Event) -> str:
    """What was published, in one line."""
    if isinstance(event, Counters):
        return f"published counters of {event.program}: {event.counters}"
    fields = {name: getattr(event, name) for name in ("symbol", "side", "qty", "urgency", "intent_id", "client")}
    if getattr(event, "complete_exit", False):
        fields["qty"] = "all"
    words = ", ".join(f"{name} {value}" for name, value in fields.items())
    return f"published an intent: {words}; follow it with: quotebus tap echo report decision order"
