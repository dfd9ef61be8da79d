"""`quotebus replay FILE`: play a capture on the bus; consumers work as they do live."""

from __future__ import annotations

import gc
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from math import nan
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from quotebus.bus.capture.format.captured import Captured, NotACapture
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.replay.player import BrokerGone, BusOccupied, Player
from quotebus.bus.capture.replay.player import ReplayProgress as Standing
from quotebus.bus.capture.time_range import find_time_range, parse_time_range
from quotebus.bus.capture.topic_prefixes import parse_prefixes
from quotebus.bus.cli.arguments import Arguments
from quotebus.bus.cli.key_presses import open_keys
from quotebus.bus.errors import EX_IOERR, EX_NOINPUT, ConfigError, NoInput
from quotebus.bus.process.flags import add_flags, read_flags
from quotebus.bus.process.log import setup
from quotebus.bus.process.mistakes import show_value
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.process.stdout import give_up_stdout, settle_stdout
from quotebus.bus.process.units import format_instant
from quotebus.bus.settings import BusSettings, LogSettings, die, load_given

PROGRAM = "quotebus replay"
USAGE = "quotebus replay [SETTING …] FILE"
EXAMPLES = """examples:
  quotebus replay captures/day.mcap
  quotebus replay captures/ --rate max --clients 2 --from +60
  quotebus replay day.mcap --topics quote.SPY health. --paused"""
EX_DAMAGED = 3
SWITCH_INTERVAL_S = 0.0002
"""How long the progress bar's thread may hold the interpreter while the player has messages due."""
SLOWEST, FASTEST = 1e-3, 1e6
LONGEST_WAIT_S = 86_400.0
MOST_CLIENTS = 10_000
_LOOK_S = 0.2


class ReplaySettings(BusSettings, LogSettings):
    """The bus to play on."""


