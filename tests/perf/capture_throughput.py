"""Messages per second recorded from the bus, beside plain appending with the mcap package, in the same run.

    python -m tests.perf.capture_throughput [--rounds N] [--messages N]

Ours: numbered quotes of 500 symbols from a publisher in its own process, through a real broker, into the recorder:
heard, envelope decoded, numbers checked, packed, compressed, written, synced each second. Theirs: the same payloads
from memory into `mcap.writer.Writer` with the same compression, checksums and indexes. Rounds alternate; the medians
and their ratio count. The publisher keeps at most 20,000 messages ahead of the recorder, so that no buffer overflows.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import zmq
from mcap.writer import CompressionType, IndexType, Writer

from quotebus.bus import codec
from quotebus.bus.capture import Capture
from quotebus.bus.capture.record.recorder import Recorder
from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.events import RecorderState
from quotebus.bus.settings import parse
from quotebus.bus.transport.recorder_sockets import RecorderSockets
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.samples import QUOTE, like
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = 500
AHEAD = 20_000
TARGET = 0.6


def frames(count: int) -> list[bytes]:
    """Quotes with their numbers, one symbol after the other."""
    return [
        codec.encode(like(QUOTE, symbol=f"S{number % SYMBOLS}", seq=number // SYMBOLS + 1, published_ns=time.time_ns()))
        for number in range(count)
    ]


def publish(url: str, count: int) -> None:
    """The publisher's process: sends, and reads on stdin how many have been recorded."""
    prepared = frames(count)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = make(context, Role.PUBLISH)
    socket.connect(url)
    socket.recv()  # the recorder's subscription
    recorded = 0

    def read() -> None:
        nonlocal recorded
        for line in sys.stdin:
            recorded = int(line)

    threading.Thread(target=read, daemon=True).start()
    print("ready", flush=True)
    for begin in range(0, count, 500):
        while begin - recorded > AHEAD:
            time.sleep(0.0005)
        for frame in prepared[begin : begin + 500]:
            socket.send(frame)
    while recorded < count:
        time.sleep(0.01)
    context.destroy(linger=0)


def ours(count: int, folder: Path) -> tuple[float, float]:
    """Messages per second from the bus to the file, and microseconds of the recorder's CPU for each."""
    world = World(folder)
    try:
        world.broker()
        bus = [f"--bus-url={world.environment['BUS_URL']}", f"--bus-runtime-dir={world.environment['BUS_RUNTIME_DIR']}"]
        settings = parse(RecordSettings, [*bus, "quote."], "bench")
        command = [sys.executable, "-m", "tests.perf.capture_throughput", "--publish"]
        command += [world.urls["publish"], "--messages", str(count)]
        with (
            RecorderSockets(settings, "recorder-bench", settings.topics) as listener,
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as publisher,
        ):
            recorder = Recorder(settings, listener, "recorder-bench", folder / "bench.mcap")
            took: list[float] = []
            watch = threading.Thread(target=_watch, args=(recorder, publisher, count, took), daemon=True)
            watch.start()
            cpu_s = time.process_time()
            recorder.run()
            cpu_s = time.process_time() - cpu_s
            watch.join(5)
            publisher.kill()
        assert recorder.state is RecorderState.STOPPED
        assert recorder.packer.lost == 0, f"{recorder.packer.lost} lost"
        assert sum(1 for _ in Capture(folder / "bench.mcap", strict=True)) == count
        return count / took[0], cpu_s / count * 1e6
    finally:
        world.close()


def _watch(recorder: Recorder, publisher: subprocess.Popen[str], count: int, took: list[float]) -> None:
    assert publisher.stdin is not None
    assert publisher.stdout is not None
    publisher.stdout.readline()
    while not recorder.packer.received:
        time.sleep(0.0005)
    began = time.perf_counter()
    while recorder.disk.messages < count:
        publisher.stdin.write(f"{recorder.packer.received}\n")
        publisher.stdin.flush()
        time.sleep(0.005)
    took.append(time.perf_counter() - began)
    recorder.stop()


def theirs(prepared: list[bytes], folder: Path) -> float:
    """Messages per second of plain appending."""
    split = [frame.partition(b"\0") for frame in prepared]
    with (folder / "plain.mcap").open("wb") as file:
        writer = Writer(
            file,
            compression=CompressionType.LZ4,
            index_types=IndexType.ALL & ~IndexType.MESSAGE,
            enable_data_crcs=True,
        )
        writer.start("plain")
        began = time.perf_counter()
        channels: dict[bytes, int] = {}
        for topic, _, payload in split:
            channel = channels.get(topic)
            if channel is None:
                channel = channels[topic] = writer.register_channel(topic.decode(), "msgpack", 0)
            writer.add_message(channel, 1, payload, 1)
        writer.finish()
        file.flush()
    return len(prepared) / (time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--publish", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        publish(options.publish, options.messages)
        return 0
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, interleaved")
    prepared = frames(options.messages)
    us, them, cpu = [], [], []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            them.append(theirs(prepared, Path(folder)))
            rate, cpu_us = ours(options.messages, Path(folder))
            us.append(rate)
            cpu.append(cpu_us)
    ours_median, theirs_median = statistics.median(us), statistics.median(them)
    ratio = ours_median / theirs_median
    print(f"plain mcap appending  {theirs_median:>10,.0f}/s  ({min(them):,.0f} to {max(them):,.0f})")
    print(f"recorded from the bus {ours_median:>10,.0f}/s  ({min(us):,.0f} to {max(us):,.0f}), nothing lost")
    print(f"the recorder's CPU    {statistics.median(cpu):>10.2f} µs a message")
    print(f"ratio {ratio:.2f}, at least {TARGET}: {'yes' if ratio >= TARGET else 'NO'}")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
