"""Settings of the execution worker, with intents and without."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator, model_validator

from quotebus.bus import topics
from quotebus.bus.base_client import default_name
from quotebus.bus.clock import seconds
from quotebus.bus.settings import CLIENT_NAME, BusSettings, is_loopback
from quotebus.execution_adapter.decision import fallback
from quotebus.execution_adapter.decision.assessment import Limits
from quotebus.execution_adapter.decision.event import DecisionSettings
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent, from_rows, parse, require_distinct

MAX_FILE_BYTES = 4 << 20
MAX_INTENTS = 1_000


class ExecutionSettings(BusSettings):
    """`EXECUTION_*` and the bus's endpoints: what to trade, where, how, and how good a price must be."""

    execution_clock: Literal["wall", "stream"] = Field(
        "wall", description="stream: follow a replay, decide in its time, order nowhere (--clock for short)"
    )
    execution_client: str = Field(
        "", validate_default=True, description="client name on the bus; empty: <program>-<host>-<pid>"
    )
    execution_symbols: str = Field("SPY,QQQ,AAPL", description="comma-separated symbols to decide on")
    execution_side: Literal["buy", "sell", "both"] = Field("both", description="side of the decisions; both: in turn")
    execution_qty: float = Field(1, gt=0, le=1e9, description="quantity of each decision")
    execution_interval_s: float = Field(1, gt=0, le=3600, description="time between two rounds of decisions")
    execution_fallback: Literal["market", "refuse"] = Field(
        "market", description="what to do when the price may not be used; a halted symbol is always refused"
    )
    execution_max_age_s: float = Field(60, gt=0, le=3600, description="how long a standing quote may stand")
    execution_priority: int = Field(0, ge=-128, le=127, description="priority of the lease; higher wins")
    execution_patience_s: float = Field(5, ge=0, le=60, description="wait so long for first prices before deciding")

    execution_gateway: Literal["none", "simulator", "paper", "live"] = Field(
        "none", description="where orders go; live also needs --i-mean-live"
    )
    i_mean_live: bool = Field(False, description="with the gateway live: real orders with real money")
    execution_intents: str = Field("", description="intents, `SPY buy 10 in 60s; QQQ sell 5`; --intent adds one")
    execution_intents_file: str = Field("", description="a CSV file: symbol, side, qty and, if wished, in, urgency, id")
    execution_intents_from: str = Field("", description="comma-separated clients whose TradeIntents are worked")
    execution_orders_url: str = Field("http://127.0.0.1:8766/v2", description="the simulator's orders REST")
    execution_account: str = Field("", description="name that keeps ids and journals of two accounts apart")
    execution_journal_dir: Path = Field(
        Path.home() / ".local/state/quotebus/journal", description="where the journals of intents are kept"
    )
    execution_http_timeout_s: float = Field(3, gt=0, le=10, description="deadline of each step of a request")
    execution_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("execution_api_key", "apca_api_key_id"),
        description="of the account, for paper and live",
    )
    execution_api_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("execution_api_secret", "apca_api_secret_key"),
        description="of the account, for paper and live",
    )

    execution_fallbacks: str = Field(
        "", description="market, collar or refuse, also by symbol and side: `market,SPY=refuse,QQQ:sell=collar`"
    )
    execution_collar: float = Field(0.005, gt=0, le=0.2, description="the collar's band beyond the last good price")
    execution_collar_age_s: float = Field(300, gt=0, le=86_400, description="how old the last good price may be")
    execution_aggression_start: Decimal = Field(Decimal("0.2"), ge=0, le=2, description="0: our side, 1: the middle")
    execution_aggression_end: Decimal = Field(Decimal(1), ge=0, le=2, description="at the end of the window")
    execution_marketable: bool = Field(False, description="whether a limit may reach the other side (aggression 2)")
    execution_fractional: bool = Field(False, description="whether fractions of a share may be ordered")
    execution_min_notional: Decimal = Field(Decimal(1), ge=0, description="dollars a limit order must be worth")
    execution_lot: int = Field(1, ge=1, le=1000, description="shares in one unit of a quote's sizes")
    execution_repeg_ticks: int = Field(1, ge=1, le=1000, description="follow the market when it is so far away")
    execution_repeg_every_s: float = Field(5, gt=0, le=3600, description="at the earliest so long after placing")
    execution_repeg_max: int = Field(20, ge=0, le=1000, description="at most so many times")
    execution_grace_s: float = Field(10, ge=0, le=600, description="after the window: until what is open is cancelled")
    execution_give_up_s: float = Field(60, ge=0, le=3600, description="then: until an order of unknown fate is left")
    execution_rejects_max: int = Field(3, ge=1, le=100, description="end after so many rejected orders")

    execution_settle_s: float = Field(1, ge=0, le=60, description="after a flap the line must be good for so long")
    execution_spread_wide: float = Field(0.005, gt=0, le=1, description="of the mid; beyond it only passive orders")
    execution_spread_absurd: float = Field(0.10, gt=0, le=1, description="of the mid; beyond it the price is refused")
    execution_jump: float = Field(0.10, gt=0, le=10, description="of the mid; a farther jump is refused at first")
    execution_jump_settle_s: float = Field(2, ge=0, le=600, description="until a new level counts")
    execution_exchange_late_s: float = Field(2, gt=0, le=3600, description="received so late: only passive orders")
    execution_exchange_refuse_s: float = Field(10, gt=0, le=3600, description="received so late: refused")
    execution_clock_skew_s: float = Field(0.5, gt=0, le=60, description="the exchange so far ahead: only passive")
    execution_size_large: float = Field(10, gt=0, le=1e6, description="times the shown size: only passive orders")

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
        if parts.scheme != "http" or not parts.hostname or not is_loopback(parts.hostname):
            raise ValueError("http:// on this machine only, since keys cross it in clear")
        return url

    @model_validator(mode="after")
    def _live(self) -> Self:
        if self.execution_gateway == "live" and not self.i_mean_live:
            raise ValueError("EXECUTION_GATEWAY=live also needs --i-mean-live")
        if self.execution_clock == "stream" and self.trades:
            raise ValueError("EXECUTION_CLOCK=stream follows a replay, and intents are not worked on one")
        return self

    @property
    def gateway(self) -> str:
        """Where orders go: nowhere when the prices are a replay's, whatever else is set."""
        return "none" if self.execution_clock == "stream" else self.execution_gateway

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
        return DecisionSettings.of(seconds(self.execution_max_age_s), tactics, self.policies(), self.limits())

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
        text = self.execution_fallbacks or self.execution_fallback
        default, particular = fallback.parse(text)
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
        )