def run(argv: Sequence[str]) -> int:
    """Play to the end; the exit status.

    0 for success, 3 for a capture that is damaged or none, 66 for a missing file or one without a message, 74 when the
    broker was away meanwhile, 78 for bad arguments and for a bus that is occupied.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    settings = load_given(ReplaySettings, read_flags(ReplaySettings, parser, arguments), PROGRAM)
    setup(settings.log_level, settings.log_format)
    try:
        with Capture(arguments.file) as capture:
            return _play(capture, arguments, settings)
    except NotACapture as error:
        print(f"{PROGRAM}: {escaped(str(error))}", file=sys.stderr)
        return EX_DAMAGED
    except FileNotFoundError as error:
        print(f"{PROGRAM}: {error.strerror}: {escaped(str(error.filename))}", file=sys.stderr)
        return EX_NOINPUT
    except BrokenPipeError:  # the reader of our output has gone
        give_up_stdout()
        return 0
    except OSError as error:
        settle_stdout()
        print(f"{PROGRAM}: {error.strerror or error}", file=sys.stderr)
        return EX_IOERR
    except NoInput as error:
        die(PROGRAM, error)
    except (ConfigError, BusOccupied, ValueError) as error:
        hint = "; --force plays anyway" if isinstance(error, BusOccupied) else ""
        die(PROGRAM, ConfigError(f"{error}{hint}"))


def make_parser() -> Arguments:
    """The command line of `replay`."""
    parser = Arguments(PROGRAM, "Plays a capture on the bus, so that consumers work as they do live.", EXAMPLES, USAGE)
    parser.add_argument("file", type=Path, metavar="FILE", help="capture file, or folder of its segments")
    parser.add_argument(
        "--rate",
        type=_rate,
        default=1.0,
        metavar="1|10|max",
        help="speed: recorded seconds per second, or max for as fast as consumers read (default 1)",
    )
    parser.add_argument(
        "--from",
        dest="from_",
        metavar="TIME",
        help="start at: UTC such as 2026-01-05T14:30, +seconds after the first message, or nanoseconds since 1970",
    )
    parser.add_argument("--to", metavar="TIME", help="end before this time")
    parser.add_argument(
        "--topics",
        nargs="+",
        default=[],
        metavar="TOPIC",
        help="play only topics that begin with one of these, separated by commas or spaces",
    )
    parser.add_argument(
        "--clients",
        type=_clients,
        default=1,
        metavar="N",
        help="start when N consumers have sent a request (default 1)",
    )
    parser.add_argument(
        "--wait", type=_wait_s, default=10.0, metavar="SECONDS", help="start after this long at the latest (default 10)"
    )
    parser.add_argument(
        "--paused", action="store_true", help="start paused; keys: space to go on or pause, n for one message, q to end"
    )
    parser.add_argument(
        "--force", action="store_true", help="play although a live node or another replay publishes on this bus"
    )
    add_flags(parser, ReplaySettings)
    return parser


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    rate = _number(text)
    if not SLOWEST <= rate <= FASTEST:
        raise ArgumentTypeError(f"must be max or a number from {SLOWEST:g} to {FASTEST:,.0f}{show_value(text)}")
    return rate


def _wait_s(text: str) -> float:
    wait_s = _number(text)
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        raise ArgumentTypeError(f"must be a number of seconds from 0 to {LONGEST_WAIT_S:,.0f}{show_value(text)}")
    return wait_s


def _clients(text: str) -> int:
    clients = _number(text)
    if not (0 <= clients <= MOST_CLIENTS and clients.is_integer()):
        raise ArgumentTypeError(f"must be a whole number from 0 to {MOST_CLIENTS:,}{show_value(text)}")
    return int(clients)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _play(capture: Capture, arguments: Namespace, settings: BusSettings) -> int:
    first_ns, last_ns = find_time_range(capture)
    from_ns, to_ns = parse_time_range(capture, arguments.from_, arguments.to)
    wanted = parse_prefixes(arguments.topics)
    if from_ns is not None and from_ns > last_ns:
        raise ConfigError(f"--from is after the last message, received at {format_instant(last_ns)}Z")

    def entries(begin_ns: int | None) -> Iterable[Captured]:
        return capture.read(from_ns=begin_ns, to_ns=to_ns, topics=wanted)

    player = Player(
        entries,
        settings,
        rate=arguments.rate,
        from_ns=from_ns,
        clients=arguments.clients,
        wait_s=arguments.wait,
        force=arguments.force,
    )
    on_ending(player.stop)
    if arguments.paused:
        player.pause()
    begin_ns = first_ns if from_ns is None else from_ns
    gone = ""
    try:
        play_visibly(player, begin_ns, last_ns if to_ns is None else min(to_ns, last_ns))
    except BrokerGone as error:
        gone = str(error)
    counters = ", ".join(f"{name} {count}" for name, count in player.counters.items() if count)
    print(f"{PROGRAM}: {player.progress().messages} messages; {counters}", flush=True)
    for damage in capture.damages:
        print(f"{PROGRAM}: {escaped(str(damage))}", file=sys.stderr)
    if player.counters["interrupted"]:
        what = gone or "the broker was away; messages in flight at that moment are lost"
        print(f"{PROGRAM}: {what}", file=sys.stderr)
        return EX_IOERR
    return EX_DAMAGED if capture.damages else 0


def play_visibly(player: Player, begin_ns: int, end_ns: int) -> None:
    """Play in a thread of its own; on a terminal, with a progress bar and keys. Raises what `Player.play` raises."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # otherwise each collection walks every imported object, which takes milliseconds
    with ThreadPoolExecutor(1, "player") as threads:
        playing = threads.submit(player.play)
        console = Console(stderr=True)
        try:
            with _make_bar(console) as bar, open_keys() as pressed:
                task = bar.add_task("", total=max(end_ns - begin_ns, 1), at="")
                while not wait([playing], _LOOK_S).done:
                    for key in pressed():
                        _steer(player, key)
                    progress = player.progress()
                    at_ns = begin_ns if progress.position_ns is None else progress.position_ns
                    bar.update(task, completed=at_ns - begin_ns, at=_format_position(progress, at_ns))
        finally:
            player.stop()
        playing.result()


def _make_bar(console: Console) -> Progress:
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[at]}", markup=False))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=5)


def _format_position(progress: Standing, at_ns: int) -> str:
    state = "waiting for consumers" if progress.waiting else "paused" if progress.paused else ""
    return f"{format_instant(at_ns)}Z  {progress.messages} messages  {progress.consumers} consumers  {state}"


def _steer(player: Player, key: str) -> None:
    if key == " ":
        player.resume() if player.progress().paused else player.pause()
    elif key == "n":
        player.step()
    elif key == "q":
        player.stop()
