"""Mutants of the modules that judge prices: how many of a sample their own tests notice. `make mutants`.

Each sampled change of `mutate.py` is put in place of its module in a process of its own, which then runs the module's
own tests. A change that no program can show is named in `equivalents.py` and is not drawn. Exit 1 when fewer than 95 %
of a module's sample are noticed.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.util
import os
import random
import sys
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

import hypothesis
import msgspec
import pytest

from tests.mutants.equivalents import EQUIVALENTS
from tests.mutants.modules import JUDGED, Judged
from tests.mutants.mutate import Mutant, apply, find_mutants

LEAST = 0.95
LONGEST_S = 120.0
"""A change that makes the tests run for ever is noticed, too."""
ROOT = Path(__file__).parents[2]
LOADED = (hypothesis, msgspec, pytest)
"""Loaded before the fork, so that no child has to."""


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module by name, and gives it the changed source."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = module, source

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self._module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, f"<mutant of {self._module}>", "exec"), module.__dict__)


def _run_tests(judged: Judged, source: str, seed: int) -> None:
    os.chdir(ROOT)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    sys.meta_path.insert(0, _Instead(judged.module, source))
    options = ("-x", "-q", "-p", "no:randomly", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    sys.exit(int(pytest.main([*options, f"--hypothesis-seed={seed}", *judged.tests])))


def is_noticed(judged: Judged, source: str, seed: int) -> bool:
    """Whether the module's own tests fail on this source of it."""
    return not find_unnoticed(judged, [source], seed, 1)


def find_unnoticed(judged: Judged, sources: Sequence[str], seed: int, jobs: int) -> list[int]:
    """The places of those sources that the module's own tests take for right; `jobs` of them run at a time."""
    unnoticed: list[int] = []
    waiting = list(enumerate(sources))[::-1]
    running: dict[BaseProcess, tuple[int, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            place, source = waiting.pop()
            process = get_context("fork").Process(target=_run_tests, args=(judged, source, seed))
            process.start()
            running[process] = place, time.monotonic() + LONGEST_S
        wait([process.sentinel for process in running], timeout=1)
        for process, (place, until_s) in list(running.items()):
            if process.exitcode is None and time.monotonic() > until_s:
                process.kill()
                process.join()
            if process.exitcode is not None:
                del running[process]
                if process.exitcode == 0:
                    unnoticed.append(place)
    return sorted(unnoticed)


def draw(judged: Judged, count: int, seed: int) -> list[Mutant]:
    """A sample of the module's changes, equivalent ones left out; all of them when `count` is 0."""
    equivalent = EQUIVALENTS.get(judged.module, {})
    mutants = [mutant for mutant in find_mutants((ROOT / judged.path).read_text()) if mutant.name not in equivalent]
    return mutants if count == 0 else random.Random(seed).sample(mutants, min(count, len(mutants)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(JUDGED)}; default: all")
    parser.add_argument("--count", type=int, default=60, help="changes of each module; 0: all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: %(default)s)")
    given = parser.parse_args()
    if unknown := set(given.modules) - set(JUDGED):
        parser.error(f"no such module: {', '.join(sorted(unknown))}; there are {', '.join(JUDGED)}")
    failed = False
    for name in given.modules or JUDGED:
        judged, begun = JUDGED[name], time.monotonic()
        source = (ROOT / judged.path).read_text()
        if is_noticed(judged, source, given.seed):
            print(f"{name}: its tests fail without any change")
            return 1
        mutants = draw(judged, given.count, given.seed)
        places = find_unnoticed(judged, [apply(source, mutant) for mutant in mutants], given.seed, given.jobs)
        survivors = [mutants[place] for place in places]
        found = len(mutants) - len(survivors)
        enough = found >= LEAST * len(mutants)
        failed |= not enough
        named = len(EQUIVALENTS.get(judged.module, {}))
        print(
            f"{name:<12} {found} of {len(mutants)} noticed ({100 * found / len(mutants):.1f} %, bound {LEAST:.0%})  "
            f"{named} equivalent  {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        for mutant in survivors:
            print(f"  {judged.path}:{mutant.line}  {mutant.name}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
