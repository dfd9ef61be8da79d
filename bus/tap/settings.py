"""Settings of the tap's verbs: `--file` on the command line is `TAP_FILE` in the environment."""

from __future__ import annotations

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import CliPositionalArg, SettingsConfigDict

from quotebus.bus.settings import Settings, local_endpoint

LONGEST_S = 1e9
"""Thirty years: in nanoseconds still a number of 64 bits."""
SORTS = ("symbol", "spread", "age", "rate", "state", "clients", "usable")
"""What `top` sorts its rows by."""
NOTHING_HEARD = 124
"""Exit status of a verb that heard less than it was asked for before its time or its capture ended, as timeout(1)'s."""
NOT_USABLE = 1
"""Exit status of `why` when the price may not be used, or the tap cannot tell."""


class TapSettings(Settings):
    """What every verb of the tap has."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix": "TAP_", "populate_by_name": False})

    bus_subscribe_url: str = Field(
        "tcp://127.0.0.1:5571", validation_alias="bus_subscribe_url", description="the broker's subscribe endpoint"
    )
    file: str = Field("", description="a capture instead of the live bus")
    from_s: float | None = Field(
        None,
        ge=0,
        le=LONGEST_S,
        validation_alias=AliasChoices("from", "tap_from"),
        description="of a capture: seconds after its start",
    )
    to_s: float | None = Field(
        None,
        ge=0,
        le=LONGEST_S,
        validation_alias=AliasChoices("to", "tap_to"),
        description="of a capture: seconds after its start",
    )
    as_json: bool = Field(
        False, validation_alias=AliasChoices("json", "tap_json"), description="JSON lines, for machines"
    )
    for_s: float | None = Field(
        None,
        gt=0,
        le=LONGEST_S,
        validation_alias=AliasChoices("for", "tap_for"),
        description="end after so many seconds",
    )
    nice: int = Field(
        20, ge=0, le=20, description="how far the tap stands back: as of nice(1), or 20, only where nobody else works"
    )

    @field_validator("bus_subscribe_url")
    @classmethod
    def _stay_local(cls, url: str) -> str:
        return local_endpoint(url)


class EchoSettings(TapSettings):
    """`echo`."""

    topics: CliPositionalArg[list[str]] = Field(
        [], description="quote, quote.SPY, health., symbol.A*, ...; default all"
    )
    symbol: list[str] = Field([], description="only messages about these symbols")
    count: int | None = Field(None, ge=1, description="end after so many messages")


class RateSettings(TapSettings):
    """`rate`."""

    topics: CliPositionalArg[list[str]] = Field(
        [], description="quote, quote.SPY, health., symbol.A*, ...; default all"
    )
    symbol: list[str] = Field([], description="only messages about these symbols")
    count: int | None = Field(None, ge=1, description="end after so many reports")
    every_s: float = Field(
        1.0, ge=0.1, le=3600, validation_alias=AliasChoices("every", "tap_every"), description="seconds between reports"
    )
    rows: int = Field(20, ge=1, description="the busiest so many topics")


class DelaySettings(RateSettings):
    """`delay`."""


class TopSettings(TapSettings):
    """`top`."""

    count: int | None = Field(None, ge=1, description="end after so many pictures")
    every_s: float | None = Field(
        None, ge=0.1, le=3600, validation_alias=AliasChoices("every", "tap_every"),
        description="seconds between pictures; default 0.5 on a screen, 1 in a pipe",
    )  # fmt: skip
    sort: str = Field("symbol", description="symbol, spread, age, rate, state, clients or usable")
    filter: str = Field("", max_length=40, description="part of a symbol, state, cause, client or reason")
    width: int | None = Field(None, ge=40, le=1000, description="columns, where there is no screen to ask")
    max_age_s: float = Field(60.0, gt=0, le=LONGEST_S, description="how old a usable quote may be")

    @field_validator("sort")
    @classmethod
    def _sortable(cls, sort: str) -> str:
        if sort not in SORTS:
            raise ValueError(f"not one of {', '.join(SORTS)}")
        return sort


class WhySettings(TapSettings):
    """`why`."""

    symbol: CliPositionalArg[str] = Field("", description="which symbol")
    max_age_s: float = Field(60.0, gt=0, le=LONGEST_S, description="how old a usable quote may be")
    width: int | None = Field(None, ge=40, le=1000, description="columns, where there is no screen to ask")
