"""The upstream's codes: who is at fault decides what an error may take down."""

from __future__ import annotations

import pytest

from quotebus.bus.events import Cause
from quotebus.pricing.failures import (
    CODES,
    DIALS,
    OPERATOR_CAUSES,
    Scope,
    find_by_code,
    find_by_dial_cause,
    find_by_http_status,
)


@pytest.mark.parametrize("code", [0, 1, 399, 412, 499, 501, 10**30, -406])
def test_an_unknown_code_ends_the_connection_and_is_retried(code: int) -> None:
    failure = find_by_code(code)
    assert (failure.scope, failure.cause, failure.for_operator) == (Scope.CONNECTION, Cause.UPSTREAM_ERROR, False)


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
