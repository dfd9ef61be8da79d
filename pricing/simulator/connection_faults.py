"""What a change of the fault plan does to the connections that are open: freeze, thaw, slow down, tell, cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from quotebus.pricing.simulator.bad_frames import ENDLESS
from quotebus.pricing.simulator.bandwidth import BandwidthLimit, choose_limit
from quotebus.pricing.simulator.connection import Connection
from quotebus.pricing.simulator.connections import Connections
from quotebus.pricing.simulator.fault_values import FaultValue
from quotebus.pricing.simulator.faults import FaultChange, Faults
from quotebus.pricing.simulator.trading.order_session import FEED
from quotebus.pricing.simulator.trading.streams import STREAM_PREFIX

FREEZING = ("silent", "half_open", "half_open_new", "half_frame")


def thaw_lifted(change: FaultChange, connections: Connections) -> None:
    """Let connections go on that a lifted fault had frozen."""
    for name in FREEZING:
        if name in change.lifted:
            _thaw(name, [c for c in connections.open if c.feed != FEED], connections)
    if "stream_half_open" in change.lifted:
        _thaw("half_open", connections.order_streams(), connections)


def _thaw(name: str, frozen: list[Connection], connections: Connections) -> None:
    connections.unpark()
    for connection in frozen:
        if name == "half_frame":
            connection.frames.half_frame_next = False
        if connection.socket.frozen_by == name:
            connection.thaw()


def act_on_open(change: FaultChange, faults: Faults, connections: Connections, now_ns: int) -> None:
    """Do to every open connection what the change asks for; order streams have faults of their own."""
    for connection in list(connections.open):
        limit = limit_bandwidth(faults)
        now = connection.socket.bandwidth
        if limit is None or now is None or limit.key != now.key:
            connection.socket.bandwidth = limit
        given = change.set
        if connection.feed == FEED:
            given = {name.removeprefix(STREAM_PREFIX): v for name, v in given.items() if name.startswith(STREAM_PREFIX)}
        if connection.number:
            _act_on_upgraded(connection, given, change.lifted)
        how = given.get("cut")
        if isinstance(how, str):
            connection.socket.cut(how, now_ns)
    if isinstance(change.set.get("cut"), str) or isinstance(change.set.get("stream_cut"), str):
        connections.unpark()


def _act_on_upgraded(connection: Connection, given: Mapping[str, FaultValue], lifted: Collection[str]) -> None:
    if not set(ENDLESS).isdisjoint(lifted):
        connection.end_endless()
    if given.get("half_open") is True:
        connection.socket.freeze("half_open")
    if given.get("half_frame") is True:
        connection.frames.half_frame_next = True
    for code in (given.get("error"), 407 if "slow_client" in given else None):
        if isinstance(code, int):
            connection.send_error(code)
    close_code = given.get("close_code")
    if isinstance(close_code, int):
        connection.close_with(close_code)


def limit_bandwidth(faults: Faults) -> BandwidthLimit | None:
    """The bandwidth limit that the plan sets for each connection, None for full speed."""
    return choose_limit(faults.number("slicer_ms"), faults.number("throttle_bytes_s"))
