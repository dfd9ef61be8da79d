"""Certificates and passwords: what cannot be used is one line that names the setting, and no secret is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from quotebus.bus.address import NatsAddress
from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.nats.access import NatsAccess
from tests.support.certificates import Authority, needs_openssl


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("access"))
    authority.sign("node", "email:node@quotebus")
    return authority


def address(authority: Authority, **files: str) -> NatsAddress:
    paths = {"ca_file": authority.path("ca.pem"), "cert_file": authority.path("node.pem"),
             "key_file": authority.path("node.key"), **files}  # fmt: skip
    return NatsAddress(("h:4222", "[::1]:1"), tls=True, **paths)


@needs_openssl
def test_servers_and_certificates(authority: Authority) -> None:
    access = NatsAccess.find(address(authority))
    assert access.servers == (("h", 4222), ("::1", 1))
    assert access.tls is not None
    assert access.tls.check_hostname


@needs_openssl
@pytest.mark.parametrize(("field", "setting"), [("ca_file", "BUS_TLS_CA_FILE"), ("cert_file", "BUS_TLS_CERT_FILE"),
                                                ("key_file", "BUS_TLS_KEY_FILE")])  # fmt: skip
@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_that_cannot_be_used_is_named(
    authority: Authority, tmp_path: Path, field: str, setting: str, text: str | None
) -> None:
    file = tmp_path / "file.pem"
    if text is not None:
        file.write_text(text)
        file.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        NatsAccess.find(address(authority, **{field: str(file)}))
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith((setting, "BUS_TLS_CERT_FILE"))


@needs_openssl
def test_a_key_that_every_user_can_read_is_refused(authority: Authority, tmp_path: Path) -> None:
    key = tmp_path / "node.key"
    key.write_bytes(Path(authority.path("node.key")).read_bytes())
    key.chmod(0o644)
    with pytest.raises(ConfigError, match="BUS_TLS_KEY_FILE: every user of this machine can read"):
        NatsAccess.find(address(authority, key_file=str(key)))
    key.chmod(0o640)
    NatsAccess.find(address(authority, key_file=str(key)))


@needs_openssl
def test_a_key_with_a_passphrase_is_refused_without_asking(authority: Authority, tmp_path: Path) -> None:
    key = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", authority.path("node.key"), "-out", str(key)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    key.chmod(0o600)
    with pytest.raises(ConfigError, match="passphrase"):
        NatsAccess.find(address(authority, key_file=str(key)))


def test_a_password_does_not_cross_the_network_in_clear() -> None:
    with pytest.raises(ValidationError) as refused:
        BusSettings(bus_url="nats://db.example", bus_user="u", bus_password="hunter2")
    assert "BUS_PASSWORD: would cross the network in clear" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    for url in ("nats://127.0.0.1:4222,[::1]", "tls://db.example"):
        found = BusSettings(bus_url=url, bus_user="u", bus_password="hunter2").bus_address
        assert isinstance(found, NatsAddress)
        assert found.password == "hunter2"
        assert "hunter2" not in repr(found)
