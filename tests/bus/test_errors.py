"""One root, its tree in one page, and what each error carries."""

from __future__ import annotations

import importlib
import pkgutil

import quotebus.bus
import quotebus.execution_adapter
import quotebus.pricing
from quotebus.bus import errors
from quotebus.bus.errors import BadSymbol, IllegalTransition, MessageTooLarge, QuotebusError, UndecodableMessage

WITH_ANOTHER_ROOT = {
    "BadRecord": "caught where a capture is decoded",
    "Undecompressable": "caught where a capture is decoded",
    "CutOff": "a BadRecord",
    "_NotConnected": "caught in the gateway that raises it",
    "_NatsRefused": "caught where a server is dialled",
}


def product_errors() -> list[type[BaseException]]:
    modules = [
        importlib.import_module(module.name)
        for package in (quotebus.bus, quotebus.pricing, quotebus.execution_adapter)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.endswith("__main__")
    ]
    return [
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, BaseException) and thing.__module__ == module.__name__
    ]


def test_every_error_has_the_one_root_and_stands_in_the_tree() -> None:
    ours = product_errors()
    assert len(ours) >= 10
    strangers = {error.__name__ for error in ours if not issubclass(error, QuotebusError)}
    assert strangers <= set(WITH_ANOTHER_ROOT), "derive it from QuotebusError, or say here why not"
    tree = errors.__doc__ or ""
    missing = {error.__name__ for error in ours if issubclass(error, QuotebusError) and error.__name__[0] != "_"}
    assert not {name for name in missing if f" {name} " not in tree and name != "QuotebusError"}


def test_the_tree_names_no_error_that_is_gone() -> None:
    lines = (errors.__doc__ or "").splitlines()
    named = {line.split("── ")[1].split()[0] for line in lines if "── " in line}
    assert len(named) >= 10
    assert named <= {error.__name__ for error in product_errors()}


def test_callers_may_catch_bad_arguments_as_valueerror() -> None:
    assert issubclass(BadSymbol, ValueError)
    assert issubclass(MessageTooLarge, ValueError)


def test_errors_carry_their_fields_and_show_no_endless_input() -> None:
    bad = BadSymbol("x" * 10_000)
    assert bad.symbol == "x" * 10_000
    assert len(str(bad)) < 100
    assert UndecodableMessage("version", "version 2").kind == "version"
    assert (MessageTooLarge(5, 4).size_bytes, MessageTooLarge(5, 4).limit_bytes) == (5, 4)


def test_an_illegal_transition_names_machine_state_and_what_was_asked() -> None:
    error = IllegalTransition("recorder", "stopped", "recording", cause="demand")
    assert (error.machine, error.state, error.asked, error.cause) == ("recorder", "stopped", "recording", "demand")
    assert str(error) == "recorder: recording is illegal in state stopped (cause: demand)"
    assert str(IllegalTransition("session", "idle", "pong")) == "session: pong is illegal in state idle"
