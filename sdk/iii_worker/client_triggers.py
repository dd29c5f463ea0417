"""Triggers, trigger types and services: what users see of them on the client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iii_worker.client_functions import FunctionMethods
from iii_worker.options import InitOptions
from iii_worker.services import register_service
from iii_worker.trigger_config import TriggerHandler
from iii_worker.trigger_inputs import (
    RegisterServiceInput,
    RegisterTriggerInput,
    RegisterTriggerTypeInput,
    UnregisterTriggerTypeInput,
)
from iii_worker.trigger_types import TriggerTypeRef, TriggerTypeTable
from iii_worker.triggers import Trigger, TriggerTable

__all__ = ["TriggerMethods"]


class TriggerMethods(FunctionMethods):
    """Binding functions to what happens, and saying what may happen; all is registered again on every new
    connection.
    """

    def __init__(self, address: str | None = None, options: InitOptions | None = None) -> None:
        super().__init__(address, options)
        self.trigger_table = TriggerTable(self)
        self.trigger_types = TriggerTypeTable(self, self.pool, self.trigger_table, self.function_table)
        self._router.notices = self.trigger_types

    @property
    def triggers(self) -> list[Trigger]:
        """The triggers this worker has registered, those of decorators too; ``[one for one in ... if one.error]``."""
        return self.trigger_table.all()

    def register_trigger(self, trigger: RegisterTriggerInput | Mapping[str, Any]) -> Trigger:
        """Have a function called when something happens: ``register_trigger({"type", "function_id", "config", ...})``.

        The keys are those of :class:`RegisterTriggerInput`. ``config`` may be a model or a dataclass. Does not wait: if
        the engine or the type's provider refuses the trigger, that is logged with their reason and stands in
        :attr:`Trigger.error`; :meth:`Trigger.wait` waits until it is live.

        Raises ``TypeError`` and ``ValueError`` for an input that is none, :class:`iii_worker.values.NotJsonError` for a
        config that has no JSON form.
        """
        self.check_open()
        return self.trigger_table.register(trigger)

    def register_trigger_type(
        self,
        trigger_type: RegisterTriggerTypeInput | Mapping[str, Any],
        handler: TriggerHandler[Any] | Any | None = None,
    ) -> TriggerTypeRef[Any]:
        """Provide a kind of trigger: ``register_trigger_type({"id": "orders::placed", "description": "..."},
        handler)``.

        Others bind functions to it, ``TriggerTypeRef.fire(payload)`` calls them all, ``TriggerConfig.fire(payload)``
        one.

        :param trigger_type: the keys are those of :class:`RegisterTriggerTypeInput`. If ``trigger_request_format`` is a
            type (a pydantic model, a dataclass), the configs of bindings are validated into it, and one that does not
            fit is refused, with the reason.
        :param handler: is asked and told about bindings, see :class:`TriggerHandler`; None: all are accepted.

        Every binding is answered: a handler that raises refuses it (``trigger_registration_failed``).

        Raises ``ValueError`` for an id that is blank or registered by this client already, ``TypeError`` for an input
        that is none or a handler without the two methods.
        """
        self.check_open()
        return self.trigger_types.register(trigger_type, handler)

    def unregister_trigger_type(
        self, trigger_type: UnregisterTriggerTypeInput | TriggerTypeRef[Any] | Mapping[str, Any] | str
    ) -> None:
        """Take a trigger type back, by its reference, its id or ``{"id": ...}``; see
        :meth:`TriggerTypeRef.unregister`.
        """
        self.check_process()
        self.trigger_types.unregister(trigger_type)

    def register_service(self, service: RegisterServiceInput | Mapping[str, Any]) -> None:
        """Name a group of functions: ``register_service({"id": "users", "name": "Users"})``. No effect on calls."""
        self.check_open()
        register_service(self.replay, service)
