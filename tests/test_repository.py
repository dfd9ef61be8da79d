"""What the repository says of itself is true: README, compose file, pins, changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import quotebus
from quotebus import BusClient
from quotebus.bus.cli.program import VERBS
from quotebus.bus.cli.record import RecordSettings
from quotebus.bus.events import ConnectionHealth, Quote
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.settings import BusSettings, LogSettings
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.pricing.settings import PricingSettings
from quotebus.pricing.simulator.settings import SimulatorSettings
from tests.support.programs import Program, run
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())

OTHERS = ("prometheus", "grafana")
"""Services of the compose file that are not our programs."""


def variables() -> set[str]:
    ours = (BusSettings, LogSettings, PricingSettings, ExecutionSettings, ServeSettings, RecordSettings)
    names = {name.upper() for settings in ours for name in settings.model_fields}
    return names | {f"SIMULATOR_{name.upper()}" for name in SimulatorSettings.model_fields}


def test_readme_offers_two_commands_that_the_makefile_has() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = re.findall(r"^\$ make (\w+)", README, re.MULTILINE)
    assert commands[:2] == ["up", "test"]
    for command in {*commands, *re.findall(r"`make (\w+)", README)}:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_readme_names_only_methods_that_exist() -> None:
    for method in re.findall(r"\bbus\.(\w+)", README.partition("## How it is built")[0]):
        assert hasattr(BusClient, method), method
    for field in re.findall(r"last_quote\(s\)\.(\w+)", README):
        assert hasattr(Quote, field), field


def test_readme_example_runs_as_it_stands(world: World) -> None:
    [(example, printed)] = re.findall(r"```python\n(.*?)```\n+```\n(.*?)```", README, re.DOTALL)
    assert example.count("\n") <= 11
    patterns = {re.sub(r"\d+", r"\\d+", re.escape(line)) for line in printed.splitlines()}
    world.broker()
    world.exchange()
    world.node()
    reader = Program("python", "-u", "-c", example, environment=world.environment)
    world.programs.append(reader)
    for symbol in ("SPY", "QQQ"):
        line = reader.line(symbol)
        assert any(re.fullmatch(pattern, line) for pattern in patterns), (line, patterns)


def test_readme_has_a_sentence_for_each_dependency() -> None:
    extras = [PROJECT["optional-dependencies"][extra][0] for extra in ("alpaca", "export")]
    for requirement in (*PROJECT["dependencies"], *extras):
        package = re.split(r"[><=]", requirement)[0]
        assert re.search(rf"^\| {package} \| .{{20,}} \|$", README, re.MULTILINE), package


def test_readme_links_lead_somewhere() -> None:
    for readme in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("*/*/README.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", readme.read_text()):
            assert (readme.parent / link).exists(), f"{readme.name}: {link}"


def test_changelog_has_this_version() -> None:
    assert f"## {quotebus.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_compose_names_real_programs_and_settings(service: str) -> None:
    definition = COMPOSE["services"][service]
    if service != "broker":
        assert definition["network_mode"] in ("none", "service:broker"), "loopback must stay loopback"
    if service in OTHERS:
        assert definition["profiles"] == ["monitoring"]
        assert ":" in definition["image"], "a version of its own"
        return
    program, *verb = definition["command"]
    assert program in PROJECT["scripts"]
    if program == "quotebus":
        assert verb[0] in VERBS
    for variable in definition.get("environment", {}):
        assert variable in variables(), variable


def test_compose_publishes_nothing_beyond_this_machine_and_mounts_what_is_there() -> None:
    for service, definition in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in definition.get("ports", ())), service
        for volume in definition.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (source.startswith("./") and (ROOT / source).exists()), volume


def test_compose_shares_the_bus_as_a_folder_of_the_user_that_all_programs_are() -> None:
    for service, definition in COMPOSE["services"].items():
        if service in OTHERS:
            assert "bus:/run/quotebus" not in definition["volumes"], service
            continue
        assert "bus:/run/quotebus" in definition["volumes"], service
        assert "user" not in definition, "the image says it"
        lines = [line.strip() for line in definition["build"]["dockerfile_inline"].splitlines()]
        made, *_ = [line for line in lines if "/run/quotebus" in line]
        assert made.startswith("RUN install -d -o nobody -g nogroup -m 0700 /run/quotebus"), "a new volume takes these"
        assert lines.index(made) < lines.index("ENV BUS_RUNTIME_DIR=/run/quotebus") < lines.index("USER nobody")


def test_compose_gives_a_network_only_to_who_needs_one_and_looks_after_everybody() -> None:
    networked = {name for name, each in COMPOSE["services"].items() if each.get("network_mode") != "none"}
    assert networked == {"broker", "exchange", "pricing", "serve", *OTHERS}
    for service, definition in COMPOSE["services"].items():
        if service in (*OTHERS, "tap"):
            continue
        kind, *command = definition["healthcheck"]["test"]
        assert kind == "CMD"
        assert command[0] in {*PROJECT["scripts"], "python"}, service
        if command[:2] == ["quotebus", "tap"]:
            assert run(*command[:4], "--help")[0] == 0, service
        if service != "broker":
            assert definition["depends_on"]["broker"]["condition"] == "service_healthy", service


def test_the_commented_strategy_joins_by_what_is_written() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    lines = re.findall(r"^  #(strategy:|  .*)$", text, re.MULTILINE)
    strategy = yaml.safe_load("\n".join(lines).replace("*after", "[broker]"))["strategy"]
    program = COMPOSE["services"]["recorder"]
    assert set(strategy["volumes"]) < set(program["volumes"])
    assert strategy["environment"] == {"BUS_RUNTIME_DIR": "/run/quotebus"}
    assert strategy["user"] == "nobody"


def test_compose_starts_what_up_starts() -> None:
    services = [definition for definition in COMPOSE["services"].values() if "profiles" not in definition]
    started = {definition["command"][0] for definition in services}
    assert started == {"quotebus", "exchange-simulator", "pricing-node", "execution-worker"}


def test_example_environment_names_real_settings() -> None:
    for variable in re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert variable in variables() | {"APCA_API_KEY_ID", "APCA_API_SECRET_KEY"}, variable


@pytest.mark.parametrize("pins", ["requirements.txt", "requirements-dev.txt"])
def test_pins_are_exact_and_hashed(pins: str) -> None:
    text = (ROOT / pins).read_text()
    entries = re.findall(r"^([a-z0-9][\w.-]*)(==\S+)? ?.*?\\?$", text, re.MULTILINE)
    assert entries
    for package, version in entries:
        assert version, package
    assert text.count("--hash=sha256:") >= len(entries)
    for requirement in PROJECT["dependencies"]:
        assert re.split(r"[><=]", requirement)[0] in {package for package, _ in entries}


@pytest.mark.parametrize("program", [*PROJECT["scripts"]])
def test_every_program_explains_itself(program: str) -> None:
    arguments = ["--help"]
    status, printed = run(program, *arguments)
    assert status == 0
    assert "usage:" in printed


def test_health_has_every_field_the_client_shows() -> None:
    assert {"state", "cause", "since_ns", "next_retry_ns"} <= set(ConnectionHealth.__struct_fields__)
