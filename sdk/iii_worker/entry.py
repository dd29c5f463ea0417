"""The ways in: ``register_worker`` and its older spellings (spec sdk.md §1, §10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iii_worker.client import IIIClient
from iii_worker.options import InitOptions, options_from

__all__ = ["connect", "init", "register_worker"]


def register_worker(
    address: str | None = None, options: InitOptions | Mapping[str, Any] | None = None, **keywords: Any
) -> IIIClient:
    """Connect to an engine and return the client.

    It waits for the connection: up to 30 s, then it warns and returns, and the client keeps trying. With
    ``connect_timeout`` it raises instead, with ``wait=False`` it returns at once. What is wrong with a first attempt
    that fails is logged at once, in one line.

    :param address: ``ws://`` or ``wss://``; by default the environment variable ``III_URL``, else
        ``ws://127.0.0.1:49134``.
    :param options: :class:`InitOptions`; each option may also be given as a keyword.
    :raises AddressError: the address is none.
    :raises ConnectFailedError: no connection within ``connect_timeout``, or refused for good (``FORBIDDEN``).
    :raises RegistrationRejectedError: another live worker of the namespace has the name.
    """
    client = IIIClient(address, options_from(options, keywords))
    client.first_connection()
    return client


def init(
    address: str | None = None, options: InitOptions | Mapping[str, Any] | None = None, **keywords: Any
) -> IIIClient:
    """Return a client that is not connected: register what it offers, then ``connect()`` or ``run()`` it."""
    return IIIClient(address, options_from(options, keywords))


connect = register_worker
"""``iii_worker.connect("ws://...")``: another name of :func:`register_worker`."""
