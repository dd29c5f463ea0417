"""The client and what its registrations return, where the official SDK has them: ``iii_worker.runtime``."""

from __future__ import annotations

from iii_worker.client import IIIClient
from iii_worker.entry import register_worker
from iii_worker.functions import FunctionRef
from iii_worker.states import ConnectionStateCallback, IIIConnectionState
from iii_worker.trigger_types import TriggerTypeRef
from iii_worker.triggers import Trigger

__all__ = [
    "ConnectionStateCallback",
    "FunctionRef",
    "IIIClient",
    "IIIConnectionState",
    "Trigger",
    "TriggerTypeRef",
    "register_worker",
]
