"""Certificates for tests, made on the spot with the ``openssl`` program: no private key is in the sources."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def server_context(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for these names; returns a server's settings and the file that a client has to trust.

    Skips the test where there is no ``openssl``; with ``III_ACTORS_REQUIRE_ALL=1`` it fails.
    """
    if shutil.which("openssl") is None:
        (pytest.fail if os.environ.get("III_ACTORS_REQUIRE_ALL") == "1" else pytest.skip)("there is no `openssl`")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=iii test"]
    command += ["-addext", f"subjectAltName={alternatives}"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
