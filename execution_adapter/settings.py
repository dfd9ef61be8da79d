"""Settings of the execution worker, with intents and without."""

from __future__ import annotations

import csv
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator

from quotebus.bus import topics
from quotebus.bus.base_client import default_name
from quotebus.bus.clock import seconds
from quotebus.bus.events import ACCEPTED_CLASSES, FeedClass
from quotebus.bus.process.flags import OneMore, Unit
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.settings import CLIENT_NAME, BusSettings, LogSettings
from quotebus.execution_adapter.decision import fallback
from quotebus.execution_adapter.decision.assessment import Limits
from quotebus.execution_adapter.decision.event import DecisionSettings
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent, from_rows, parse, require_distinct

_BROKERS = ("paper", "live")
MAX_FILE_BYTES = 4 << 20
MAX_INTENTS = 1_000


class ExecutionSettings(BusSettings, LogSettings):
    """`EXECUTION_*` and the bus's endpoints: what to trade, where, how, and how good a price must be."""

    about = (
        "Decides on each symbol once a second and orders nothing; with intents, works them into orders through a "
        "gateway. `execution-worker verify FILE` makes the decisions of a capture again and compares them."
    )
    examples = (
        "execution-worker  # decisions only, no orders",
        'execution-worker --gateway simulator --intent "SPY buy 10 in 60s"',
        "execution-worker --gateway paper --intents-file orders.csv",
        "execution-worker --dry-run --intents-file orders.csv",
        "execution-worker --clock stream  # decide on a replay, in its time",
        "execution-worker verify captures/day.mcap  # decide again and compare",
    )
    flag_prefix = "execution_"
    headings: ClassVar = {
        "execution_clock": "decisions",
        "execution_intents": "intents",
        "execution_gateway": "orders",
        "execution_aggression_start": "limit prices and re-pegs",
        "execution_fallback": "without a usable price",
        "execution_max_age_s": "how good a price must be",
    }

    execution_clock: Literal["wall", "stream"] = Field(
        "wall", description="stream: follow a replay, decide in its time, and order nothing"
    )
    execution_client: Annotated[str, Unit("NAME")] = Field(
        "",
        validate_default=True,
        description="name of this client on the bus; <program>-<host>-<pid>-<six hex digits> unless given",
    )
    execution_symbols: str = Field("SPY,QQQ,AAPL", description="symbols to decide on when there are no intents")
    execution_side: Literal["buy", "sell", "both"] = Field(
        "both", description="side of the decisions; both takes them in turn"
    )
    execution_qty: Annotated[float, Unit("SHARES")] = Field(1, gt=0, le=1e9, description="quantity of each decision")
    execution_interval_s: float = Field(1, gt=0, le=3600, description="time between two rounds of decisions")
    execution_priority: int = Field(
        0, ge=-128, le=127, description="priority of the request for symbols; the higher one keeps them under a limit"
    )

    execution_intents: Annotated[
        str, Unit("INTENTS"), OneMore("--intent", "INTENT", "; ", "one intent, such as 'SPY buy 10 in 60s'; repeatable")
    ] = Field("", description="intents, separated by semicolons: 'SPY buy 10 in 60s; QQQ sell 5; AAPL sell all'")
    execution_intents_file: str = Field(
        "", description="CSV file of intents: symbol, side, qty and, optionally, in, urgency, id"
    )
    execution_intents_from: Annotated[str, Unit("CLIENTS")] = Field(
        "", description="clients whose TradeIntents are worked as they come, comma-separated"
    )

    execution_gateway: Literal["none", "simulator", "paper", "live"] = Field(
        "none", description="where orders go; live also needs --i-mean-live"
    )
    execution_dry_run: bool = Field(
        False, description="with intents: print what would be sent now, and why, and send nothing"
    )
    i_mean_live: bool = Field(False, description="with --gateway live: send real orders, with real money")
    execution_orders_url: str = Field(
        "http://127.0.0.1:8766/v2", description="orders REST of the simulator, for --gateway simulator"
    )
    execution_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("execution_api_key", "apca_api_key_id"),
        description="the account's API key, for paper and live; safer in the environment than on a command line",
    )
    execution_api_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("execution_api_secret", "apca_api_secret_key"),
        description="the account's API secret, for paper and live; safer in the environment than on a command line",
    )
    execution_account: Annotated[str, Unit("NAME")] = Field(
        "", description="name that keeps order ids and journals of two accounts apart"
    )
    execution_journal_dir: Path = Field(
        Path.home() / ".local/state/quotebus/journal", description="folder of the intents' journals"
    )
    execution_journal_keep_days: Annotated[float, Unit("DAYS")] = Field(
        0,
        ge=0,
        le=36_500,
        description="remove the journals of intents that ended this long ago, but for a line each; "
        "0 keeps them for ever",
    )
    execution_budget_dir: Path = Field(
        Path(tempfile.gettempdir()),
        description="folder of the file through which the programs of this host share an account's budget of requests; "
        "a pricing node reads it too",
    )
    execution_request_share: Annotated[float, Unit("RATIO")] = Field(
        1,
        gt=0,
        le=1,
        description="this host's part of the requests that the account may make; a pricing node reads it too",
    )
    execution_http_timeout_s: float = Field(3, gt=0, le=10, description="deadline of each step of a request")
    execution_give_up_s: float = Field(
        60, ge=0, le=3600, description="after the grace time: stop asking about an order of unknown fate"
    )
    execution_grace_s: float = Field(
        10, ge=0, le=600, description="after the intent's window: time to fill before open orders are cancelled"
    )
    execution_rejects_max: int = Field(3, ge=1, le=100, description="end an intent after this many rejected orders")

    execution_aggression_start: Annotated[Decimal, Unit("0..2")] = Field(
        Decimal("0.2"),
        ge=0,
        le=2,
        description="limit at the window's start: 0 our side of the spread, 1 the middle, 2 the other side",
    )
    execution_aggression_end: Annotated[Decimal, Unit("0..2")] = Field(
        Decimal(1), ge=0, le=2, description="limit at the window's end, on the same scale"
    )
    execution_marketable: bool = Field(False, description="let a limit reach the other side (aggression 2)")
    execution_fractional: bool = Field(False, description="order fractions of a share, where the venue takes them")
    execution_min_notional: Annotated[Decimal, Unit("DOLLARS")] = Field(
        Decimal(1), ge=0, le=1_000_000, description="least value of a limit order"
    )
    execution_lot: Annotated[int, Unit("SHARES")] = Field(
        1, ge=1, le=1000, description="shares in one unit of a quote's sizes"
    )
    execution_repeg_ticks: int = Field(
        1, ge=1, le=1000, description="re-peg when the target price has moved this many ticks"
    )
    execution_repeg_every_s: float = Field(5, gt=0, le=3600, description="minimum time between re-pegs")
    execution_repeg_max: int = Field(20, ge=0, le=1000, description="most re-pegs of one intent")

    execution_fallback: Literal["table", "market", "refuse"] = Field(
        "table",
        description="what to do without a usable price: table decides by what is known of a halt and of the last "
        "price; a halted symbol is always refused",
    )
    execution_fallbacks: Annotated[str, Unit("POLICIES")] = Field(
        "", description="table, market, collar or refuse, also by symbol and side: 'market,SPY=refuse,QQQ:sell=collar'"
    )
    execution_patience_s: float = Field(
        5, ge=0, le=60, description="fall back after this long without a usable price; also the wait for first prices"
    )
    execution_collar: Annotated[float, Unit("RATIO")] = Field(
        0.005, gt=0, le=0.2, description="collar: limit this far beyond the last good price, as a part of it"
    )
    execution_collar_age_s: float = Field(
        300, gt=0, le=86_400, description="collar: how old the last good price may be"
    )

    execution_max_age_s: float = Field(60, gt=0, le=3600, description="refuse a quote older than this")
    execution_settle_s: float = Field(
        1, ge=0, le=60, description="after a lost connection: refuse until it was good this long"
    )
    execution_spread_wide: Annotated[float, Unit("RATIO")] = Field(
        0.005, gt=0, le=1, description="passive orders only when the spread, as a part of the mid, is wider"
    )
    execution_spread_absurd: Annotated[float, Unit("RATIO")] = Field(
        0.10, gt=0, le=1, description="refuse the price when the spread, as a part of the mid, is wider"
    )
    execution_jump: Annotated[float, Unit("RATIO")] = Field(
        0.10, gt=0, le=10, description="refuse at first when the mid jumps by more, as a part of it"
    )
    execution_jump_settle_s: float = Field(
        2, ge=0, le=600, description="accept the level after a jump when it has held this long"
    )
    execution_exchange_late_s: float = Field(
        2, gt=0, le=3600, description="passive orders only on quotes delayed more than this"
    )
    execution_exchange_refuse_s: float = Field(10, gt=0, le=3600, description="refuse quotes delayed more than this")
    execution_clock_skew_s: float = Field(
        0.5, gt=0, le=60, description="passive orders only when the exchange's clock is ahead by more"
    )
    execution_size_large: Annotated[float, Unit("TIMES")] = Field(
        10, gt=0, le=1e6, description="passive orders only above this many times the size shown"
    )

    execution_accept: Annotated[str, Unit("CLASSES")] = Field(
        "",
        description="classes of feeds to decide on, comma-separated; without it all but delayed, indicative and "
        "unknown, and with the gateways paper and live real_time alone, which may add delayed",
    )
    execution_extended_hours: bool = Field(
        False, description="place limit orders before and after the regular session and at night, too"
    )

    @field_validator("execution_client")
    @classmethod
    def _client(cls, name: str, others: ValidationInfo) -> str:
        if name and not CLIENT_NAME.match(name):
            raise ValueError("1 to 64 letters, digits, _ . : or -")
        if not name and others.data.get("execution_clock") == "stream":
            return "execution-worker"  # part of what must come out the same each time
        return name or default_name()

    @field_validator("execution_symbols")
    @classmethod
    def _symbols(cls, text: str) -> str:
        wanted = [word for word in text.replace(" ", ",").split(",") if word]
        if not wanted:
            raise ValueError("at least one symbol")
        return ",".join(dict.fromkeys(topics.symbol(word) for word in wanted))

    @field_validator("execution_intents")
    @classmethod
    def _intents(cls, text: str) -> str:
        parsed = [parse(part) for part in text.split(";") if part.strip()]
        return "; ".join(str(intent) for intent in require_distinct(parsed))

    @field_validator("execution_intents_from")
    @classmethod
    def _clients(cls, text: str) -> str:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if any(not CLIENT_NAME.match(name) for name in names):
            raise ValueError("client names, comma-separated")
        return ",".join(names)

    @field_validator("execution_fallbacks")
    @classmethod
    def _fallbacks(cls, text: str) -> str:
        fallback.parse(text)
        return text

    @field_validator("execution_orders_url")
    @classmethod
    def _local(cls, url: str) -> str:
        parts = urlsplit(url)
        if not parts.path.strip("/"):  # as Alpaca's own address is written, without the version
            parts = parts._replace(path="/v2")
        if parts.scheme != "http" or not parts.hostname or not is_loopback(parts.hostname):
            raise ValueError("http:// on this machine only, since keys cross it in clear")
        return urlunsplit(parts)

    @field_validator("execution_accept")
    @classmethod
    def _classes(cls, text: str) -> str:
        named = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        if set(named).difference(FeedClass):
            raise ValueError(f"any of {', '.join(FeedClass)}")
        return ",".join(named)

    @model_validator(mode="after")
    def _real_prices(self) -> Self:
        if self.gateway in _BROKERS and not self.accept <= {FeedClass.REAL_TIME, FeedClass.DELAYED}:
            raise ValueError(
                f"EXECUTION_ACCEPT: the gateway {self.execution_gateway} decides on real_time and delayed prices only"
            )
        return self

    @model_validator(mode="after")
    def _live(self) -> Self:
        if self.execution_gateway == "live" and not (self.i_mean_live or self.execution_dry_run):
            raise ValueError("EXECUTION_GATEWAY=live also needs --i-mean-live")
        if self.execution_dry_run and not (self.execution_intents or self.execution_intents_file):
            raise ValueError("EXECUTION_DRY_RUN needs intents: --intent or --intents-file")
        if self.execution_clock == "stream" and self.trades:
            raise ValueError("EXECUTION_CLOCK=stream follows a replay, and intents are not worked on one")
        return self

    @property
    def gateway(self) -> str:
        """Where orders go: nowhere when the prices are a replay's, whatever else is set."""
        return "none" if self.execution_clock == "stream" else self.execution_gateway

    @property
    def accept(self) -> frozenset[FeedClass]:
        """The classes of feeds that are decided on: where orders cost money, or are to show what they would, only
        `real_time`, and `delayed` by name.
        """
        named = frozenset(map(FeedClass, filter(None, self.execution_accept.split(","))))
        return named or (frozenset({FeedClass.REAL_TIME}) if self.gateway in _BROKERS else frozenset(ACCEPTED_CLASSES))

    @property
    def symbols(self) -> list[str]:
        return self.execution_symbols.split(",")

    @property
    def trades(self) -> bool:
        """Whether there is anything to work."""
        return bool(self.execution_intents or self.execution_intents_file or self.execution_intents_from)

    def intents(self) -> list[Intent]:
        """Those of the command line and of the file. Raises ValueError, OSError."""
        wanted = [parse(part) for part in self.execution_intents.split(";") if part.strip()]
        if self.execution_intents_file:
            path = Path(self.execution_intents_file)
            if path.stat().st_size > MAX_FILE_BYTES:
                raise ValueError("the file of intents is too large")
            with path.open(newline="", encoding="utf-8-sig") as file:
                wanted += from_rows(csv.DictReader(file))
        if len(wanted) > MAX_INTENTS:
            raise ValueError(f"at most {MAX_INTENTS} intents")
        return require_distinct(wanted)

    @property
    def account(self) -> str:
        """Names the account in ids: two accounts never share an id."""
        return f"{self.execution_gateway}/{self.execution_account}"

    @property
    def config_hash(self) -> str:
        """Names everything that a decision depends on beside the messages it was based on."""
        return self.decision_settings(self.tactics()).hash

    def decision_settings(self, tactics: Tactics) -> DecisionSettings:
        """What a decision with these tactics depends on."""
        max_age_ns = seconds(self.execution_max_age_s)
        return DecisionSettings.of(max_age_ns, tactics, self.policies(), self.limits(), self.accept)

    def tactics(self) -> Tactics:
        return Tactics(
            aggression_start=self.execution_aggression_start,
            aggression_end=self.execution_aggression_end,
            marketable=self.execution_marketable,
            fractional=self.execution_fractional,
            min_notional=self.execution_min_notional,
            lot=self.execution_lot,
            repeg_ticks=self.execution_repeg_ticks,
            repeg_every_ns=seconds(self.execution_repeg_every_s),
            repeg_max=self.execution_repeg_max,
            patience_ns=seconds(self.execution_patience_s),
            grace_ns=seconds(self.execution_grace_s),
            give_up_ns=seconds(self.execution_give_up_s),
            rejects_max=self.execution_rejects_max,
        )

    def policies(self) -> fallback.Policies:
        default, particular = fallback.parse(self.execution_fallbacks, fallback.Policy(self.execution_fallback))
        return fallback.Policies(
            default, particular, Decimal(repr(self.execution_collar)), seconds(self.execution_collar_age_s)
        )

    def limits(self) -> Limits:
        return Limits(
            settle_ns=seconds(self.execution_settle_s),
            spread_wide=self.execution_spread_wide,
            spread_absurd=self.execution_spread_absurd,
            jump=self.execution_jump,
            jump_settle_ns=seconds(self.execution_jump_settle_s),
            exchange_late_ns=seconds(self.execution_exchange_late_s),
            exchange_refuse_ns=seconds(self.execution_exchange_refuse_s),
            clock_skew_ns=seconds(self.execution_clock_skew_s),
            size_large=self.execution_size_large,
            extended_hours=self.execution_extended_hours,
        )
