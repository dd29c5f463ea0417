"""What the functions behind an engine's access rules take and give (spec core.md §10, sdk.md §2.7).

::

    @worker.function("access::authenticate")
    def authenticate(request: AuthInput) -> AuthResult:
        team = TEAMS.get(request.headers.get("authorization", ""))
        if team is None:
            raise iii_worker.Error("unknown token", code="unauthorized")
        return AuthResult(allowed_functions=team.functions, context={"team": team.name})

Results hold what was given to them and nothing else: an engine takes a member that is null for an order to clear it.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

__all__ = [
    "AuthInput",
    "AuthResult",
    "MiddlewareFunctionInput",
    "OnFunctionRegistrationInput",
    "OnFunctionRegistrationResult",
    "OnTriggerRegistrationInput",
    "OnTriggerRegistrationResult",
    "OnTriggerTypeRegistrationInput",
    "OnTriggerTypeRegistrationResult",
]


class _Input(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Result(BaseModel):
    @model_serializer(mode="wrap")
    def _only_what_was_given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialize(self).items() if name in self.model_fields_set}


class AuthInput(_Input):
    """Input of a listener's ``auth_function_id``: the upgrade request of a worker that wants to connect."""

    headers: dict[str, str] = {}
    """Names in lower case; of a repeated one the last."""
    query_params: dict[str, list[str]] = {}
    """Not percent-decoded."""
    ip_address: str = ""


class AuthResult(_Result):
    """What a worker may do; to refuse it, raise."""

    namespaces: dict[str, list[str]] = {}
    """By namespace the functions it may call there, ids or patterns with ``*``. If there are any, it may only be at
    home in one of them."""
    allowed_functions: list[str] = []
    """Ids in namespace ``default`` it may call."""
    forbidden_functions: list[str] = []
    """Ids it may not call, in no namespace, whatever else allows it."""
    allowed_trigger_types: list[str] | None = None
    """Types it may bind; None: all."""
    allow_trigger_type_registration: bool = False
    allow_function_registration: bool = True
    function_registration_prefix: str | None = None
    """``<prefix>::`` is put before the id of every function it registers."""
    context: Any = None
    """Passed to hooks and to middleware, as it is."""


class OnFunctionRegistrationInput(_Input):
    """Input of ``on_function_registration_function_id``."""

    function_id: str
    description: str | None = None
    metadata: Any = None
    namespace: str | None = None
    context: Any = None


class OnFunctionRegistrationResult(_Result):
    """Allows a registration, with what is given here in place of what was asked for; to refuse it, raise."""

    function_id: str | None = None
    description: str | None = None
    metadata: Any = None


class OnTriggerTypeRegistrationInput(_Input):
    """Input of ``on_trigger_type_registration_function_id``."""

    trigger_type_id: str
    description: str | None = None
    context: Any = None


class OnTriggerTypeRegistrationResult(_Result):
    """Allows a registration, with what is given here in place of what was asked for; to refuse it, raise."""

    trigger_type_id: str | None = None
    description: str | None = None


class OnTriggerRegistrationInput(_Input):
    """Input of ``on_trigger_registration_function_id``."""

    trigger_id: str
    trigger_type: str
    function_id: str
    config: Any = None
    metadata: Any = None
    namespace: str | None = None
    context: Any = None


class OnTriggerRegistrationResult(_Result):
    """Allows a registration, with what is given here in place of what was asked for; to refuse it, raise."""

    trigger_id: str | None = None
    trigger_type: str | None = None
    function_id: str | None = None
    config: Any = None


class MiddlewareFunctionInput(_Input):
    """Input of a listener's ``middleware_function_id``, which makes the real call itself and returns its result."""

    function_id: str
    payload: Any = None
    action: dict[str, Any] | None = None
    context: Any = None
    namespace: str | None = None
