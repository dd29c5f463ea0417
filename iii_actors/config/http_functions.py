"""``iii-http-functions``: functions that are invoked over HTTP (core.md §5)."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from iii_actors import limits
from iii_actors.config.settings import Positive, Settings

__all__ = ["HttpFunctionsSettings", "RetrySettings", "SecuritySettings"]

_SET = re.compile(r"\[!?+\]?+[^\]]*+\]")


class SecuritySettings(Settings):
    """Which URLs may be called; checked at registration and before every call (core.md §5.2)."""

    url_allowlist: list[str] = Field(default_factory=list)
    """Globs for the host, one of which must match; none: any host. ``*`` spans dots, too."""
    block_private_ips: bool = True
    """Refuse private addresses, written in the URL or answered by the resolver."""
    require_https: bool = True
    """Refuse every other scheme."""

    @field_validator("url_allowlist")
    @classmethod
    def _are_globs(cls, globs: list[str]) -> list[str]:
        for glob in globs:
            if "[" in _SET.sub("", glob):
                raise ValueError(f"{glob!r} is no glob: a `[` has no `]`; close it, or write `[[]` for the character")
            if not glob:
                raise ValueError("an empty glob matches no host; remove it, or write `*`")
        return globs


class RetrySettings(Settings):
    """Repeating what failed (ours: the protocol has none). Only when connecting failed, or the answer was 5xx."""

    count: Annotated[int, Field(ge=0, le=limits.EXTERNAL_RETRIES)] = 0
    """How often; the call's whole timeout still holds."""
    backoff_ms: Positive = limits.EXTERNAL_BACKOFF_MS
    """Before the first retry; doubled for each further one."""


class HttpFunctionsSettings(Settings):
    """An entry ``iii-http-functions``; without one, functions with an ``invocation`` are not registered."""

    security: SecuritySettings = Field(default_factory=SecuritySettings)
    """Which URLs may be called."""
    retries: RetrySettings = Field(default_factory=RetrySettings)
    """Ours. None unless set."""
    max_response_bytes: Positive = limits.EXTERNAL_RESPONSE_BYTES
    """Ours. A longer response body ends the call with an error."""
    max_calls: Positive = limits.EXTERNAL_CALLS
    """Ours. Requests under way at once; further ones wait their turn."""
    max_calls_per_host: Positive = limits.EXTERNAL_CALLS_PER_HOST
    """Ours. Of those, to one host and port."""
    ca_bundle: str | None = None
    """Ours. A file of certificates (PEM) to trust instead of the usual authorities."""

    @field_validator("ca_bundle")
    @classmethod
    def _is_readable(cls, path: str | None) -> str | None:
        if path is not None and not (Path(path).is_file() and os.access(path, os.R_OK)):
            raise ValueError(f"there is no readable file {path!r}; name a file with certificates in PEM form")
        return path

    @model_validator(mode="after")
    def _one_host_is_not_all(self) -> HttpFunctionsSettings:
        if self.max_calls_per_host > self.max_calls and "max_calls_per_host" in self.model_fields_set:
            raise ValueError(
                f"max_calls_per_host ({self.max_calls_per_host}) is more than max_calls ({self.max_calls}); lower it"
            )
        return self
