"""Certificates for tests, by an authority that lives as long as the test run."""

from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import trustme

from iii_actors.transport.tls_socket import TlsSocket, limit_receiving


class Authority:
    """Signs certificates for a server on this machine, and for clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self.ca = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca)

    def server(self, name: str = "server") -> dict[str, str]:
        """Return the settings ``{cert, key}`` of a server called localhost and 127.0.0.1."""
        issued = self._ca.issue_cert("localhost", "127.0.0.1")
        cert, key = str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")
        Path(cert).write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return {"cert": cert, "key": key}

    def trusting(self, *, known: bool = False, **options: Any) -> ssl.SSLContext:
        """Return a client's settings: it trusts the authority, and with ``known`` has a certificate of it."""
        context = ssl.create_default_context(cafile=self.ca)
        for name, value in options.items():
            setattr(context, name, value)
        if known:
            self._ca.issue_cert("client@example.org").configure_cert(context)
        return context

    def dial(self, address: tuple[str, int], *, known: bool = False) -> socket.socket:
        """Connect with a socket that two threads may use, as ``websockets`` does: those of ``ssl`` lose data then."""
        raw = socket.create_connection(address, 10)
        sock = TlsSocket(raw, self.trusting(known=known), "localhost")
        sock.handshake(time.monotonic() + 10)
        limit_receiving(sock, 0)
        return sock
