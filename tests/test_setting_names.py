"""Every setting of every program: in a README's table, in the list of known names, and under one rule for flags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.cli.broker import BrokerSettings
from quotebus.bus.cli.keys import KeysSettings
from quotebus.bus.cli.up import UpSettings
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.process import known_settings
from quotebus.bus.process.flags import flags, is_secret, is_switch, shown_default, unit_of, variable
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.settings import BusSettings, LogSettings, Settings
from quotebus.bus.tap.settings import DelaySettings, EchoSettings, PubSettings, TopSettings, WhySettings
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.simulator.settings import SimulatorSettings

ROOT = Path(__file__).resolve().parents[1]
TAP = (EchoSettings, DelaySettings, TopSettings, WhySettings, PubSettings)
CLASSES: dict[str, tuple[str, tuple[type[Settings], ...]]] = {
    known_settings.ALL_PROGRAMS: ("bus/README.md", (BusSettings, LogSettings)),
    "pricing-node": ("pricing/README.md", (PricingSettings,)),
    "execution-worker": ("execution_adapter/README.md", (ExecutionSettings,)),
    "exchange-simulator": ("pricing/simulator/README.md", (SimulatorSettings,)),
    "quotebus record": ("bus/capture/README.md", (RecordSettings,)),
    "quotebus tap": ("bus/tap/README.md", TAP),
    "quotebus edge": ("bus/edge/README.md", (EdgeSettings,)),
    "quotebus serve": ("bus/serve/README.md", (ServeSettings,)),
    "quotebus broker": ("bus/README.md", (BrokerSettings,)),
    "quotebus keys": ("bus/README.md", (KeysSettings,)),
    "quotebus up": ("bus/README.md", (UpSettings,)),
}
ROW = re.compile(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*?) \| (.*?) \| (.{10,}) \|$", re.MULTILINE)
ELSEWHERE = dict.fromkeys(("PRICING_LOCK_DIR", "EXECUTION_BUDGET_DIR"), "the system's temporary folder")
ONLY = {"quotebus up": "UP_", "quotebus keys": "KEYS_", "pricing-node": "PRICING_"}
"""Programs that read settings of others as well."""
COMMON = {*BusSettings.model_fields, *LogSettings.model_fields}


def own(program: str) -> dict[str, tuple[type[Settings], str]]:
    """The settings that belong to this program alone, by their variables."""
    found: dict[str, tuple[type[Settings], str]] = {}
    for settings in CLASSES[program][1]:
        for field in settings.model_fields:
            name = variable(settings, field)
            borrowed = field in COMMON if program else False
            prefix = ONLY.get(program, "")
            if not borrowed and name.startswith(prefix):
                found.setdefault(name, (settings, field))
    return found


def default(settings: type[Settings], name: str) -> str:
    field = settings.model_fields[name]
    if is_switch(field):
        return "off"
    shown = shown_default(field)
    return ELSEWHERE.get(variable(settings, name)) or (f"`{shown}`" if shown else "none")


@pytest.mark.parametrize("program", CLASSES)
def test_the_list_of_known_names_is_that_of_the_classes(program: str) -> None:
    assert known_settings.settings_of(program) == tuple(own(program))


def test_every_readme_lists_each_setting_of_its_programs_and_nothing_else() -> None:
    for readme in {readme for readme, _ in CLASSES.values()}:
        rows = {name: (shown, unit) for name, shown, unit, _ in ROW.findall((ROOT / readme).read_text())}
        expected = {
            name: (default(*place), "" if is_switch(place[0].model_fields[place[1]]) else unit_of(*place))
            for program, (where, _) in CLASSES.items()
            if where == readme
            for name, place in own(program).items()
        }
        assert list(rows) == list(expected), readme
        for name, (shown, unit) in expected.items():
            assert (rows[name][0], rows[name][1].lower()) == (shown, unit.replace("|", ", ").lower() or "on, off"), name


@pytest.mark.parametrize("program", CLASSES)
def test_flags_have_no_prefix_and_the_whole_name_is_accepted(program: str) -> None:
    for name, (settings, field) in own(program).items():
        shown, accepted = flags(settings, field)
        assert not any(flag.startswith(("--pricing-", "--execution-", "--record-", "--tap-")) for flag in shown), name
        assert f"--{name.lower().replace('_', '-')}" in [*shown, *accepted], name


@pytest.mark.parametrize("program", CLASSES)
def test_no_flag_means_two_things(program: str) -> None:
    for settings in CLASSES[program][1]:
        every = [flag for field in settings.model_fields for names in flags(settings, field) for flag in names]
        assert len(every) == len(set(every)), settings


def test_every_setting_is_explained_in_a_sentence_and_no_secret_has_a_default() -> None:
    for _, classes in CLASSES.values():
        for settings in classes:
            for name, field in settings.model_fields.items():
                assert field.description, name
                assert len(field.description) > 10, name
                assert not (is_secret(field) and shown_default(field)), name
