"""The fault table: whole, shown by the document as it is, and each row can be made to happen."""

from __future__ import annotations

import random
from pathlib import Path

from quotebus.bus.events import ConnectionState, SymbolState
from quotebus.pricing.failures import Scope
from quotebus.pricing.faults import FAULTS, GROUPS
from quotebus.pricing.simulator.fault_table import FAULTS as SIMULATED
from quotebus.pricing.simulator.fault_table import ORDERS, REST, STREAM, UPDATES
from quotebus.pricing.simulator.faults import Faults
from tests.faults.document import document
from tests.faults.injections import INJECTIONS

FAULTS_MD = Path(__file__).parents[2] / "pricing" / "FAULTS.md"
BESIDES = {"mute_symbol"}
"""Used from within an act."""


def test_document_is_rendered_from_the_table() -> None:
    assert FAULTS_MD.read_text() == document(), "python -m tests.faults --document > pricing/FAULTS.md"


def test_names_are_unique() -> None:
    assert len(FAULTS) == sum(map(len, GROUPS.values()))


def test_every_row_can_be_made_to_happen() -> None:
    assert INJECTIONS.keys() == FAULTS.keys()
    assert all(INJECTIONS.values())


def test_every_fault_of_the_simulator_is_shown_to_the_node() -> None:
    used = {fault for injections in INJECTIONS.values() for injection in injections for fault in injection.plan}
    orders = {fault.name for group in (REST, ORDERS, UPDATES, STREAM) for fault in group}
    assert used | BESIDES == SIMULATED.keys() - orders, "those of the trading API are no faults of prices"


def test_every_plan_is_one_that_the_simulator_takes() -> None:
    for injections in INJECTIONS.values():
        for injection in injections:
            change = Faults(random.Random(1)).change(injection.plan)
            assert change.set.keys() == injection.plan.keys()


def test_rows_agree_with_themselves() -> None:
    for row in FAULTS.values():
        about_symbol = row.scope in (Scope.SYMBOL, Scope.REQUEST)
        assert isinstance(row.state, SymbolState if about_symbol else ConnectionState), row.name
        assert (row.state is ConnectionState.STREAMING) == (row.scope is Scope.NOTHING), row.name
        assert row.for_operator <= (row.retry_s == 60), row.name
        assert 0 < row.within_s <= 10.5, row.name
        assert (row.then is None) == (row.then_within_s == 0), row.name
