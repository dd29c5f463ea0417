"""TLS of a port: certificate, key, and whose clients are let in."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from iii_actors.config.settings import Settings

__all__ = ["TlsSettings"]

File = Annotated[str, Field(min_length=1)]


class TlsSettings(Settings):
    """``tls: {cert, key, client_ca?}``. The files are read when the settings are: a bad one stops the start."""

    cert: File
    """PEM file: the certificate, and behind it those that lead to a root that clients trust."""
    key: File
    """PEM file: the certificate's private key, without a passphrase."""
    client_ca: File | None = None
    """PEM file: clients must show a certificate signed by one of these; null: they need none."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        self.context()
        return self

    def context(self) -> ssl.SSLContext:
        """Return a server's side of TLS: 1.2 or later, and nothing weaker. Reads the files.

        Raises :class:`ValueError`, whose text names the file and the mend.
        """
        for name, path in (("cert", self.cert), ("key", self.key), ("client_ca", self.client_ca)):
            if path is not None:
                _check(name, path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(["http/1.1"])
        try:
            # Without a password at hand OpenSSL would ask for one at the terminal.
            context.load_cert_chain(self.cert, self.key, password=lambda: b"")
        except ssl.SSLError as error:
            raise ValueError(_chain_problem(self.cert, self.key, error)) from None
        if self.client_ca is not None:
            try:
                context.load_verify_locations(self.client_ca)
            except ssl.SSLError as error:
                raise ValueError(
                    f"client_ca {self.client_ca}: cannot be used ({_reason(error)}); give a PEM file of certificates"
                ) from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _check(name: str, path: str) -> None:
    """Refuse a file that cannot be read or is of another kind, by name: OpenSSL says only that something is wrong."""
    kind = b"PRIVATE KEY-----" if name == "key" else b"-----BEGIN CERTIFICATE-----"
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{name} {path}: cannot be read: {error.strerror}; name a readable file") from None
    if kind not in content:
        what = "private key" if name == "key" else "certificate"
        raise ValueError(f"{name} {path}: holds no {what} in PEM form; name the right file, or convert it with openssl")
    if name == "key" and b"ENCRYPTED" in content:
        raise ValueError(
            f"key {path}: is protected by a passphrase; write it without one: openssl pkey -in {path} -out plain.pem"
        )


def _chain_problem(cert: str, key: str, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"key {key}: is not the key of the certificate in {cert}; name the two files that belong together"
    return f"cert {cert} and key {key}: cannot be used ({_reason(error)}); make the files again"


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
