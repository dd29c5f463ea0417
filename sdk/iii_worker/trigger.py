"""Triggers, where the official SDK has them: ``from iii_worker.trigger import Trigger, TriggerConfig,
TriggerHandler``.
"""

from __future__ import annotations

from iii_worker.trigger_config import TriggerConfig, TriggerHandler
from iii_worker.trigger_types import TriggerTypeRef
from iii_worker.triggers import Trigger, TriggerRegistrationError

__all__ = ["Trigger", "TriggerConfig", "TriggerHandler", "TriggerRegistrationError", "TriggerTypeRef"]
