"""Shows one fault to the real programs and checks the table's row about it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, replace

from quotebus import BusClient
from quotebus.bus.clock import now_ns
from quotebus.bus.events import (
    ConnectionHealth,
    ConnectionState,
    Counters,
    Quote,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolState,
    SymbolStatus,
)
from quotebus.pricing.faults import FaultResponse, Scope
from tests.faults.injections import OTHER, QUIET_S, SYMBOL, Injection
from tests.faults.stage import Stage, Watch, usable
from tests.support.programs import eventually

ACK_S = 0.1
SLACK_S = 0.4
"""What a busy machine may add between two programs."""
HOLD_S = 0.6
"""How long the line is watched where nothing is to happen."""
FLOOD_S = 5.0
"""How long a flood lasts before the age of its newest quote is looked at."""
RECOVERY_S = 20.0
PAIR_S = 3.0
READY_BID = 100.0
"""What `ready` leaves as the price."""


def seconds_between(began_ns: int, ended_ns: int) -> float:
    """By the clock on the wall."""
    return (ended_ns - began_ns) / 1e9


@dataclass(frozen=True)
class Measured:
    """What was published, and after how many seconds; `then_s` is when the line was given up, where it is."""

    answer: str
    took_s: float
    then_s: float | None = None
    acked_s: float = 0.0
    recovered_s: float | None = None


class Run:
    """One row, one injection, one time."""

    def __init__(
        self,
        stage: Stage,
        row: FaultResponse,
        injection: Injection,
        number: int,
        *,
        slack_s: float = 0.0,
        seconds: Callable[[int, int], float] = seconds_between,
    ) -> None:
        """`number` makes the name of the symbol asked for meanwhile; `slack_s` is added to every bound.

        `seconds` measures between two instants of `now_ns`.
        """
        self._seconds = seconds
        self.stage, self.row, self.injection = stage, row, injection
        self.log = stage.log
        self._slack_s = slack_s
        self._late = f"LATE{number}"
        self._touches_line = row.redials or row.state in _CONNECTION_DOWN
        self._position = 0
        self._began_ns = 0

    def __call__(
        self, *, wait_for_recovery_s: float = RECOVERY_S, measuring: AbstractContextManager[object] | None = None
    ) -> Measured:
        """The measured times; `measuring` is held until the answer is there. AssertionError says what does not hold."""
        stage, injection = self.stage, self.injection
        turn = ExitStack()
        turn.enter_context(measuring or nullcontext())
        with turn:
            return self._whole(stage, injection, wait_for_recovery_s, turn)

    def survive(self, plan: dict[str, object], within_s: float) -> None:
        """Only what always holds: a plan on a streaming line, a request meanwhile, and everything back afterwards."""
        stage = self.stage
        stage.prepare(self.injection, fresh=True)
        usable(stage.watcher, SYMBOL, OTHER)
        stage.control.faults(**plan)
        until_ns = now_ns() + int(PAIR_S * 1e9)
        eventually(lambda: now_ns() >= until_ns, PAIR_S + 5)
        self._ask(stage.late)
        stage.control.lift_faults()
        self._recover(stage.watcher, stage.late, within_s)
        stage.late.request([])
        self._finish()

    def _whole(self, stage: Stage, injection: Injection, wait_for_recovery_s: float, turn: ExitStack) -> Measured:
        row = self.row
        before = self.log.position()
        stage.prepare(injection, fresh=self._touches_line)
        watcher, late = stage.watcher, stage.late
        with ExitStack() as opened:
            others: Watch | None = None
            accepted = 0
            if injection.live:
                usable(watcher, SYMBOL, OTHER)
                accepted = stage.control.state()["tcp_accepted_total"]
                if self.row.scope is not Scope.CONNECTION:
                    other = SYMBOL if injection.symbol == OTHER else OTHER
                    others = opened.enter_context(closing(Watch(watcher, other)))
            measured = self._show(watcher, before)
            acked_s = self._ask(late)
            if self.row.state is ConnectionState.STREAMING and not self.row.counter:
                self._hold()
            if injection.prompt_s:
                measured = replace(measured, answer=f"{measured.answer}, {self._newest_age_s():.3f} s old")
            if others is not None and injection.plan.keys().isdisjoint(_SPOIL_ALL):
                others.close()
                assert not others.reasons, f"another symbol was touched: {others.reasons}"
            stage.control.lift_faults()
            injection.undo(stage.control)
            recovered_s = None
            turn.close()
            if injection.recovers and row.retry_s < wait_for_recovery_s:
                recovered_s = self._recover(watcher, late, wait_for_recovery_s)
            else:
                stage.stop_node()  # it would wait for a minute; the next fault gets another one
            if not self._touches_line and injection.live:
                assert stage.control.state()["tcp_accepted_total"] == accepted, "the line was dialled again"
            late.request([])
            if injection.newcomer:
                watcher.request([SYMBOL, OTHER])
            if injection.spoils:
                stage.stop_node()
        self._finish()
        return replace(measured, acked_s=acked_s, recovered_s=recovered_s)

    # the fault

    def _show(self, watcher: BusClient, before: int) -> Measured:
        stage, injection = self.stage, self.injection
        if injection.live:
            counted = self._counted()
            self._make_ready()
            self._position = self.log.position()
            self._began_ns = now_ns()
            stage.control.faults(**injection.plan)
            injection.act(stage.control)
            if injection.newcomer:
                watcher.request([SYMBOL, OTHER, injection.symbol])
        else:
            counted = 0
            self._position = before
            _, self._began_ns = self.log.wait(
                ConnectionHealth, lambda h: h.source not in stage.former and h.state == "connecting", since=before
            )
        return self._expect(counted)

    def _make_ready(self) -> None:
        """Every subscription is answered, and what the fault needs to have happened has, its flags gone by."""
        stage, position = self.stage, self.log.position()
        newcomer = self.injection.symbol if self.injection.newcomer else ""
        eventually(lambda: stage.all_subscribed(but=newcomer), why="every subscription is in place")
        until_ns = now_ns() + int(self.injection.streams_s * 1e9)
        eventually(lambda: now_ns() >= until_ns, self.injection.streams_s + 5)
        self.injection.ready(stage.control)
        if self.injection.ready is not Injection.ready:
            self.log.wait(Quote, lambda q: q.bid_price == READY_BID and not q.flags, since=position)

    def _expect(self, counted: int) -> Measured:
        row, symbol = self.row, self.injection.symbol
        bound_s = row.within_s + (QUIET_S if row.after else 0)
        wait_s = bound_s + 10
        if row.flag is not None:
            flag = int(row.flag)
            quote, at_ns = self.log.wait(
                Quote, lambda q: q.symbol == symbol and bool(q.flags & flag), within_s=wait_s, since=self._position
            )
            if "one_sided" in (told := row.flag.name or "").lower():
                assert quote.bid_price is None or quote.bid_price > 0, "an absent side is no price"
            answer = f"flag {told.lower()}"
        elif isinstance(row.state, SymbolState):
            status, at_ns = self.log.wait(
                SymbolStatus,
                lambda s: s.symbol == symbol and s.state == row.state,
                within_s=wait_s,
                since=self._position,
            )
            assert status.cause == row.cause, f"cause {status.cause}, not {row.cause}"
            answer = f"{status.state}/{status.cause}"
        elif row.counter:
            _, at_ns = self.log.wait(
                Counters,
                lambda c: c.program == "pricing-node" and c.counters[row.counter] > counted,
                within_s=wait_s,
                since=self._position,
            )
            answer = f"counted: {row.counter}"
        elif row.state is ConnectionState.STREAMING:
            self.log.wait(
                ConnectionHealth,
                lambda h: h.state == row.state and h.source not in self.stage.former,
                within_s=wait_s,
                since=self._position,
            )
            _, at_ns = self._first_quote(symbol, wait_s)
            answer = f"{row.state}, quotes go on"
        else:
            at_ns, answer = self._line_goes(wait_s)
        took_s = self._seconds(self._began_ns, at_ns)
        assert took_s <= bound_s + self._slack_s, f"{answer} after {took_s:.2f} s, bound {bound_s:.1f} s"
        then_s = None
        if row.then is not None:
            _, then_ns = self.log.wait(
                ConnectionHealth, lambda h: h.state == row.then, within_s=wait_s, since=self._position
            )
            then_s = self._seconds(self._began_ns, then_ns)
            assert then_s <= row.then_within_s + self._slack_s, (
                f"{row.then} after {then_s:.2f} s, bound {row.then_within_s} s"
            )
        return Measured(answer, took_s, then_s)

    def _first_quote(self, symbol: str, wait_s: float) -> tuple[Quote, int]:
        return self.log.wait(
            Quote,
            lambda q: q.symbol == symbol and not q.flags and q.source not in self.stage.former,
            within_s=wait_s,
            since=self._position,
        )

    def _line_goes(self, wait_s: float) -> tuple[int, str]:
        row = self.row
        first = (ConnectionState.BACKING_OFF, ConnectionState.REFUSED, ConnectionState.SUSPECT)
        wanted = (row.state,) if row.state is ConnectionState.CIRCUIT_OPEN else (*first, row.state)
        began = self._began_ns

        def wrong(health: ConnectionHealth) -> bool:
            return health.state in wanted

        heard, at_ns = self.log.wait(ConnectionHealth, wrong, within_s=wait_s, since=self._position)
        assert at_ns >= began
        assert (heard.state, heard.cause) == (row.state, row.cause), f"{heard.state}/{heard.cause} [{heard.detail}]"
        if row.retry_s:
            assert heard.next_retry_ns is not None
            least_s = max(row.retry_s, self.injection.plan.get("retry_after_s", 0))
            wait = (heard.next_retry_ns - heard.published_ns) / 1e9
            assert wait >= least_s - 0.1, f"next try after {wait:.1f} s, not {least_s} s"
        return at_ns, f"{heard.state}/{heard.cause}"

    # meanwhile

    def _ask(self, late: BusClient) -> float:
        """A request made while the fault lasts is answered at once; the seconds it took."""
        position = self.log.position()
        late.request([self._late])
        asked, asked_ns = self.log.wait(SymbolsRequested, lambda r: r.symbols == (self._late,), since=position)
        _, acked_ns = self.log.wait(SymbolsAcknowledged, lambda a: a.request_id == asked.request_id, since=position)
        acked_s = self._seconds(asked_ns, acked_ns)
        assert acked_s <= ACK_S + SLACK_S + self._slack_s, f"acknowledged after {acked_s:.2f} s"
        return acked_s

    def _hold(self) -> None:
        """Where nothing is to happen, nothing does."""
        until_ns = now_ns() + int(HOLD_S * 1e9)
        eventually(lambda: now_ns() >= until_ns, HOLD_S + 5)
        since = self._position if self.injection.live else self._streaming_from()
        others = self.log.all(ConnectionHealth, lambda h: h.state != "streaming", since=since)
        assert not others, f"the line was touched: {others[0].state}/{others[0].cause}"

    def _newest_age_s(self) -> float:
        """How old the newest quote of the fault's symbol was when it was published, some seconds into the fault."""
        until_ns = now_ns() + int(FLOOD_S * 1e9)
        eventually(lambda: now_ns() >= until_ns, FLOOD_S + 5)
        newest = self.log.all(Quote, lambda quote: quote.symbol == self.injection.symbol, since=self._position)[-1]
        age_s = (newest.published_ns - newest.exchange_ns) / 1e9
        assert age_s <= self.injection.prompt_s + self._slack_s, f"the newest quote was {age_s:.2f} s old"
        return age_s

    def _streaming_from(self) -> int:
        heard = self.log.heard
        return next(
            at
            for at in range(self._position, len(heard))
            if isinstance(event := heard[at].event, ConnectionHealth) and event.state == "streaming"
        )

    def _counted(self) -> int:
        if not self.row.counter:
            return 0
        last, _ = self.log.wait(Counters, lambda c: c.program == "pricing-node", since=self.log.position())
        return last.counters[self.row.counter]

    # afterwards

    def _recover(self, watcher: BusClient, late: BusClient, within_s: float) -> float:
        began_ns = now_ns()
        usable(watcher, SYMBOL, OTHER, within_s=within_s + 10)
        recovered_s = (now_ns() - began_ns) / 1e9
        pushed = 0.0

        def alive() -> bool:
            nonlocal pushed
            if (elapsed_s := (now_ns() - began_ns) / 1e9) > pushed + 0.1:
                pushed = elapsed_s
                self.stage.control.quote(self._late, 10.0, 10.01)
            return late.usable(self._late)

        eventually(alive, within_s + 10, "the symbol asked for meanwhile is usable")
        return recovered_s

    def _finish(self) -> None:
        for control in self.stage.controls():
            state = control.state()
            assert state["max_simultaneous"] <= 1, "two upgraded sockets at once"
            assert state["max_simultaneous_tcp"] <= 1, "two sockets at once"
            assert state["redirects_followed_total"] == 0
        self.stage.check_programs()


_CONNECTION_DOWN = (ConnectionState.SUSPECT, ConnectionState.CIRCUIT_OPEN)
_SPOIL_ALL = frozenset({"mute", "latency_ms", "late_ack_ms", "garbage", "bad_utf8", "skew_ms"})
