"""The changes that `make mutants` makes: each is another program with a name of its own; named equivalents exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.equivalents import EQUIVALENTS
from tests.mutants.modules import JUDGED, Judged
from tests.mutants.mutate import apply, find_mutants

ROOT = Path(__file__).parents[2]
SOURCE = '''
"""Not changed: 5."""
BOUND = 10
def is_far(price: float, level: float | None = None) -> bool:
    if level is None:
        return False
    return not abs(price - level) <= BOUND and price > 0
'''


def test_each_place_is_changed_once_and_the_rest_stays() -> None:
    names = [mutant.name for mutant in find_mutants(SOURCE)]
    assert "module: BOUND = 10 -> BOUND = 11" in names
    assert "is_far: if level is None: -> if level is not None:" in names
    assert "is_far: if level is None: -> if False:" in names
    assert "is_far: return False -> return True" in names
    end = "is_far: return not abs(price - level) <= BOUND and price > 0 -> return "
    changed = {name.removeprefix(end) for name in names if name.startswith(end)}
    assert {
        "not abs(price - level) < BOUND and price > 0",
        "not abs(price - level) <= BOUND and price >= 0",
        "not abs(price + level) <= BOUND and price > 0",
        "not abs(price - level) <= BOUND or price > 0",
        "not not abs(price - level) <= BOUND and price > 0",
        "not abs(price - level) <= BOUND",
        "price > 0",
        "None",
    } <= changed
    assert not any("Not changed" in name for name in names)


def test_every_change_is_another_program() -> None:
    sources = {apply(SOURCE, mutant) for mutant in find_mutants(SOURCE)}
    assert len(sources) == len(find_mutants(SOURCE))
    assert ast.unparse(ast.parse(SOURCE)) not in sources


@pytest.mark.parametrize("judged", JUDGED.values(), ids=JUDGED)
def test_every_change_has_a_name_and_every_equivalent_is_one(judged: Judged) -> None:
    names = [mutant.name for mutant in find_mutants((ROOT / judged.path).read_text())]
    assert len(set(names)) == len(names) >= 60
    assert EQUIVALENTS.get(judged.module, {}).keys() <= set(names)


def test_every_named_equivalent_says_why() -> None:
    assert EQUIVALENTS.keys() <= {judged.module for judged in JUDGED.values()}
    assert all(why for named in EQUIVALENTS.values() for why in named.values())
