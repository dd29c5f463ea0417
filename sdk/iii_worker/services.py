"""Services: names that group functions (spec core.md §11). They have no effect on calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iii_worker._types import Replay
from iii_worker.trigger_inputs import RegisterServiceInput, checked_id, input_from

__all__ = ["RegisterServiceInput", "register_service"]


def register_service(replay: Replay, given: RegisterServiceInput | Mapping[str, Any]) -> None:
    """Register a service, now and on every later connection; the same id again replaces it.

    Raises ``TypeError`` and ``ValueError`` for an input that is none. The protocol has no way to take one back.
    """
    wanted = input_from(RegisterServiceInput, given, "register_service()")
    service_id = checked_id(wanted.id, "a service's id")
    optional = {
        "name": service_id if wanted.name is None else checked_id(wanted.name, "a service's name"),
        "description": wanted.description,
        "parent_service_id": wanted.parent_service_id,
    }
    for key, value in optional.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"a service's {key} is {value!r:.80}: it must be a text")
    present = {key: value for key, value in optional.items() if value is not None}
    replay.add_service({"type": "registerservice", "id": service_id, **present})
