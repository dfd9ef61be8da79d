"""A process may open as many files as it asks for, where the machine lets it."""

from __future__ import annotations

import resource

import pytest

from quotebus.bus.process.open_files import allow_open_files

SOFT, HARD = 256, 4_096


@pytest.mark.parametrize(
    ("soft", "hard", "most", "then"),
    [
        (SOFT, HARD, 1_000, (1_000, HARD)),
        (SOFT, HARD, 100_000, (HARD, HARD)),
        (SOFT, HARD, 100, None),
        (SOFT, resource.RLIM_INFINITY, 1_000, (1_000, resource.RLIM_INFINITY)),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 1_000, None),
    ],
)
def test_limit(soft: int, hard: int, most: int, then: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: given.append(limits))
    allow_open_files(most)
    assert given == ([] if then is None else [then])
