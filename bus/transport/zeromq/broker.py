"""The broker: sole binder of the bus's three endpoints.

Data crosses libzmq's own proxy in C, from the publish endpoint to the subscribe endpoint, and nothing crosses it the
other way: the broker takes everything that is published, and what a subscriber sends ends at the broker. Requests enter
by a small loop here that subscribes to the admitted kinds always, so that a client's first message finds a
subscription, and passes on nothing else, so that no client can forge a quote or a health.

What strangers may cost is bounded: by the loop where it reads, by descriptor where only libzmq reads, and by the
memory of the whole, beyond which the broker is to be started again.
"""

from __future__ import annotations

import logging
import os
import resource
import struct
import threading
from enum import Enum, auto

import zmq

from quotebus.bus import topics
from quotebus.bus.address import NatsAddress
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Counters
from quotebus.bus.process.memory import resident_bytes
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq.attendance import Attendance
from quotebus.bus.transport.zeromq.broker_limits import Admission, RequestGate
from quotebus.bus.transport.zeromq.broker_lock import BrokerLock
from quotebus.bus.transport.zeromq.broker_peers import COUNTED, EVENTS, EndpointPeers
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.key_folder import KeyFolder
from quotebus.bus.transport.zeromq.key_gate import KeyGate
from quotebus.bus.transport.zeromq.monitor import BURST
from quotebus.bus.transport.zeromq.publisher import send_now
from quotebus.bus.transport.zeromq.roles import speaks_for_itself
from quotebus.bus.transport.zeromq.sockets import Role, be_server, bind, make
from quotebus.bus.transport.zeromq.subscriber import drain, drop_parts

log = logging.getLogger(__name__)

MEMORY_BOUND_BYTES = 1 << 30
_INPROC_ADMIT = "inproc://admit"
_INPROC_OBSERVE = "inproc://observe"
_INPROC_CONTROL = "inproc://proxy-control"
_OPEN_FILES = 65_536
_SPARE_FILES = 16
"""Descriptors kept free, so that `accept` never fails: libzmq would try again and again without a pause."""
_LOOK_NS, _LOOK_BUSY_NS = 100 * NS_PER_MS, 10 * NS_PER_MS
"""How often memory and connections are looked at, and while somebody sends much."""
_BUSY_NS = NS_PER_S
"""How long after a peer came it may be sending much."""
_NOTE_EVERY_NS = 60 * NS_PER_S
_PROXY_END_S = 2.0
_ENDPOINTS = ("publish", "subscribe", "request")
_STATISTICS = ("published_messages_in", "published_bytes_in", "", "", "", "", "published_messages_out",
               "published_bytes_out")  # fmt: skip
"""What libzmq's proxy answers, in its order; the empty ones are of a direction that is not used."""
COUNTERS = (
    *("requests_admitted", "requests_dropped", "requests_limited", "requests_multipart", "requests_forged"),
    *("statistics_missed", "restarts"),
)
_TOO_FEW_FILES = "connections refused, too few file descriptors (ulimit -n) are left"
_NOTES = {
    **{f"{each}_denied": f"{each} endpoint: peers refused, their keys are not admitted to it" for each in _ENDPOINTS},
    "publish_refused": f"publish endpoint: {_TOO_FEW_FILES}",
    "subscribe_refused": f"subscribe endpoint: {_TOO_FEW_FILES}",
    "request_refused": f"request endpoint: {_TOO_FEW_FILES}",
    "subscribe_cut": "subscribe endpoint: connections ended that sent more than subscriptions need",
    "request_cut": "request endpoint: connections ended that sent too many requests",
    "requests_limited": "requests dropped, their senders send too many",
    "requests_forged": "requests dropped, they were in another's name than that of the sender's key",
    "requests_multipart": "requests dropped, they had more than one part",
    "statistics_missed": "the proxy did not answer within a second",
}
"""What is logged when its counter has grown, each at most once a minute."""


