"""Who waits drives: a loop over quotes reads the sockets itself, and everything else goes on as if it did not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Quote, RecorderHealth, SymbolsRequested
from tests.support.programs import eventually
from tests.support.samples import RECORDER
from tests.support.world import World

INTERRUPTED = """
import os, random, signal, sys
from quotebus import BusClient


class Interrupt(Exception):
    pass


def interrupt(number, frame):
    raise Interrupt


signal.signal(signal.SIGALRM, interrupt)
with BusClient(name="interrupted", ttl_s=5) as bus:
    assert bus.request(SYMBOLS := ["S%d" % n for n in range(20)], wait_s=30)
    feed = bus.quotes(conflate=False, bound=1_000_000, timeout_s=30)
    taken, interrupts, seen, missing = 0, 0, {}, 0
    while interrupts < 60:
        try:
            # Again after a second: what is raised within a finalizer, Python prints and drops.
            signal.setitimer(signal.ITIMER_REAL, random.uniform(0.001, 0.03), 1.0)
            for quote in feed:
                taken += 1
                missing += quote.seq - seen.get(quote.symbol, quote.seq - 1) - 1
                seen[quote.symbol] = quote.seq
        except Interrupt:
            interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    after = bus.request(SYMBOLS, wait_s=30)
    counters = bus.counters
    reasons = {str(bus.assess(symbol).reasons) for symbol in SYMBOLS}
    counted = counters["lost"] + counters["interrupted"]
    print(taken > 0, reasons, missing <= counted, missing, counted)
"""
"""A loop whose alarm raises wherever it is."""

CLOSED = """
import signal, sys
from quotebus import BusClient

with BusClient(name="closed") as bus:
    signal.signal(signal.SIGALRM, lambda *_: bus.close())
    bus.request(["SPY"], wait_s=30)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    print(sum(1 for _ in bus.quotes()) > 0, flush=True)
print("over")
"""
"""A signal's handler closes the client that the main thread drives."""


def run(world: World, program: str) -> str:
    environment = {**os.environ, **world.environment}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def open_market(world: World, rate: str = "500") -> None:
    world.broker()
    world.exchange("--rate", rate)
    world.node()


def test_a_loop_that_is_interrupted_anywhere_goes_on_and_counts_what_it_lost(world: World) -> None:
    open_market(world)
    assert run(world, INTERRUPTED).startswith("True {'none'} True")


def test_a_signal_handler_may_close_the_client_that_it_interrupts(world: World) -> None:
    open_market(world)
    began_ns = now_ns()
    assert run(world, CLOSED) == "True\nover\n"
    assert now_ns() - began_ns < 40 * NS_PER_S


def test_two_loops_in_two_threads_get_every_quote_and_so_does_one_that_is_left(world: World) -> None:
    open_market(world)
    client = world.client("two")
    client.request(["SPY", "QQQ"], wait_s=30)
    taken: list[list[Quote]] = [[], []]

    def read(number: int) -> None:
        for quote in client.quotes(conflate=False, timeout_s=20):
            taken[number].append(quote)
            if len(taken[number]) >= 300:
                return

    threads = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert [len(each) for each in taken] == [300, 300]
    for each in taken:
        for symbol in ("SPY", "QQQ"):
            seqs = [quote.seq for quote in each if quote.symbol == symbol]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert client.counters["lost"] == 0


def test_two_threads_share_one_feed_and_neither_loop_ends_early(world: World) -> None:
    open_market(world)
    client = world.client("shared")
    client.request(["SPY", "QQQ"], wait_s=30)
    feed = client.quotes(conflate=False, timeout_s=20)
    taken: list[Quote] = []
    ended: list[int] = []

    def read(number: int) -> None:
        for quote in feed:
            taken.append(quote)
            if len(taken) >= 1_500:
                return
        ended.append(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert not ended
    seqs = sorted(quote.seq for quote in taken if quote.symbol == "SPY")
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), ("each quote once", client.counters)


def test_who_computes_for_long_keeps_its_lease_and_loses_nothing(world: World) -> None:
    open_market(world, "100")
    log = world.log(b"symbols.requested")
    client = world.client("slow", ttl_s=5)
    client.request(["SPY"], wait_s=30)
    feed = client.quotes(conflate=False, timeout_s=20)
    first = next(iter(feed))
    renewals = len(log.all(SymbolsRequested))
    until_ns = now_ns() + 4 * NS_PER_S
    while now_ns() < until_ns:  # it computes
        sum(range(10_000))
    assert len(log.all(SymbolsRequested)) > renewals, "the stand-by has renewed the lease"
    rest = [quote.seq for _, quote in zip(range(200), feed, strict=False)]
    assert rest == list(range(first.seq + 1, first.seq + 201))
    assert client.counters["feed_dropped"] == client.counters["lost"] == 0
    assert client.usable("SPY")


def test_what_another_thread_publishes_leaves_at_once_though_a_loop_has_the_sockets(world: World) -> None:
    world.broker()
    world.exchange("--faults", "mute")
    world.node()
    client = world.client("talker")
    client.request(["SPY"])
    log = world.log(b"recorder.")
    loop = threading.Thread(target=lambda: list(client.quotes(timeout_s=5)))
    loop.start()
    eventually(lambda: client._sockets._seat._sleeps, why="the loop sits")  # type: ignore[attr-defined]
    for _ in range(20):
        assert client.publish(RECORDER)
    eventually(lambda: len(log.all(RecorderHealth)) >= 20, 3.0)
    loop.join(20)


def test_what_the_loop_itself_publishes_leaves_from_there(world: World) -> None:
    open_market(world)
    client = world.client("talker")
    client.request(["SPY"], wait_s=30)
    log = world.log(b"recorder.")
    for _, _quote in zip(range(50), client.quotes(conflate=False, timeout_s=20), strict=False):
        assert client.publish(RECORDER)
    eventually(lambda: len(log.all(RecorderHealth)) >= 50, 3.0)
    assert client.counters["send_dropped"] == client.counters["lost"] == 0


def test_a_flood_that_the_stand_by_reads_is_given_up_to_a_loop_at_once(world: World) -> None:
    open_market(world, "5000")
    client = world.client("flooded")
    client.request(["SPY", "QQQ"], wait_s=30)
    feed = client.quotes(conflate=False, bound=1_000, timeout_s=20)
    for _ in range(5):
        until_ns = now_ns() + NS_PER_S // 10
        while now_ns() < until_ns:  # it computes, and the stand-by takes over
            sum(range(1_000))
        before_ns = now_ns()
        next(iter(feed))
        client._sockets.drive(lambda: True, 1)  # type: ignore[attr-defined]
        assert now_ns() - before_ns < NS_PER_S


def test_a_close_from_another_thread_ends_the_loop(world: World) -> None:
    open_market(world, "1")
    client = world.client("closing")
    client.request(["SPY"], wait_s=30)
    ended = threading.Event()
    loop = threading.Thread(target=lambda: [list(client.quotes()), ended.set()])
    loop.start()
    eventually(lambda: client._sockets._seat._sleeps)  # type: ignore[attr-defined]
    began = time.monotonic()
    client.close()
    assert ended.wait(5)
    assert time.monotonic() - began < 4
    loop.join(10)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
