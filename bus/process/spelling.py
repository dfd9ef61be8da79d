"""Variables that look like settings of ours and are none, in the environment and in `.env`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from pydantic_settings import BaseSettings, DotEnvSettingsSource

from quotebus.bus.process.command_line import nearest
from quotebus.bus.process.known_settings import variables

OURS = ("PRICING_", "EXECUTION_", "SIMULATOR_")
"""Whatever begins so is meant for us."""
SHARED = ("BUS_", "CAPTURE_", "LOG_", "RECORD_", "TAP_", "UP_")
"""Other programs may have such variables too: told only where one is nearly a setting of ours."""
SIMILAR = 0.8
TOLD = "QUOTEBUS_SPELLING_TOLD"
"""Set by a program that has told of its variables for the programs it starts."""


def misspelt_variables(env_file: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each. `environment` is this process's unless given."""
    environment = os.environ if environment is None else environment
    if TOLD in environment:
        return []
    try:
        in_file = {name.upper() for name in DotEnvSettingsSource(BaseSettings, env_file=env_file).env_vars}
    except (OSError, ValueError):  # whoever reads its values says so
        in_file = set()
    sentences = [explain(name, "") for name in misspelt(environment)]
    return sentences + [explain(name, f" in {env_file}") for name in misspelt(in_file)]


def misspelt(names: Iterable[str]) -> list[str]:
    """Those of the names that begin like ours and are no setting of any of our programs. Names have no case."""
    known = variables()
    return sorted(
        name
        for name in names
        if (upper := name.upper()) not in known
        and (upper.startswith(OURS) or (upper.startswith(SHARED) and nearest(upper, known, SIMILAR)))
    )


def explain(name: str, where: str) -> str:
    near = nearest(name.upper(), variables())
    return f"{name}{where} is no setting" + (f"; did you mean {near}?" if near else "")
