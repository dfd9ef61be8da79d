"""Settings of the tap's verbs: `--file` on the command line is `TAP_FILE` in the environment."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import SettingsConfigDict

from quotebus.bus.process.command_line import format_choices
from quotebus.bus.process.flags import Positional, Unit, Words
from quotebus.bus.settings import BusSettings, LogSettings, Settings

LONGEST_S = 1e9
"""Thirty years: in nanoseconds still a number of 64 bits."""
SORTS = ("symbol", "spread", "age", "rate", "state", "clients", "usable")
"""What `top` sorts its rows by."""
NOTHING_HEARD = 124
"""Exit status of a verb that heard less than it was asked for before its time or its capture ended, as timeout(1)'s."""
NOT_USABLE = 1
"""Exit status of `why` when the price may not be used, or the tap cannot tell."""
_TOPICS = "topics: quote, quote.SPY, health., symbol.A*; all without one"
Topics = Annotated[Words, Positional(), Unit("TOPIC")]
Symbols = Annotated[Words, Unit("SYMBOLS")]
Moment = Annotated[float | None, Unit("+SECONDS")]
Width = Annotated[int | None, Unit("COLUMNS")]


class TapSettings(BusSettings, LogSettings):
    """What every verb of the tap has."""

    model_config = SettingsConfigDict(**{**Settings.model_config, "env_prefix": "TAP_"})

    headings: ClassVar = {"file": "source", "as_json": "output", "for_s": "run"}

    file: str = Field("", description="read a capture instead of the live bus: a file, or a folder of its segments")
    from_s: Moment = Field(
        None,
        ge=0,
        le=LONGEST_S,
        validation_alias=AliasChoices("from", "tap_from"),
        description="of a capture: start this many seconds after its first message, such as +60",
    )
    to_s: Moment = Field(
        None,
        ge=0,
        le=LONGEST_S,
        validation_alias=AliasChoices("to", "tap_to"),
        description="of a capture: end this many seconds after its first message",
    )
    as_json: bool = Field(
        False, validation_alias=AliasChoices("json", "tap_json"), description="print JSON lines, for programs"
    )
    for_s: float | None = Field(
        None, gt=0, le=LONGEST_S, validation_alias=AliasChoices("for", "tap_for"), description="end after this long"
    )
    nice: int = Field(
        20,
        ge=0,
        le=20,
        description="CPU priority: 0 to 19 as in nice(1); 20 is SCHED_IDLE, which runs only when the CPU is idle",
    )


class EchoSettings(TapSettings):
    """`echo`."""

    about = "Prints messages as they come."
    examples = (
        "quotebus tap echo  # everything",
        "quotebus tap echo health quote.SPY  # health, and one symbol's quotes",
        "quotebus tap echo --symbol SPY,QQQ --count 100 --json",
    )
    headings: ClassVar = {"topics": "what"}

    topics: Topics = Field([], description=_TOPICS)
    symbol: Symbols = Field([], description="only messages about these symbols")
    count: int | None = Field(None, ge=1, description="end after this many messages")
    width: Width = Field(None, ge=40, le=1000, description="wrap lines at this width; in a pipe they are not wrapped")


class RateSettings(TapSettings):
    """`rate`."""

    about = "Counts messages a second by topic, and what is missing."
    examples = ("quotebus tap rate  # the 20 busiest topics, once a second",
                "quotebus tap rate quote --every 5 --rows 50")  # fmt: skip
    headings: ClassVar = {"topics": "what", "every_s": "reports"}

    topics: Topics = Field([], description=_TOPICS)
    symbol: Symbols = Field([], description="only messages about these symbols")
    count: int | None = Field(None, ge=1, description="end after this many reports")
    every_s: float = Field(
        1.0, ge=0.1, le=3600, validation_alias=AliasChoices("every", "tap_every"), description="time between reports"
    )
    rows: int = Field(20, ge=1, description="show this many topics, the busiest first")


class DelaySettings(RateSettings):
    """`delay`."""

    about = "Measures each hop's delay: median, 99th percentile and maximum."
    examples = ("quotebus tap delay  # all topics, once a second",
                "quotebus tap delay quote.SPY --for 60")  # fmt: skip


