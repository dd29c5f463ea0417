"""Short ways to ask ``engine::*`` and to register what is asked about."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.peer import CallFailed, Frame, Peer


def refusal(peer: Peer, function_id: str, data: Any) -> Frame:
    """Call, and return the error that comes back."""
    with pytest.raises(CallFailed) as failed:
        peer.call(function_id, data)
    return failed.value.error


def rows(peer: Peer, what: str, **query: Any) -> list[Frame]:
    """Rows of ``engine::<what>::list``."""
    (found,) = peer.call(f"engine::{what}::list", query).values()
    return found


def ids(peer: Peer, what: str = "functions", **query: Any) -> list[str]:
    """Their ids."""
    return [row["function_id" if what == "functions" else "id"] for row in rows(peer, what, **query)]


def bind(peer: Peer, trigger_id: str, trigger_type: str, function_id: str, **members: Any) -> None:
    """Register a trigger; it is in effect on return."""
    peer.send(type="registertrigger", id=trigger_id, trigger_type=trigger_type, function_id=function_id, **members)
    peer.barrier()


def unbind(peer: Peer, trigger_id: str) -> None:
    peer.send(type="unregistertrigger", id=trigger_id)
    peer.barrier()


def provide(peer: Peer, type_id: str, description: str = "d", **members: Any) -> None:
    """Register a trigger type; it is in effect on return."""
    peer.send(type="registertriggertype", id=type_id, description=description, **members)
    peer.barrier()
