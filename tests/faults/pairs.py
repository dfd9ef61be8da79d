"""Two faults at once: what is published depends on which wins, but some things always hold."""

from __future__ import annotations

import random
from dataclasses import dataclass

from quotebus.pricing.faults import FAULTS, Scope
from tests.faults.injections import INJECTIONS, Injection
from tests.faults.runner import Run
from tests.faults.stage import Stage

RECOVERY_S = 100.0
"""Also after a failure that is tried once a minute."""


@dataclass(frozen=True)
class Pair:
    """The plans of two injections, in force together."""

    label: str
    first: Injection
    second: Injection

    def run(self, stage: Stage, number: int) -> None:
        """Both at once, a request meanwhile, both lifted: everything is usable again. AssertionError."""
        row = next(row for row in FAULTS.values() if row.scope is Scope.CONNECTION)
        plan = self.first.plan | self.second.plan
        run = Run(stage, row, Injection(plan), number)
        run.survive(plan, RECOVERY_S)


def draw(rng: random.Random) -> Pair:
    """Two different faults of the simulator that can be switched on while the line streams."""
    choices = [
        (name, injection)
        for name, injections in INJECTIONS.items()
        for injection in injections
        if injection.plan and injection.upstream == "plain" and not injection.settings
    ]
    (one, first), (two, second) = rng.sample(choices, 2)
    return Pair(f"{one} + {two}", first, second)
