"""Errors about access: beside ``Forbidden``, which stands with the others."""

from __future__ import annotations

from iii_actors.errors import EngineError

__all__ = ["AuthError", "QuotaExceeded"]


class AuthError(EngineError):
    """A connection is not let in (core.md §10.2): said in an ``error`` frame, before its end."""

    code = "AUTH_ERROR"


class QuotaExceeded(EngineError):
    """The session has used up what its listener, or its token, allows it (ours)."""

    code = "QUOTA_EXCEEDED"

    @classmethod
    def calls(cls, per_s: float, burst: int) -> QuotaExceeded:
        return cls(f"this session may make {per_s:g} calls/s (quotas.calls_per_s), {burst} at once; call less often")

    @classmethod
    def volume(cls, per_s: float, burst: int) -> QuotaExceeded:
        return cls(f"this session may send {per_s:g} bytes/s (quotas.bytes_per_s), {burst} at once; send less")

    @classmethod
    def pending(cls, count: int) -> QuotaExceeded:
        return cls(f"this session waits for {count} calls, as many as it may (quotas.pending_calls); wait for answers")

    @classmethod
    def registrations(cls, what: str, count: int) -> QuotaExceeded:
        return cls(
            f"{what} is not registered: this session holds {count} registrations, as many as it may "
            "(quotas.registrations); unregister others first"
        )
