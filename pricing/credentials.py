"""Key and secret of the account, read again when `.env` has changed: new keys are used at the next attempt.

To parse all settings takes 2 to 4 ms, and the answer to the upstream's welcome would wait for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import ENV_FILE
from quotebus.pricing.settings import PricingSettings

Signature = tuple[int, int, int, int]
_NEVER = (-1, -1, -1, -1)


class AccountCredentials:
    """Called from any thread; returns key and secret. `read` parses the settings and may raise ConfigError."""

    def __init__(self, settings: PricingSettings, read: Callable[[], PricingSettings]) -> None:
        self._read = read
        self._path = Path(ENV_FILE).absolute()
        self._seen: tuple[Signature | None, tuple[str, str]] = (_NEVER, _pair(settings))

    def __call__(self) -> tuple[str, str]:
        signature = self._sign()  # before it is read: what changes meanwhile is seen the next time
        seen, pair = self._seen
        if signature != seen:
            try:
                pair = _pair(self._read())
            except ConfigError:
                return pair  # half written, perhaps
            self._seen = (signature, pair)
        return pair

    def _sign(self) -> Signature | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _pair(settings: PricingSettings) -> tuple[str, str]:
    return settings.pricing_api_key.get_secret_value(), settings.pricing_api_secret.get_secret_value()
