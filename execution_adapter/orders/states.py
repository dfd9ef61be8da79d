"""Where an intent stands, which state may follow which, and how it may end. Pure."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where the intent stands."""

    WAITING = "waiting"
    SIZING = "sizing"
    PLACING = "placing"
    RESTING = "resting"
    CANCELING = "canceling"
    LOOKING_UP = "looking up"
    DONE = "done"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.SIZING, State.PLACING, State.LOOKING_UP, State.WAITING, State.DONE}),
    State.SIZING: frozenset({State.WAITING, State.LOOKING_UP, State.DONE}),
    State.PLACING: frozenset({State.RESTING, State.WAITING, State.LOOKING_UP}),
    State.RESTING: frozenset({State.CANCELING, State.LOOKING_UP, State.WAITING}),
    State.CANCELING: frozenset({State.LOOKING_UP, State.WAITING}),
    State.LOOKING_UP: frozenset({State.RESTING, State.WAITING, State.DONE}),
    State.DONE: frozenset(),
}


class Outcome(StrEnum):
    """How an intent ended."""

    FILLED = "filled"
    PARTLY = "partly filled"
    UNFILLED = "unfilled"
    UNRESOLVED = "unresolved"
