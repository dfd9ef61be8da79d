"""`quotebus replay FILE`: plays a capture on the bus, so that consumers work as they do live."""

from __future__ import annotations

import argparse
import gc
import sys
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
from quotebus.bus.cli.keys import open_keys
from quotebus.bus.errors import EX_IOERR, EX_NOINPUT, ConfigError, NoInput
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.process.stdout import give_up_stdout
from quotebus.bus.process.units import format_instant
from quotebus.bus.settings import BusSettings, die, load

PROGRAM = "quotebus replay"
EX_DAMAGED = 3
SWITCH_INTERVAL_S = 0.0002
"""How long the thread of the bar may keep the interpreter from the player, whose messages are due."""
SLOWEST, FASTEST = 1e-3, 1e6
LONGEST_WAIT_S = 86_400.0
_LOOK_S = 0.2


def run(argv: Sequence[str]) -> int:
    """Play to the end: exit status 0; 3 when the capture is damaged or none, 66 when there is no such file or
    no message in it, 74 when the broker was away meanwhile, 78 when it cannot be played here.
    """
    arguments, rest = _parser().parse_known_args(argv)
    settings = load(BusSettings, rest, PROGRAM)
    try:
        with Capture(arguments.file) as capture:
            return _play(capture, arguments, settings)
    except NotACapture as error:
        print(f"{PROGRAM}: {escaped(str(error))}", file=sys.stderr)
        return EX_DAMAGED
    except FileNotFoundError as error:
        print(f"{PROGRAM}: {error.strerror}: {escaped(str(error.filename))}", file=sys.stderr)
        return EX_NOINPUT
    except BrokenPipeError:  # whoever read our output has gone
        give_up_stdout()
        return 0
    except OSError as error:
        print(f"{PROGRAM}: {error.strerror or error}", file=sys.stderr)
        return EX_IOERR
    except NoInput as error:
        die(PROGRAM, error)
    except (ConfigError, BusOccupied, ValueError) as error:
        hint = "; --force plays all the same" if isinstance(error, BusOccupied) else ""
        die(PROGRAM, ConfigError(f"{error}{hint}"))


def _parser() -> argparse.ArgumentParser:
    parser = Arguments(PROGRAM, description=__doc__, epilog="The bus's settings are taken as well.")
    parser.add_argument("file", type=Path, help="a capture: a file, or a folder of its segments")
    parser.add_argument("--rate", type=_rate, default=1.0, metavar="1|10|max", help="recorded seconds in one; max")
    parser.add_argument("--from", dest="from_", metavar="T", help="start at: a UTC time, nanoseconds, or +seconds")
    parser.add_argument("--to", metavar="T", help="end before")
    parser.add_argument(
        "--topics",
        nargs="+",
        default=[],
        metavar="PREFIX",
        help="play these topics only, with commas or spaces between them",
    )
    parser.add_argument("--clients", type=int, default=1, metavar="N", help="begin when N consumers have asked (1)")
    parser.add_argument("--wait", type=_wait_s, default=10.0, metavar="S", help="but wait for them no longer (10)")
    parser.add_argument("--paused", action="store_true", help="begin paused; keys: space, n for one message, q")
    parser.add_argument("--force", action="store_true", help="also on a bus with a live node")
    return parser


def _rate(text: str) -> float | None:
    if text == "max":
        return None
    rate = _number(text)
    if not SLOWEST <= rate <= FASTEST:
        raise argparse.ArgumentTypeError(f"max, or from {SLOWEST:g} to {FASTEST:,.0f}: {text}")
    return rate


def _wait_s(text: str) -> float:
    wait_s = _number(text)
    if not 0 <= wait_s <= LONGEST_WAIT_S:
        raise argparse.ArgumentTypeError(f"from 0 to {LONGEST_WAIT_S:,.0f} seconds: {text}")
    return wait_s


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return nan


def _play(capture: Capture, arguments: argparse.Namespace, settings: BusSettings) -> int:
    first_ns, last_ns = find_time_range(capture)
    from_ns, to_ns = parse_time_range(capture, arguments.from_, arguments.to)
    wanted = parse_prefixes(arguments.topics)
    if from_ns is not None and from_ns > last_ns:
        raise ConfigError(f"--from is after the end: {format_instant(last_ns)}Z")

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
        what = gone or "the broker was away; what was under way then is lost"
        print(f"{PROGRAM}: {what}", file=sys.stderr)
        return EX_IOERR
    return EX_DAMAGED if capture.damages else 0


def play_visibly(player: Player, begin_ns: int, end_ns: int) -> None:
    """Play in a thread of its own, with a bar and keys on a terminal. Raises what `play` raised."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # else a collection goes through all that was ever imported, for some milliseconds
    with ThreadPoolExecutor(1, "player") as threads:
        playing = threads.submit(player.play)
        console = Console(stderr=True)
        try:
            with _bar(console) as bar, open_keys() as pressed:
                task = bar.add_task("", total=max(end_ns - begin_ns, 1), at="")
                while not wait([playing], _LOOK_S).done:
                    for key in pressed():
                        _steer(player, key)
                    progress = player.progress()
                    at_ns = begin_ns if progress.position_ns is None else progress.position_ns
                    bar.update(task, completed=at_ns - begin_ns, at=_where(progress, at_ns))
        finally:
            player.stop()
        playing.result()


def _bar(console: Console) -> Progress:
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[at]}", markup=False))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=5)


def _where(progress: Standing, at_ns: int) -> str:
    state = "waiting for consumers" if progress.waiting else "paused" if progress.paused else ""
    return f"{format_instant(at_ns)}Z  {progress.messages} messages  {progress.listeners} consumers  {state}"


def _steer(player: Player, key: str) -> None:
    if key == " ":
        player.resume() if player.progress().paused else player.pause()
    elif key == "n":
        player.step()
    elif key == "q":
        player.stop()
