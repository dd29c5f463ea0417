"""What registrations and calls are made with, where the official SDK has it: ``iii_worker.protocol``."""

from __future__ import annotations

from iii_worker.actions import (
    EnqueueResult,
    TriggerAction,
    TriggerActionEnqueue,
    TriggerActionVoid,
    TriggerRequest,
)
from iii_worker.external import HttpAuthApiKey, HttpAuthBearer, HttpAuthHmac, HttpInvocationConfig
from iii_worker.rbac import (
    AuthInput,
    AuthResult,
    MiddlewareFunctionInput,
    OnFunctionRegistrationInput,
    OnFunctionRegistrationResult,
    OnTriggerRegistrationInput,
    OnTriggerRegistrationResult,
    OnTriggerTypeRegistrationInput,
    OnTriggerTypeRegistrationResult,
)
from iii_worker.registry_rows import FunctionInfo, WorkerInfo
from iii_worker.trigger_inputs import (
    RegisterServiceInput,
    RegisterTriggerInput,
    RegisterTriggerTypeInput,
    UnregisterTriggerTypeInput,
)

__all__ = [
    "AuthInput",
    "AuthResult",
    "EnqueueResult",
    "FunctionInfo",
    "HttpAuthApiKey",
    "HttpAuthBearer",
    "HttpAuthHmac",
    "HttpInvocationConfig",
    "MiddlewareFunctionInput",
    "OnFunctionRegistrationInput",
    "OnFunctionRegistrationResult",
    "OnTriggerRegistrationInput",
    "OnTriggerRegistrationResult",
    "OnTriggerTypeRegistrationInput",
    "OnTriggerTypeRegistrationResult",
    "RegisterServiceInput",
    "RegisterTriggerInput",
    "RegisterTriggerTypeInput",
    "TriggerAction",
    "TriggerActionEnqueue",
    "TriggerActionVoid",
    "TriggerRequest",
    "UnregisterTriggerTypeInput",
    "WorkerInfo",
]