class Ending(Enum):
    """Why `run` returned."""

    STOPPED = auto()
    MEMORY = auto()
    """More memory than the bound: the process is to be replaced. Nothing is closed yet."""
    REVOKED = auto()
    """A key is no longer admitted: as with memory, since ZeroMQ ends no connection by its key."""
    PROXY = auto()
    """The proxy's thread has ended by itself."""
    PLACE = auto()
    """Its sockets' paths lead somewhere else: nobody who connects now comes here."""


class Broker:
    """Bound when constructed, running in `run` until `stop`. Raises ConfigError when an endpoint is taken."""

    def __init__(
        self,
        settings: BusSettings,
        *,
        memory_bound_bytes: int = MEMORY_BOUND_BYTES,
        restarts: int = 0,
        keys: KeyFolder | None = None,
    ) -> None:
        """`restarts`: how often this broker has been started again because of its memory, for its counters."""
        address = settings.bus_address
        if isinstance(address, NatsAddress):
            raise ConfigError("BUS_URL: a NATS server is a broker itself; this one is for ipc:// and tcp://")
        endpoints = Endpoints.find(address)
        self._lock = BrokerLock(endpoints.folders) if endpoints.folders else None
        allow_open_files(_OPEN_FILES)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stopping = threading.Event()
        self._stamper = Stamper(source_name("broker", int.from_bytes(os.urandom(3))))
        self._counters = {**dict.fromkeys(COUNTERS, 0), "restarts": restarts}
        self._statistics = {name: 0 for name in _STATISTICS if name}
        self._asked_statistics = False
        self._memory_bound_bytes = memory_bound_bytes
        self._attendance = Attendance()
        self._gate = RequestGate(self._note_client)
        self._next_note_ns: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        sockets = [
            make(self.context, role) for role in (Role.BROKER_PUBLISH, Role.BROKER_SUBSCRIBE, Role.BROKER_REQUEST)
        ]
        self._publish, self._subscribe, self._request = sockets
        self._keys = self._guard(sockets, keys)
        descriptor_bound = max(0, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE_FILES)
        self._peers = {
            endpoint: EndpointPeers(
                endpoint,
                socket.get_monitor_socket(EVENTS),
                descriptor_bound,
                bounded=endpoint == "subscribe",
                on_change=self._forget if endpoint == "request" else lambda _: None,
            )
            for socket, endpoint in zip(sockets, _ENDPOINTS, strict=True)
        }
        self._open_inproc()
        # Last, so that whoever connects at once finds everything there, also where descriptors are few.
        bound: list[str] = []
        for socket, (url, *_) in zip(sockets, endpoints[:3], strict=True):
            try:
                bound.append(bind(socket, url))
            except zmq.ZMQError as error:
                self.context.destroy(linger=0)
                self._unlock()
                raise ConfigError(
                    f"cannot bind {url}: {zmq.strerror(error.errno or 0)}; is a broker already running?"
                ) from None
        self.publish_url, self.subscribe_url, self.request_url = bound
        if self._lock is not None:
            self._lock.watch([self._lock.folder / endpoint for endpoint in _ENDPOINTS])

    def _guard(self, sockets: list[zmq.Socket[bytes]], keys: KeyFolder | None) -> KeyGate | None:
        """Who answers for keys, there before anybody can connect."""
        if keys is None:
            return None
        try:
            gate = KeyGate(self.context, keys)
        except ConfigError:
            self.context.destroy(linger=0)
            self._unlock()
            raise
        for socket, endpoint in zip(sockets, _ENDPOINTS, strict=True):
            be_server(socket, endpoint, gate.pair)
        return gate

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _open_inproc(self) -> None:
        self._publish.subscribe(b"")
        for admitted in topics.ADMITTED_REQUEST_KINDS:
            exact = not admitted.endswith(".")
            self._request.subscribe(topics.prefix(admitted) if exact else admitted.encode())
        self._publish.bind(_INPROC_ADMIT)
        self._admitted = make(self.context, Role.BROKER_ADMIT)
        self._admitted.connect(_INPROC_ADMIT)
        self._subscribe.bind(_INPROC_OBSERVE)
        self._observer = make(self.context, Role.SUBSCRIBE)
        self._observer.subscribe(b"health.")
        self._observer.connect(_INPROC_OBSERVE)
        self._control, self._proxy_control = (make(self.context, Role.PROXY_CONTROL) for _ in range(2))
        self._control.bind(_INPROC_CONTROL)
        self._proxy_control.connect(_INPROC_CONTROL)

    def stop(self) -> None:
        """End `run` within 100 ms; may be called from any thread."""
        self._stopping.set()

    def run(self) -> Ending:
        """Carry messages until `stop`, then close everything within a second, or until there is another reason."""
        proxy = threading.Thread(target=self._proxy, name="proxy", daemon=True)
        proxy.start()
        ending = self._carry_requests(proxy)
        if ending not in (Ending.MEMORY, Ending.REVOKED):
            self._control.send(b"TERMINATE")
            proxy.join(_PROXY_END_S)
            if not proxy.is_alive():  # else it is at work in libzmq, and its sockets end with the process
                self.context.destroy(linger=0)
                self._unlock()
        return ending

    def _proxy(self) -> None:
        """The proxy's thread: from here on its three sockets are its own."""
        zmq.proxy_steerable(self._publish, self._subscribe, None, self._proxy_control)
        for socket in (self._proxy_control, self._publish, self._subscribe):
            socket.close()

    def _carry_requests(self, proxy: threading.Thread) -> Ending:
        admit, observer, control = self._admitted, self._observer, self._control
        poller = zmq.Poller()
        for socket in (self._request, admit, observer, control, *(each.monitor for each in self._peers.values())):
            poller.register(socket, zmq.POLLIN)
        if self._keys is not None:
            poller.register(self._keys.socket, zmq.POLLIN)
        next_counters_ns = now_ns() + NS_PER_S
        next_look_ns, busy_until_ns = 0, 0
        while not self._stopping.is_set():
            wait_ns = min(next_look_ns, next_counters_ns) - now_ns()
            ready = dict(poller.poll(max(0, -(-wait_ns // NS_PER_MS))))
            if admit in ready:
                drain(admit, BURST)  # an XPUB's subscription messages must be read, or they pile up
            if observer in ready and drain(observer, BURST):
                self._attendance.on_health(now_ns())
            if control in ready and self._read_statistics(control):
                self._send_counters(admit)
            for peers in self._peers.values():
                if peers.monitor in ready and peers.read():
                    busy_until_ns = now_ns() + _BUSY_NS
            if self._keys is not None and self._keys.socket in ready:
                self._keys.answer()
            if self._request in ready:
                self._admit(admit)
            at_ns = now_ns()
            if at_ns >= next_look_ns or at_ns < busy_until_ns:
                if self._look(at_ns):
                    busy_until_ns = at_ns + _BUSY_NS
                next_look_ns = at_ns + (_LOOK_BUSY_NS if at_ns < busy_until_ns else _LOOK_NS)
                if self._exceeds_memory():
                    return Ending.MEMORY
            if at_ns >= next_counters_ns:
                next_counters_ns = at_ns + NS_PER_S
                if not proxy.is_alive():
                    log.error("the proxy has ended")
                    return Ending.PROXY
                if self._lock is not None and not self._lock.is_whole():
                    log.error("%s: the broker's sockets were removed or replaced; nobody finds it", self._lock.folder)
                    return Ending.PLACE
                if self._keys is not None and (lost := self._keys.look()):
                    log.warning("no longer admitted: %s; everybody connects anew", ", ".join(map(str, lost)))
                    return Ending.REVOKED
                for line in self._attendance.changes(at_ns):
                    log.info("%s", line)
                if self._asked_statistics:  # the proxy is busy: its last numbers stand
                    self._counters["statistics_missed"] += 1
                    self._send_counters(admit)
                else:
                    self._asked_statistics = True
                    control.send(b"STATISTICS")
        for socket in (self._request, admit, observer, *([self._keys.socket] if self._keys is not None else ())):
            socket.close()
        return Ending.STOPPED

    def _note_client(self, connection: int, name: str) -> None:
        if connection in self._peers["request"]:  # what a peer said last may be read after it has left
            self._attendance.on_client(connection, name)

    def _forget(self, connection: int) -> None:
        self._gate.forget(connection)
        self._attendance.on_end(connection)

    def _admit(self, admit: zmq.Socket[bytes]) -> None:
        at_ns = now_ns()
        for _ in range(BURST):
            try:
                frame = self._request.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            connection = _connection_of(frame)
            if connection not in self._peers["request"]:
                self._peers["request"].read()  # that it came is told before anything it says
            if frame.more:
                drop_parts(self._request)
                self._counters["requests_multipart"] += 1
                verdict = self._gate.judge_dropped(connection, at_ns)
            else:
                message = frame.bytes
                verdict = self._gate.judge(connection, message, at_ns)
                if self._keys is not None and not speaks_for_itself(_key_name_of(frame), message):
                    self._counters["requests_forged"] += 1
                elif verdict is Admission.ADMIT:
                    self._forward(admit, message)
                else:
                    self._counters["requests_limited"] += 1
            if verdict is Admission.CUT:
                self._peers["request"].cut(connection)

    def _forward(self, admit: zmq.Socket[bytes], frame: bytes) -> None:
        self._counters["requests_admitted" if send_now(admit, frame) else "requests_dropped"] += 1

    def _look(self, at_ns: int) -> bool:
        """Bound what subscribers send, and say what was refused; True while somebody sends much."""
        busy = self._peers["subscribe"].check_bytes(at_ns)
        counted = self._collect()
        for name, text in _NOTES.items():
            if counted[name] > self._noted.get(name, 0) and at_ns >= self._next_note_ns.get(name, 0):
                log.warning("%s: %d%s", text, counted[name], self._whom(name))
                self._noted[name], self._next_note_ns[name] = counted[name], at_ns + _NOTE_EVERY_NS
        return busy

    def _whom(self, counter: str) -> str:
        endpoint, _, what = counter.partition("_")
        return f", the last one {self._keys.last_refused[endpoint]}" if self._keys and what == "denied" else ""

    def _collect(self) -> dict[str, int]:
        """Every counter of the broker itself."""
        counted = dict(self._counters)
        for endpoint, peers in self._peers.items():
            counted |= {f"{endpoint}_{what}": peers.counters[what] for what in COUNTED}
            counted[f"{endpoint}_peers"] = peers.peers
            counted[f"{endpoint}_denied"] = 0 if self._keys is None else self._keys.refused[endpoint]
        return counted

    def _exceeds_memory(self) -> bool:
        taken = resident_bytes()
        if taken <= self._memory_bound_bytes:
            return False
        log.error("%d MiB of memory are beyond the bound of %d MiB", taken >> 20, self._memory_bound_bytes >> 20)
        return True

    def _read_statistics(self, control: zmq.Socket[bytes]) -> bool:
        try:
            parts = control.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._asked_statistics = False
        for name, part in zip(_STATISTICS, parts, strict=True):
            if name:
                self._statistics[name] = struct.unpack("=Q", part)[0]
        return True

    def _send_counters(self, admit: zmq.Socket[bytes]) -> None:
        counters = {
            **self._collect(),
            **self._statistics,
            "subscribe_bytes_in": self._peers["subscribe"].bytes_in,
            "memory_bytes": resident_bytes(),
        }
        self._forward(admit, self._stamper.frame(Counters(program="broker", counters=counters), utc_ns()))


def _key_name_of(frame: zmq.Frame) -> str:
    """Of the key under which a message came; empty for none."""
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""


def _connection_of(frame: zmq.Frame) -> int:
    """The descriptor a message came over; -1 for none."""
    try:
        return int(frame.get(zmq.SRCFD))
    except zmq.ZMQError:
        return -1
