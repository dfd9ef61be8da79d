"""Rounds of several contenders, one after the other, so that a busy machine disturbs them all; and what they say."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.perf.contenders import CONTENDERS, Load, Measured, measure
from tests.perf.figures import progress, quantile
from tests.perf.processors import CROWDED
from tests.perf.system_calls import can_count

WARM_UP = 0.2
"""Share of the quotes at the beginning whose latency is not counted."""
CALLS = Load(6_000, 1, 1_000.0)
"""What system calls are counted at."""


def parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """The options that both measurements have."""
    options = argparse.ArgumentParser(
        prog=program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    options.add_argument("--one-core", action="store_true", help="all programs on one processor: the least noisy ratio")
    options.add_argument("--calls", action="store_true", help="count system calls per quote, if strace is there")
    return options


def begin(options: argparse.Namespace) -> None:
    """Take one processor if that is wanted, and say what this runs on."""
    processors = os.sched_getaffinity(0)
    if options.one_core:
        processors = {max(processors)}
        os.sched_setaffinity(0, processors)  # the programs inherit it
    where = "one core" if len(processors) == 1 else f"{len(processors)} cores"
    print(f"{where}, Python {platform.python_version()}, {options.rounds} rounds, interleaved")


def run_rounds(load: Load, rounds: int, of: str, names: Sequence[str] = tuple(CONTENDERS)) -> dict[str, list[Measured]]:
    """By contender, each round. `of` says in the progress what is measured."""
    measured: dict[str, list[Measured]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names:
            progress(f"{of}: round {number + 1} of {rounds}, {name}")
            measured[name].append(measure(name, load))
    progress("")
    return measured


def print_system_calls() -> dict[str, dict[str, float]]:
    """Count, print and return system calls per quote, by contender and program."""
    if not can_count():
        print("system calls: not counted, there is no strace")
        return {}
    counted: dict[str, dict[str, float]] = {}
    for name in CONTENDERS:
        progress(f"system calls of {name}")
        counted[name] = measure(name, CALLS, count_calls=True).calls
        progress("")
        print(f"system calls a quote at {CALLS.rate:,.0f}/s, {name:>9}: {spell(counted[name])}")
    return counted


def choose_quiet(rounds: Sequence[Measured]) -> list[Measured]:
    """Those that others did not disturb; all, where that are fewer than half."""
    quiet = [each for each in rounds if each.others < CROWDED]
    return quiet if len(quiet) * 2 >= len(rounds) else list(rounds)


def latency_ms(rounds: Sequence[Measured], share: float) -> float:
    """The median over rounds of this quantile."""
    chosen = choose_quiet(rounds)
    return statistics.median(quantile(warm_ms(each), share) for each in chosen)


def warm_ms(measured: Measured) -> list[float]:
    """The latencies that count."""
    return measured.taken_ms[int(WARM_UP * len(measured.taken_ms)) :]


def rate(rounds: Sequence[Measured]) -> float:
    """Quotes per second, the median over rounds."""
    return statistics.median(each.rate for each in choose_quiet(rounds))


def lost(rounds: Sequence[Measured]) -> int:
    return sum(each.lost for each in rounds)


def cpu_us(rounds: Sequence[Measured]) -> dict[str, float]:
    """By program, microseconds of processor time per quote, medians over rounds."""
    chosen = choose_quiet(rounds)
    return {program: statistics.median(each.cpu_us[program] for each in chosen) for program in chosen[0].cpu_us}


def spell(figures: dict[str, float]) -> str:
    """`node 31, broker 16, reader 23`."""
    return ", ".join(f"{program} {figure:.3g}" for program, figure in figures.items())


def print_crowd(all_rounds: Sequence[Measured]) -> None:
    """Say how many rounds others disturbed, if any."""
    crowded = [each.others for each in all_rounds if each.others >= CROWDED]
    if crowded:
        print(
            f"others took {min(crowded):.1f} to {max(crowded):.1f} processors in {len(crowded)} of "
            f"{len(all_rounds)} rounds: those count only where fewer than half are left"
        )


def write_json(path: Path | None, rows: Sequence[tuple[Load, str, Sequence[Measured]]], **more: object) -> None:
    """Every round with its quantiles instead of each quote's time."""
    if path is None:
        return
    rounds = [
        {
            **asdict(load),
            "contender": name,
            **{key: value for key, value in asdict(each).items() if key not in ("taken_ms", "rate")},
            "quotes_per_s": each.rate,
            **{f"p{share:g}_ms": quantile(warm_ms(each), share / 100) for share in (50, 99) if each.taken_ms},
        }
        for load, name, measured in rows
        for each in measured
    ]
    path.write_text(json.dumps({"cores": os.cpu_count(), "rounds": rounds, **more}, indent=1) + "\n")
