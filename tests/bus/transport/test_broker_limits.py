"""How much one connection may send, in the gate's own time."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.transport.broker_limits import NAMES_PER_CONNECTION, Admission, Allowance, RequestGate
from tests.support.samples import INTENT, REQUESTED, like

INTENT_FRAME = codec.encode(INTENT)


def request(client: str) -> bytes:
    return codec.encode(like(REQUESTED, client=client))


def admitted(gate: RequestGate, connection: int, frame: bytes, times: int, now_ns: int = 0) -> int:
    """How many of as many frames are let through."""
    return sum(gate.judge(connection, frame, now_ns) is Admission.ADMIT for _ in range(times))


def test_an_allowance_gains_by_time_up_to_its_burst() -> None:
    allowance = Allowance(burst=10, per_s=2)
    assert [allowance.take(4, 0) for _ in range(3)] == [True, True, False]
    assert allowance.left == 2
    assert allowance.take(4, NS_PER_S)
    assert not allowance.take(1, NS_PER_S)
    assert allowance.take(10, 100 * NS_PER_S)
    assert not allowance.take(1, 100 * NS_PER_S)
    assert not allowance.spend(9, 101 * NS_PER_S)
    assert allowance.left == 0


def test_a_connection_has_a_few_names_and_each_is_told_once() -> None:
    told: list[tuple[int, str]] = []
    gate = RequestGate(lambda connection, name: told.append((connection, name)))
    names = [f"name-{number}" for number in range(2 * NAMES_PER_CONNECTION)]
    for _ in range(3):
        for number, name in enumerate(names):
            expected = Admission.ADMIT if number < NAMES_PER_CONNECTION else Admission.DROP
            assert gate.judge(1, request(name), 0) is expected
    assert told == [(1, name) for name in names[:NAMES_PER_CONNECTION]]
    assert gate.judge(2, request("name-99"), 0) is Admission.ADMIT
    gate.forget(1)
    assert gate.judge(1, request("name-99"), 0) is Admission.ADMIT


def test_the_limit_of_one_connection_is_not_anothers() -> None:
    gate = RequestGate()
    assert admitted(gate, 1, request("one"), 1_000) == 200
    assert admitted(gate, 2, request("two"), 10) == 10
    assert admitted(gate, 1, request("one"), 1_000, NS_PER_S) == 100
    assert admitted(gate, 1, INTENT_FRAME, 10) == 10, "other kinds have their own"


def test_known_clients_renew_however_many_others_ask() -> None:
    gate = RequestGate()
    assert admitted(gate, 0, request("known"), 1) == 1
    for second in range(10):
        now_ns = second * NS_PER_S
        let_in = sum(admitted(gate, 1_000 * (second + 1) + number, request("new"), 1, now_ns) for number in range(900))
        assert let_in <= (1_000 if second == 0 else 600)
        assert admitted(gate, 0, request("known"), 1, now_ns) == 1


def test_messages_and_bytes_are_bounded_and_who_goes_on_is_cut() -> None:
    gate = RequestGate()
    assert admitted(gate, 1, INTENT_FRAME, 25_000) == 20_000
    assert admitted(gate, 2, b"intent.x\0" + bytes(1 << 20), 20) == 15
    verdicts = [gate.judge(1, INTENT_FRAME, 0) for _ in range(6_000)]
    assert verdicts[4_999:5_001] == [Admission.DROP, Admission.CUT]
    gate.forget(1)
    assert len(gate) == 1
    assert {gate.judge_dropped(3, 0) for _ in range(10_000)} == {Admission.DROP}
    assert gate.judge_dropped(3, 0) is Admission.CUT


def test_what_cannot_be_read_passes_as_one_nameless_client() -> None:
    gate = RequestGate()
    for junk in (b"", b"\x90", b"\xc1", b"\x95\1\2\3\4\5", b"\xdd\xff\xff\xff\xff"):
        assert gate.judge(1, b"symbols.requested\0" + junk, 0) is Admission.ADMIT
