"""What the tap says of a reason, a state or a cause is what `EVENTS.md` says, and nothing is left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from quotebus import bus
from quotebus.bus.book import Unusable
from quotebus.bus.events import Cause, ConnectionState, HaltKnowledge, SymbolState
from quotebus.bus.tap.why.explain import explain
from quotebus.bus.tap.why.meanings import CAUSES, HALTS, LINE_STATES, REASONS, SUSPECT, SYMBOL_STATES, Meaning
from tests.support.samples import HEALTH, like
from tests.support.tap import told

ROWS = re.findall(r"^\| `(\w+)` \| (.+) \|$", (Path(bus.__file__).parent / "EVENTS.md").read_text(), re.MULTILINE)
TABLES: list[Mapping[str, Meaning]] = [REASONS, LINE_STATES, SYMBOL_STATES, CAUSES, HALTS]
NO_TROUBLE = {Cause.DEMAND, Cause.RESUME, Cause.SUPERSEDED}


def test_every_reason_state_and_cause_is_explained_in_the_words_of_the_specification() -> None:
    assert set(REASONS) == set(Unusable)
    assert set(LINE_STATES) == set(ConnectionState)
    assert set(SYMBOL_STATES) == set(SymbolState)
    assert set(CAUSES) == set(Cause)
    assert set(HALTS) == set(HaltKnowledge)
    for table in TABLES:
        for name, (meaning, change) in table.items():
            assert (str(name), meaning) in ROWS, name
            assert change or name in NO_TROUBLE


def test_each_cause_has_a_sentence_of_its_own() -> None:
    means = [meaning.means for meaning in CAUSES.values()]
    changes = [meaning.change for meaning in CAUSES.values() if meaning.change]
    assert len(set(means)) == len(means) == len(Cause)
    assert len(set(changes)) == len(changes) == len(Cause) - len(NO_TROUBLE)


@pytest.mark.parametrize(
    "state",
    ["connecting", "authenticating", "subscribing", "suspect", "backing_off", "circuit_open", "refused"],
)
def test_a_line_in_trouble_is_explained_by_its_cause(state: str) -> None:
    said = {}
    for cause in Cause:
        view, _, now_ns = told(like(HEALTH, state=state, cause=cause))
        explanation = explain(view, "SPY", now_ns)
        said[cause] = (explanation.line_means, explanation.line_change)
        reasons = {reason.name: reason.here for reason in explanation.reasons}
        assert CAUSES[cause].means in reasons["not_streaming"]
    assert len({means for means, _ in said.values()}) == len(Cause)


def test_a_slow_line_is_not_explained_with_the_words_for_a_silent_one() -> None:
    said = {}
    for cause in (Cause.SLOW_LINE, Cause.NO_LIFE):
        view, _, now_ns = told(like(HEALTH, state="suspect", cause=cause))
        said[cause] = explain(view, "SPY", now_ns)
        assert (said[cause].line_means, said[cause].line_change) == SUSPECT[cause]
    assert "no byte" in said[Cause.NO_LIFE].line_means
    assert "late" in said[Cause.SLOW_LINE].line_means
    assert not re.search("silent|silence|no byte", " ".join(SUSPECT[Cause.SLOW_LINE]))
