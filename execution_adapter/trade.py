"""`execution-worker` with intents: settings to gateway to desk."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.execution_adapter.gateways.alpaca import AlpacaGateway
from quotebus.execution_adapter.gateways.base import Gateway, Nowhere
from quotebus.execution_adapter.gateways.simulator import RestGateway
from quotebus.execution_adapter.trade_settings import TradeSettings

INTENT = "--intent"


def folded(argv: Sequence[str]) -> list[str]:
    """The arguments with every `--intent TEXT` (or `--intent=TEXT`) made part of `--execution-intents`."""
    rest: list[str] = []
    intents: list[str] = []
    words = iter(argv)
    for word in words:
        if word == INTENT:
            intents.append(next(words, ""))
        elif word.startswith(f"{INTENT}="):
            intents.append(word.partition("=")[2])
        else:
            rest.append(word)
    return [*rest, f"--execution-intents={'; '.join(intents)}"] if intents else rest


def gateway(settings: TradeSettings) -> Gateway:
    """The gateway that the settings ask for. Raises ConfigError when it cannot be had."""
    key, secret = settings.execution_api_key.get_secret_value(), settings.execution_api_secret.get_secret_value()
    timeout_s = settings.execution_http_timeout_s
    if settings.execution_gateway == "simulator":
        return RestGateway(settings.execution_orders_url, key or "simulated", secret or "simulated", timeout_s)
    if settings.execution_gateway in ("paper", "live"):
        return AlpacaGateway(key, secret, paper=settings.execution_gateway == "paper", timeout_s=timeout_s)
    return Nowhere()


def checked(settings: TradeSettings) -> TradeSettings:
    """The same settings, once it is known that every intent can be read. Raises ConfigError."""
    try:
        settings.intents()
    except ValueError as error:
        raise ConfigError(f"EXECUTION_INTENTS_FILE: {error}") from None
    except OSError as error:
        raise ConfigError(f"EXECUTION_INTENTS_FILE: {error.strerror}") from None
    return settings
