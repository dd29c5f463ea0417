"""One line on why no connection could be made, and what to do about it."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from iii_worker.dial import parse_address
from iii_worker.transport import UpgradeRefused

__all__ = ["explain", "is_refusal"]

_UNAUTHORISED: Final = (401, 403)


def is_refusal(error: BaseException) -> bool:
    """Whether the server answered, and said that it does not let this worker in."""
    return isinstance(error, UpgradeRefused) and error.status in _UNAUTHORISED


def explain(address: str, error: BaseException) -> str:
    """Return what went wrong with an attempt to connect, in words for whoever has to mend it."""
    uri = parse_address(address)
    place = f"{uri.host}:{uri.port}"
    if isinstance(error, UpgradeRefused):
        if is_refusal(error):
            return f"the engine at {address} refused this worker: {error}; check the token in `headers`"
        return f"what answers at {address} is no engine: {error}; check the address and its path"
    if isinstance(error, ConnectionRefusedError):
        return (
            f"no engine listens at {address}: start one (`python -m iii_actors`), "
            "or give the right address to register_worker() or in III_URL"
        )
    if isinstance(error, socket.gaierror):
        return f"the host {uri.host!r} of {address} is not known ({error.strerror}): check the address, or III_URL"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {place} is not trusted ({error}): pass an ssl_context that trusts it"
    if isinstance(error, ssl.SSLError):
        return f"TLS with {place} failed ({error}): does it speak TLS? Without it the address is ws://..."
    if isinstance(error, TimeoutError) and uri.secure:
        return f"{place} did not answer in time: does it speak TLS? Without it the address is ws://..."
    if isinstance(error, TimeoutError):
        return f"{place} did not answer in time: is that the engine's port, and does a firewall let you through?"
    return f"no connection to {address}: {error}"
