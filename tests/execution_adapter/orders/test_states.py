"""The table of an intent's states says what it must not allow."""

from __future__ import annotations

from quotebus.execution_adapter.orders.states import TRANSITIONS, State


def test_order_is_placed_and_an_intent_ended_only_where_no_order_can_fill() -> None:
    leads_to = {target: {source for source, targets in TRANSITIONS.items() if target in targets} for target in State}
    assert leads_to[State.PLACING] == {State.WAITING}
    assert leads_to[State.SIZING] == {State.WAITING}
    assert leads_to[State.CANCELING] == {State.RESTING}
    assert leads_to[State.DONE] == {State.WAITING, State.SIZING, State.LOOKING_UP}
    assert not TRANSITIONS[State.DONE]


def test_every_state_but_the_end_has_a_way_on_without_a_new_order() -> None:
    for state in set(State) - {State.DONE}:
        reached, todo = {state}, [state]
        while todo:
            new = TRANSITIONS[todo.pop()] - {State.PLACING} - reached
            reached |= new
            todo += new
        assert State.DONE in reached, state
