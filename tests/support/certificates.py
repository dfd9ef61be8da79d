"""An authority of a test's own and what it signs, made by openssl."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make certificates with")
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """`ca.pem` in a folder, and `NAME.pem` with `NAME.key` for everybody whom it has signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        os.chmod(folder, 0o700)
        # Python 3.13 checks as strictly as RFC 5280 says: an authority names its use, and what it signs names its key.
        self._openssl("req", "-x509", *_KEY, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem",
                      "-subj", "/CN=test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        self.sign("server", "DNS:localhost,IP:127.0.0.1")

    def sign(self, name: str, alternative: str) -> None:
        """A certificate whose subjectAltName is `alternative`, such as `email:node@quotebus`."""
        self._openssl("req", "-new", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.names").write_text(f"subjectAltName={alternative}\nauthorityKeyIdentifier=keyid\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", f"{name}.names", "-out", f"{name}.pem")  # fmt: skip

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def context(self, name: str = "") -> ssl.SSLContext:
        """What a client needs; with a name it shows that one's certificate."""
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        if name:
            context.load_cert_chain(self.path(f"{name}.pem"), self.path(f"{name}.key"))
        return context

    def server_text(self, *, verify: bool = False) -> str:
        """For a NATS server's configuration."""
        return (
            f'tls {{ cert_file: "{self.path("server.pem")}", key_file: "{self.path("server.key")}", '
            f'ca_file: "{self.path("ca.pem")}", handshake_first: true, verify: {str(verify).lower()} }}'
        )

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)
