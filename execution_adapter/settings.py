"""Settings of the execution worker."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from quotebus.bus import topics
from quotebus.bus.base_client import default_name
from quotebus.bus.clock import seconds
from quotebus.bus.settings import CLIENT_NAME, BusSettings
from quotebus.execution_adapter.decision.judgement import Judgement


class ExecutionSettings(BusSettings):
    """`EXECUTION_*` and the bus's endpoints."""

    execution_clock: Literal["wall", "stream"] = Field(
        "wall", description="stream: follow a replay, decide in its time, order nowhere (--clock for short)"
    )
    execution_client: str = Field(
        "", validate_default=True, description="client name on the bus; empty: <program>-<host>-<pid>"
    )
    execution_symbols: str = Field("SPY,QQQ,AAPL", description="comma-separated symbols to decide on")
    execution_gateway: Literal["none"] = Field("none", description="where orders go: nowhere without intents")
    execution_side: Literal["buy", "sell", "both"] = Field("both", description="side of the decisions; both: in turn")
    execution_qty: float = Field(1, gt=0, le=1e9, description="quantity of each decision")
    execution_interval_s: float = Field(1, gt=0, le=3600, description="time between two rounds of decisions")
    execution_fallback: Literal["market", "refuse"] = Field(
        "market", description="what to do when the price may not be used; a halted symbol is always refused"
    )
    execution_max_age_s: float = Field(60, gt=0, le=3600, description="how long a standing quote may stand")
    execution_priority: int = Field(0, ge=-128, le=127, description="priority of the lease; higher wins")
    execution_patience_s: float = Field(5, ge=0, le=60, description="wait so long for first prices before deciding")

    @field_validator("execution_client")
    @classmethod
    def _client(cls, name: str, others: ValidationInfo) -> str:
        if name and not CLIENT_NAME.match(name):
            raise ValueError("1 to 64 letters, digits, _ . : or -")
        if not name and others.data.get("execution_clock") == "stream":
            return "execution-worker"  # part of what must come out the same each time
        return name or default_name()

    @property
    def gateway(self) -> str:
        """Where orders go: nowhere when the prices are a replay's, whatever else is set."""
        return "none" if self.execution_clock == "stream" else self.execution_gateway

    @field_validator("execution_symbols")
    @classmethod
    def _symbols(cls, text: str) -> str:
        wanted = [word for word in text.replace(" ", ",").split(",") if word]
        if not wanted:
            raise ValueError("at least one symbol")
        return ",".join(dict.fromkeys(topics.symbol(word) for word in wanted))

    @property
    def symbols(self) -> list[str]:
        return self.execution_symbols.split(",")

    @property
    def judgement(self) -> Judgement:
        """The settings a decision depends on."""
        return Judgement(self.execution_fallback, seconds(self.execution_max_age_s))

    @property
    def config_hash(self) -> str:
        """Names them."""
        return self.judgement.hash
