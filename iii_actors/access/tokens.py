"""Static bearer tokens (ours): the settings hold their hashes only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from iii_actors.access.errors import AuthError
from iii_actors.config.access import TokenSettings
from iii_actors.limits import MAX_TOKEN_CHARS, TOKEN_BYTES

__all__ = ["Tokens", "hashed", "new_token"]

PREFIX: Final = "iii_"
"""What our tokens begin with, so that a scanner for leaked secrets can find them."""
_SCHEME: Final = "sha256:"


def new_token() -> str:
    """Return a fresh token: nobody can guess it, and it can stand in a header and in a URL as it is."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).rstrip(b"=").decode()


def hashed(token: str) -> str:
    """Return what the settings hold of a token.

    One round of SHA-256: the tokens are random and long, so there is nothing that a slow hash would make harder.
    """
    return _SCHEME + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """A listener's tokens. Any thread."""

    def __init__(self, listed: Sequence[TokenSettings]) -> None:
        self._listed = tuple(listed)

    def find(self, token: str, now: float) -> TokenSettings | None:
        """Return the settings of a token; None: it is none of these. ``now`` in seconds since the epoch.

        Raises :class:`AuthError` when it has expired. All hashes are looked at, each in constant time.
        """
        if len(token) > MAX_TOKEN_CHARS:
            return None
        presented = hashed(token)
        found: TokenSettings | None = None
        for one in self._listed:
            if hmac.compare_digest(one.hash, presented):
                found = one
        if found is not None and found.expires_at is not None and found.expires_at.timestamp() <= now:
            raise AuthError(f"the token {found.name!r} has expired; ask for a new one")
        return found
