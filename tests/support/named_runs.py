"""Runs with a name, each in a world of its own, for commands that take the names of those that are wanted."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.world import World


def show_runs(runs: Mapping[str, Callable[[World], str]], names: Sequence[str]) -> int:
    """Show those of these names, or all: what each says of itself. The exit status, 78 for a name that is none."""
    unknown = set(names) - set(runs)
    if unknown:
        print(f"no such run: {', '.join(sorted(unknown))}; there are {', '.join(runs)}", file=sys.stderr)
        return 78
    failed = 0
    for name in names or runs:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            try:
                print(f"{name}: {runs[name](world)}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"{name}: WRONG: {error}", flush=True)
            finally:
                world.close()
    return int(failed > 0)
