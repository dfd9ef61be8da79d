"""What is shipped to run quotebus with: systemd units, a Kubernetes manifest, pins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from quotebus.bus.cli.program import VERBS
from quotebus.bus.process.known_settings import variables

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "docs/deploy/systemd").glob("*.service"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_program_of_ours_and_waits_until_it_serves(unit: Path) -> None:
    text = unit.read_text()
    program, *words = re.findall(r"^ExecStart=/opt/quotebus/bin/(.*)$", text, re.MULTILINE)[0].split()
    assert program in PROJECT["scripts"]
    assert program != "quotebus" or words[0] in VERBS
    assert "Type=notify" in text
    assert re.search(r"^RestartPreventExitStatus=.*\b78$", text, re.MULTILINE), "bad settings stay bad"
    for variable in re.findall(r"\b([A-Z]+_[A-Z_]+)=", text):
        assert variable in variables(), variable
    if unit.stem != "quotebus-broker":
        assert re.search(r"^After=.*quotebus-broker\.service", text, re.MULTILINE)


def test_node_and_worker_share_what_they_must_share() -> None:
    texts = [unit.read_text() for unit in UNITS if unit.stem in ("quotebus-node", "quotebus-worker")]
    shared = [re.findall(r"^Environment=(.*)$", text, re.MULTILINE) for text in texts]
    assert shared[0] == shared[1] != []


def test_the_manifest_runs_real_programs_on_one_loopback() -> None:
    documents = list(yaml.safe_load_all((ROOT / "docs/deploy/kubernetes.yaml").read_text()))
    [deployment] = [each for each in documents if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 1, "one connection per account"
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    containers = deployment["spec"]["template"]["spec"]["containers"]
    for container in containers:
        program, *words = container["command"]
        assert program in PROJECT["scripts"]
        assert program != "quotebus" or words[0] in VERBS
        assert {entry["name"] for entry in container.get("env", [])} <= variables()
    assert {container["command"][0] for container in containers} >= {"quotebus", "pricing-node", "execution-worker"}


@pytest.mark.parametrize("extra", ["docs", "release"])
def test_pins_of_extras_are_exact_hashed_and_fit_the_others(extra: str) -> None:
    def pinned(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+) ", (ROOT / name).read_text(), re.MULTILINE))

    ours, others = pinned(f"requirements-{extra}.txt"), pinned("requirements-dev.txt") | pinned("requirements.txt")
    assert {re.split(r"[><=]", each)[0] for each in PROJECT["optional-dependencies"][extra]} <= set(ours)
    assert {name: version for name, version in ours.items() if others.get(name, version) != version} == {}


def test_everything_is_installed_from_wheels_with_hashes() -> None:
    for name in ("Makefile", "docker-compose.yml"):
        for line in (ROOT / name).read_text().splitlines():
            if "pip install" in line and "-r requirements" in line:
                assert "--only-binary :all:" in line, line
                assert "--require-hashes" in line, line
