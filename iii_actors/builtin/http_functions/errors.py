"""How a call over HTTP fails: one class per code (core.md §5.2, §5.4)."""

from __future__ import annotations

from iii_actors.errors import EngineError

__all__ = ["InvalidInvocation", "InvalidResponse", "RequestFailed", "ResponseFailed", "UrlRefused"]


class UrlRefused(EngineError):
    """The URL breaks a rule; the message is the rule's (core.md §5.2)."""

    code = "url_validation_failed"
    detail: str = ""
    """For the engine's log: what to look at."""

    @classmethod
    def invalid(cls, detail: str) -> UrlRefused:
        """It cannot be read as a URL."""
        error = cls("Invalid URL")
        error.detail = detail
        return error


class InvalidInvocation(EngineError):
    """The ``invocation`` of a registration is wrong, or the environment lacks what it names; only ever logged."""

    code = "invalid_invocation"


class RequestFailed(EngineError):
    """No response: connecting failed, time was up, the scheme is unknown.

    :param may_repeat: nothing was sent, so a configured retry does no harm.
    """

    code = "http_request_failed"

    def __init__(self, url: str, cause: str, *, may_repeat: bool = False) -> None:
        self.may_repeat = may_repeat
        super().__init__(f"error sending request for url ({url}): {cause}")


class ResponseFailed(EngineError):
    """The response began, and its body cannot be had: the connection broke, or there is too much of it."""

    code = "http_response_failed"


class InvalidResponse(EngineError):
    """The response's body is not JSON; the message is the parser's."""

    code = "invalid_response"