class ListSettings(TapSettings):
    """`list`."""

    about = "Lists the topics that are published now: what their messages are, how many come, from how many programs."
    examples: ClassVar[tuple[str, ...]] = (
        "quotebus tap list",
        "quotebus tap list quote --for 10",
        "quotebus tap list --file captures/",
    )
    headings: ClassVar = {"topics": "what"}

    topics: Topics = Field([], description=_TOPICS)
    symbol: Symbols = Field([], description="only messages about these symbols")
    rows: int = Field(20, ge=1, description="of `bw`: show this many topics, the largest first")


class InfoSettings(ListSettings):
    """`info`."""

    about = "Says of each topic who publishes it, how often, what its messages hold, and what is missing."
    examples = ("quotebus tap info quote.SPY", "quotebus tap info health --for 10")


class BandwidthSettings(ListSettings):
    """`bw`."""

    about = "Measures bytes a second by topic, and how large its messages are."
    examples = ("quotebus tap bw  # the 20 topics with the most bytes", "quotebus tap bw quote --for 30 --rows 50")


class PubSettings(BusSettings, LogSettings):
    """`pub`."""

    about = "Publishes one intent, which an execution worker may work as an order, or counters. Nothing else."
    examples = (
        "quotebus tap pub intent SPY buy 10 --within-s 60",
        "quotebus tap pub intent SPY sell all --urgency high",
        "quotebus tap pub counters orders=3 errors=0 --program my-script",
    )
    flag_prefix = "tap_"
    headings: ClassVar = {"tap_what": "what"}

    tap_what: Annotated[Words, Positional(needed=True), Unit("WHAT")] = Field(
        [], description="`intent SYMBOL buy|sell QTY|all`, or `counters NAME=NUMBER …`"
    )
    tap_within_s: float = Field(60.0, gt=0, le=LONGEST_S, description="an intent is not worked after this long")
    tap_urgency: str = Field("normal", description="of an intent: low, normal or high")
    tap_program: str = Field("", max_length=80, description="whose counters; tap and the process id unless given")


class TopSettings(TapSettings):
    """`top`."""

    about = "Shows lines and symbols in a live table."
    examples = (
        "quotebus tap top  # keys: q ends, ? lists the others",
        "quotebus tap top --sort age --filter halted",
        "quotebus tap top --file captures/ --json --count 1",
    )
    headings: ClassVar = {"sort": "table", "count": "pictures"}

    sort: Annotated[str, Unit("COLUMN")] = Field(
        "symbol", description="sort by symbol, spread, age, rate, state, clients or usable"
    )
    filter: str = Field(
        "", max_length=40, description="only rows with this text in symbol, state, cause, client or reason"
    )
    width: Width = Field(None, ge=40, le=1000, description="width where there is no terminal to ask")
    max_age_s: float = Field(60.0, gt=0, le=LONGEST_S, description="a quote older than this is not usable")
    count: int | None = Field(None, ge=1, description="end after this many pictures")
    every_s: float | None = Field(
        None,
        ge=0.1,
        le=3600,
        validation_alias=AliasChoices("every", "tap_every"),
        description="time between pictures; 0.5 on a terminal and 1 in a pipe unless given",
    )

    @field_validator("sort")
    @classmethod
    def _sortable(cls, sort: str) -> str:
        if sort not in SORTS:
            raise ValueError(f"must be {format_choices(SORTS)}")
        return sort


class WhySettings(TapSettings):
    """`why`."""

    about = "Says who asked for a symbol, whether its price may be used and, if not, why not."
    examples = ("quotebus tap why SPY", "quotebus tap why SPY --file captures/ --to +90 --json")
    headings: ClassVar = {"symbol": "what"}

    symbol: Annotated[str, Positional(needed=True), Unit("SYMBOL")] = Field("", description="which symbol")
    max_age_s: float = Field(60.0, gt=0, le=LONGEST_S, description="a quote older than this is not usable")
    width: Width = Field(None, ge=40, le=1000, description="width where there is no terminal to ask")
