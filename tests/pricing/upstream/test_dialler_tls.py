"""TLS: only a certificate that fits, and nothing is said before it does."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from quotebus.bus.events import Cause
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket
from tests.support.dialling import Attempt, Server, silence, upgrade
from tests.support.pricing import framed

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca.pem`, and `good.pem` for localhost signed by it; `self.pem` signed by itself; each with its key."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    # Python 3.13 checks as strictly as RFC 5280 says: an authority names its use, and what it signs names its key.
    openssl(folder, *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    openssl(folder, *new, "-keyout", "self.key", "-out", "self.pem", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost")  # fmt: skip
    openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "good.key", "-out", "good.csr", "-subj", "/CN=localhost")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    openssl(folder, "x509", "-req", "-in", "good.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "good.pem")  # fmt: skip
    return folder


def server_context(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


@needs_openssl
def test_tls_with_an_authority_of_our_own(serve: Callable[..., Server], certificates: Path) -> None:
    server = serve(upgrade(framed(b"first")), server_context(certificates, "good"))
    attempt = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem"))
    line = attempt.outcome()
    assert isinstance(line, UpstreamSocket), line
    assert line.fill()
    assert list(line.messages()) == [b"first"]
    line.close()


@needs_openssl
@pytest.mark.parametrize(
    ("name", "host", "ca"),
    [("good", "127.0.0.1", "ca.pem"), ("good", "localhost", None), ("self", "localhost", "ca.pem")],
    ids=["wrong host", "unknown authority", "self-signed"],
)
def test_a_certificate_that_does_not_fit_is_for_the_operator(
    serve: Callable[..., Server], certificates: Path, name: str, host: str, ca: str | None
) -> None:
    heard: list[bytes] = []
    server = serve(upgrade(heard=heard), server_context(certificates, name))
    attempt = Attempt(f"wss://{host}:{server.port}/", ca_file=str(certificates / ca) if ca else None)
    failure = attempt.failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)
    assert heard == [], "nothing was said on a line that is not proven"


def test_plain_text_where_tls_was_expected(serve: Callable[..., Server]) -> None:
    server = serve(lambda sock: sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    failure = Attempt(f"wss://127.0.0.1:{server.port}/").failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)


@needs_openssl
def test_old_tls_is_refused(serve: Callable[..., Server], certificates: Path) -> None:
    context = server_context(certificates, "good")
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = serve(upgrade(), context)
    failure = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem")).failure()
    assert failure.cause in (Cause.TLS, Cause.RESET)


def test_tls_that_never_answers_ends_in_time(serve: Callable[..., Server]) -> None:
    attempt = Attempt(f"wss://127.0.0.1:{serve(silence).port}/", timeout_s=0.3)
    assert attempt.failure().cause is Cause.HANDSHAKE_TIMEOUT
    assert attempt.took_s < 2


def test_an_authority_file_that_is_missing_is_for_the_operator(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(silence)
    failure = Attempt(f"wss://127.0.0.1:{server.port}/", ca_file=str(tmp_path / "none.pem")).failure()
    assert (failure.cause, failure.for_operator) == (Cause.TLS, True)


@needs_openssl
def test_the_environment_cannot_make_us_write_tls_keys(
    serve: Callable[..., Server], certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = serve(upgrade(), server_context(certificates, "good"))
    line = Attempt(f"wss://localhost:{server.port}/", ca_file=str(certificates / "ca.pem")).outcome()
    assert isinstance(line, UpstreamSocket)
    line.close()
    written = (tmp_path / "keys").read_text() if (tmp_path / "keys").exists() else ""
    assert all(line.startswith("#") for line in written.splitlines()), "a heading at most"
