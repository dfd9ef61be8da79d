"""The whole fault suite on real programs: `python -m tests.faults --times 3 --only 'code 4' --seed 1`.

Prints for each fault what was published, the measured times and their bound. Several stages run side by side, so that
the minute that some faults wait does not cost one; only one of them measures at a time. `--pairs N` adds N pairs of
faults at once, drawn by the seed, of which only what always holds is checked. `--document` prints `pricing/FAULTS.md`.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import random
import re
import statistics
import sys
import tempfile
import threading
import traceback
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

from quotebus.pricing.faults import FAULTS, FaultResponse
from tests.faults.document import document
from tests.faults.injections import INJECTIONS, QUIET_S, Injection
from tests.faults.pairs import Pair, draw
from tests.faults.runner import RECOVERY_S, Measured, Run
from tests.faults.stage import Stage

SLOW_RECOVERY_S = 100.0
Case = tuple[str, FaultResponse, Injection]


def cases(only: str) -> Iterator[Case]:
    for name, injections in INJECTIONS.items():
        for injection in injections:
            label = f"{name}: {injection.label}" if injection.label else name
            if re.search(only, label):
                yield label, FAULTS[name], injection


class Lanes:
    """Stages that take cases from one queue; results and failures by label."""

    def __init__(self, lanes: int, recovery_s: float) -> None:
        self.results: dict[str, list[Measured]] = defaultdict(list)
        self.failures: list[str] = []
        self._queue: Queue[Case | Pair] = Queue()
        self._measuring = threading.Lock()
        self._numbers = itertools.count(1)
        self._lanes = lanes
        self._recovery_s = recovery_s

    def run(self, work: list[Case | Pair]) -> None:
        for item in work:
            self._queue.put(item)
        threads = [threading.Thread(target=self._lane) for _ in range(min(self._lanes, len(work)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _lane(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            stage: Stage | None = None
            for number in itertools.count():
                try:
                    item = self._queue.get_nowait()
                except Empty:
                    break
                if stage is None:
                    (home := Path(folder) / str(number)).mkdir()
                    stage = Stage(home)
                    stage.open()
                if not self._one(stage, item):
                    self._end(stage)
                    stage = None
            if stage is not None:
                self._end(stage)

    def _one(self, stage: Stage, item: Case | Pair) -> bool:
        label = item.label if isinstance(item, Pair) else item[0]
        try:
            if isinstance(item, Pair):
                with self._measuring:
                    item.run(stage, next(self._numbers))
                print(f"ok    {label}", flush=True)
                return True
            _, row, injection = item
            measured = Run(stage, row, injection, next(self._numbers))(
                wait_for_recovery_s=self._recovery_s, measuring=self._measuring
            )
        except (AssertionError, OSError) as error:
            why = str(error)[:300] or traceback.format_exc()[-300:]
            self.failures.append(f"{label}: {why}")
            print(f"FAIL  {label}: {why}", flush=True)
            return False
        self.results[label].append(measured)
        print(f"ok    {label}: {measured.answer} {measured.took_s:.3f} s", flush=True)
        return True

    def _end(self, stage: Stage) -> None:
        try:
            stage.stop_node()
            stage.judge()
        except AssertionError as error:
            self.failures.append(f"in the end: {str(error)[:300]}")
            print(f"FAIL  in the end: {str(error)[:300]}", flush=True)
        finally:
            stage.close()


def table(lanes: Lanes, chosen: list[Case]) -> Iterator[str]:
    yield f"{'fault':<44} {'published':<34} {'median':>8} {'max':>8} {'bound':>7}  {'ack':>6} {'recovered':>9}"
    failed = {failure.partition(": ")[0] for failure in lanes.failures}
    for label, row, _ in chosen:
        runs = lanes.results.get(label, [])
        if not runs:
            yield f"{label:<44} FAILED"
            continue
        took = [run.took_s for run in runs]
        bound = row.within_s + (QUIET_S if row.after else 0)
        recovered = [run.recovered_s for run in runs if run.recovered_s is not None]
        back = f"{max(recovered):8.2f}s" if recovered else "       -"
        ok = "" if label not in failed else "  not every time"
        yield (
            f"{label:<44} {runs[0].answer:<34} {statistics.median(took):7.3f}s {max(took):7.3f}s {bound:6.1f}s "
            f"{max(run.acked_s for run in runs):6.3f}s {back}{ok}"
        )
        then = [run.then_s for run in runs if run.then_s is not None]
        if then:
            figures = f"{statistics.median(then):7.3f}s {max(then):7.3f}s {row.then_within_s:6.1f}s"
            yield f"{'':<44} then {row.then!s:<29} {figures}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=1, help="how often each fault is shown")
    parser.add_argument("--only", default="", help="a regular expression for the fault's name")
    parser.add_argument("--seed", type=int, default=1, help="order of the faults, and which pairs")
    parser.add_argument("--pairs", type=int, default=0, help="how many pairs of faults besides")
    parser.add_argument("--lanes", type=int, default=6, help="stages side by side")
    parser.add_argument("--quick", action="store_true", help="without slow faults and waits of half a minute or more")
    parser.add_argument("--document", action="store_true", help="print pricing/FAULTS.md and end")
    arguments = parser.parse_args()
    if arguments.document:
        print(document(), end="")
        return 0
    rng = random.Random(arguments.seed)
    logging.getLogger("quotebus.bus.transport.client_sockets").setLevel(
        logging.ERROR
    )  # that the line is down is what is being tested
    chosen = [case for case in cases(arguments.only) if not (arguments.quick and case[2].slow)]
    work: list[Case | Pair] = [case for _ in range(arguments.times) for case in rng.sample(chosen, len(chosen))]
    work += [draw(rng) for _ in range(arguments.pairs)]
    lanes = Lanes(arguments.lanes, RECOVERY_S if arguments.quick else SLOW_RECOVERY_S)
    lanes.run(work)
    print(f"\nseed {arguments.seed}, {arguments.times} times, {arguments.pairs} pairs\n")
    print("\n".join(table(lanes, chosen)))
    print(f"\n{len(lanes.failures)} failures", *lanes.failures, sep="\n  ")
    return 1 if lanes.failures else 0


if __name__ == "__main__":
    sys.exit(main())
