"""The fault table: whole, shown by the document as it is, each row can be made to happen; what code looks up in it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from quotebus.bus.events import Cause, ConnectionState, SymbolState
from quotebus.pricing.faults import (
    CODES,
    DIALS,
    FAULTS,
    GROUPS,
    OPERATOR_CAUSES,
    Scope,
    find_by_code,
    find_by_dial_cause,
    find_by_http_status,
)
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
        most_s = 66 if row.state is ConnectionState.CIRCUIT_OPEN else 15 if row.cause is Cause.MUTE else 10.5
        assert 0 < row.within_s <= most_s, row.name
        assert (row.then is None) == (row.then_within_s == 0), row.name


@pytest.mark.parametrize("code", [0, 1, 399, 501, 599, 600, 10**30, -406])
def test_an_unknown_code_ends_the_connection_and_is_retried(code: int) -> None:
    failure = find_by_code(code)
    assert (failure.scope, failure.cause, failure.for_operator) == (Scope.CONNECTION, Cause.UPSTREAM_ERROR, False)


@pytest.mark.parametrize("code", [412, 413, 429, 499])
def test_an_unknown_code_about_what_we_asked_for_refuses_the_request(code: int) -> None:
    failure = find_by_code(code)
    assert (failure.scope, failure.state, failure.cause) == (
        Scope.REQUEST,
        SymbolState.REFUSED,
        Cause.UPSTREAM_ERROR,
    )
    assert not failure.redials


def test_errors_about_a_request_never_take_the_connection_down() -> None:
    assert {code for code, failure in CODES.items() if failure.scope is not Scope.CONNECTION} == {400, 403, 405, 410}


@pytest.mark.parametrize(
    ("status", "cause", "for_operator"),
    [
        (200, Cause.HTTP_STATUS, False),
        (302, Cause.REDIRECT, True),
        (308, Cause.REDIRECT, True),
        (400, Cause.HTTP_STATUS, True),
        (401, Cause.HTTP_STATUS, True),
        (403, Cause.HTTP_STATUS, True),
        (404, Cause.HTTP_STATUS, True),
        (429, Cause.HTTP_429, False),
        (500, Cause.HTTP_STATUS, False),
        (503, Cause.HTTP_STATUS, False),
    ],
)
def test_refused_upgrades(status: int, cause: Cause, for_operator: bool) -> None:
    failure = find_by_http_status(status)
    assert (failure.cause, failure.for_operator) == (cause, for_operator)


def test_of_failed_dials_only_tls_needs_an_operator() -> None:
    assert [cause for cause in DIALS if find_by_dial_cause(cause).for_operator] == [Cause.TLS]


def test_which_causes_wait_for_an_operator() -> None:
    assert {Cause.AUTH_FAILED, Cause.NOT_ENTITLED, Cause.SCOPE, Cause.TLS, Cause.REDIRECT} == OPERATOR_CAUSES
