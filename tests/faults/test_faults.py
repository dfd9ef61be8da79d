"""The short form of the fault suite: a choice of rows from each group, on real programs; the whole is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus.bus.events import ExecutionDecision
from quotebus.pricing.faults import FAULTS
from tests.faults.injections import INJECTIONS, Injection
from tests.faults.runner import Run
from tests.faults.stage import Stage
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch

PATIENCE_S = 4.0
"""Recoveries that wait longer are left to the long form."""
SLACK_S = 0.5
"""The machine may be busy; the command holds the bounds as they stand, by the clock on the wall."""
RECORDS = (
    *("wrong types", "missing fields", "duplicate keys", "not a number", "infinite", "huge price", "negative"),
    *("zero bid", "size 0", "crossed", "locked", "jump", "backward time"),
)
CHOICE = {
    "symbols": (*RECORDS, "halt", "pause", "code 403", "code 410", "unreadable frame"),
    "dialling": ("code 402", "code 406", "http 429", "http 4xx", "refused", "endless headers"),
    "line": ("reset", "closed", "code 407", "code 500", "masked frame", "huge frame", "endless fragments"),
}


@pytest.mark.long
@pytest.mark.parametrize("group", CHOICE)
def test_the_node_answers_as_the_table_says(group: str, tmp_path: Path, stopwatch: Stopwatch) -> None:
    stage = Stage(tmp_path)
    stage.open()
    try:
        for number, name in enumerate(CHOICE[group]):
            try:
                run = Run(stage, FAULTS[name], INJECTIONS[name][0], number, slack_s=SLACK_S, seconds=stopwatch.seconds)
                run(wait_for_recovery_s=PATIENCE_S)
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}") from error
        stage.prepare(Injection(), fresh=False)
        eventually(lambda: stage.log.all(ExecutionDecision, lambda d: d.action == "limit"), why="prices are used again")
        stage.stop_node()
        assert stage.judge()["limit"] > 0
    finally:
        stage.close()
