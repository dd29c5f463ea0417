"""The service registry: names under which functions are grouped; no effect on routing (core.md §11)."""

from __future__ import annotations

import logging

from iii_actors.actor import LightActor, handles
from iii_actors.core.messages import ListServices, Members, RegisterService, RemoveServicesOf
from iii_actors.limits import MAX_FUNCTIONS_PER_WORKER

__all__ = ["Services"]

logger = logging.getLogger(__name__)

_SEPARATOR = "::"


class Services(LightActor):
    """Owns the declared services and the ones that function ids imply (``users::create`` makes ``users``)."""

    def __init__(self) -> None:
        super().__init__()
        self._declared: dict[tuple[str, str], RegisterService] = {}
        self._declared_by: dict[str, set[tuple[str, str]]] = {}
        self._implied: dict[tuple[str, str], set[str]] = {}

    @handles(RegisterService)
    def register(self, request: RegisterService) -> None:
        definition = request.definition
        key = (request.namespace, definition.name or definition.id)
        declared = self._declared_by.setdefault(request.worker_id, set())
        if len(declared) >= MAX_FUNCTIONS_PER_WORKER and key not in declared:
            logger.warning("Worker %s has declared %d services; %s is left out", request.worker_id, len(declared), key)
            return
        declared.add(key)
        self._declared[key] = request

    @handles(RemoveServicesOf)
    def remove_all(self, request: RemoveServicesOf) -> None:
        for key in self._declared_by.pop(request.worker_id, ()):
            if key in self._declared and self._declared[key].worker_id == request.worker_id:
                del self._declared[key]

    @handles(Members)
    def members(self, change: Members) -> None:
        for function_id in change.function_ids:
            service, separator, member = function_id.partition(_SEPARATOR)
            if not separator:
                continue
            key = (change.namespace, service)
            if change.present:
                self._implied.setdefault(key, set()).add(member)
            elif key in self._implied:
                self._implied[key].discard(member)
                if not self._implied[key]:
                    del self._implied[key]
                    self._declared.pop(key, None)

    @handles(ListServices)
    def list_all(self, _: ListServices) -> dict[tuple[str, str], list[str]]:
        """Answer ``{(namespace, service): [members]}``, declared ones without functions too."""
        listed: dict[tuple[str, str], list[str]] = {key: [] for key in self._declared}
        listed.update({key: sorted(members) for key, members in self._implied.items()})
        return listed
