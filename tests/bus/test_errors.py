"""One root, and what each error carries."""

from __future__ import annotations

from quotebus.bus import errors
from quotebus.bus.errors import BadSymbol, MessageTooLarge, QuotebusError, UndecodableMessage


def test_every_error_has_the_one_root_and_stands_in_the_tree() -> None:
    ours = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Exception)]
    assert len(ours) >= 5
    for error in ours:
        assert issubclass(error, QuotebusError)
        assert error.__name__ in (errors.__doc__ or "")


def test_callers_may_catch_bad_arguments_as_valueerror() -> None:
    assert issubclass(BadSymbol, ValueError)
    assert issubclass(MessageTooLarge, ValueError)


def test_errors_carry_their_fields_and_show_no_endless_input() -> None:
    bad = BadSymbol("x" * 10_000)
    assert bad.symbol == "x" * 10_000
    assert len(str(bad)) < 100
    assert UndecodableMessage("version", "version 2").kind == "version"
    assert (MessageTooLarge(5, 4).size_bytes, MessageTooLarge(5, 4).limit_bytes) == (5, 4)
