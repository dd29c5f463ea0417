"""A client as the SDK's helpers see one, over a hand-written worker; and another worker that keeps values."""

from __future__ import annotations

import json
from typing import Any

from iii_worker.values import to_json
from tests.support.peer import Peer


class PeerCaller:
    """Calls through the engine; what was asked is kept in :attr:`calls`."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.calls: list[tuple[str, Any, float | None, str | None]] = []

    def call(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Any:
        data = json.loads(to_json(payload))
        self.calls.append((function_id, data, timeout, namespace))
        return self.peer.call(function_id, data, namespace=namespace)

    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None:
        data = json.loads(to_json(payload))
        self.calls.append((function_id, data, None, namespace))
        self.peer.send(
            type="invokefunction", function_id=function_id, data=data, action={"type": "void"}, namespace=namespace
        )


class Recorder:
    """A client that answers what it is told to, without an engine."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, Any, float | None, str | None]] = []

    def call(
        self,
        function_id: str,
        payload: object = None,
        *,
        timeout: float | None = None,
        namespace: str | None = None,
        metadata: object = None,
    ) -> Any:
        self.calls.append((function_id, json.loads(to_json(payload)), timeout, namespace))
        return self.answer

    def send(
        self, function_id: str, payload: object = None, *, namespace: str | None = None, metadata: object = None
    ) -> None:
        self.calls.append((function_id, json.loads(to_json(payload)), None, namespace))


class Store:
    """Values by address, with the functions of ``iii-state`` and ``iii-stream`` (spec state.md §2, stream.md §2).

    Of the update operations those on first-level keys and on the root's increment; enough for whoever calls them.
    """

    def __init__(self, peer: Peer) -> None:
        self.values: dict[tuple[str, ...], Any] = {}
        self.sent: list[Any] = []
        for prefix, names, value in (
            ("state", ("scope", "key"), "value"),
            ("stream", ("stream_name", "group_id", "item_id"), "data"),
        ):
            self._serve(peer, prefix, names, value)
        peer.register("stream::send", self.sent.append)
        peer.register("stream::list_all", lambda _: {"stream": [{"id": "chat", "groups": ["a", "b"]}], "count": 1})

    def _serve(self, peer: Peer, prefix: str, names: tuple[str, ...], value: str) -> None:
        def address(data: Any) -> tuple[str, ...]:
            return (prefix, *(data[name] for name in names))

        def put(data: Any) -> Any:
            old = self.values.get(address(data))
            self.values[address(data)] = data[value]
            return {"old_value": old, "new_value": data[value]}

        def delete(data: Any) -> Any:
            old = self.values.pop(address(data), None)
            return old if prefix == "state" else {"old_value": old}

        def update(data: Any) -> Any:
            old = self.values.get(address(data))
            new, errors = apply(old, data["ops"])
            self.values[address(data)] = new
            return {"old_value": old, "new_value": new} | ({"errors": errors} if errors else {})

        def group(data: Any) -> tuple[str, ...]:
            return (prefix, *(data[name] for name in names[:-1] if name in data))

        def listed(data: Any) -> Any:
            return [item for key, item in self.values.items() if key[:-1] == group(data)]

        def groups(data: Any) -> Any:
            found = sorted(
                {key[-2] for key in self.values if key[0] == prefix and key[:-2] == group(data)[: len(key) - 2]}
            )
            return {"groups": found} if prefix == "state" else found

        peer.register(f"{prefix}::set", put)
        peer.register(f"{prefix}::get", lambda data: self.values.get(address(data)))
        peer.register(f"{prefix}::delete", delete)
        peer.register(f"{prefix}::update", update)
        peer.register(f"{prefix}::list", listed)
        peer.register(f"{prefix}::list_groups", groups)


def apply(old: Any, ops: list[Any]) -> tuple[Any, list[Any]]:
    """Apply update operations to a copy; returns the new value and the errors."""
    document = json.loads(json.dumps({} if old is None else old))
    errors = []
    for index, op in enumerate(ops):
        path, value = op.get("path"), op.get("value")
        steps = [path] if isinstance(path, str) and path else path or []
        target = document
        for step in steps[:-1]:
            target = target.setdefault(step, {})
        key = steps[-1] if steps else None
        match op["type"]:
            case "set" if key is None:
                document = value
            case "set":
                target[key] = value
            case "merge":
                (target.setdefault(key, {}) if key else document).update(value)
            case "append":
                target[key] = (
                    [*target.get(key, []), value] if not isinstance(value, str) else target.get(key, "") + value
                )
            case "remove":
                target.pop(key, None)
            case "increment" | "decrement" as kind:
                if not isinstance(target.get(key, 0), int):
                    errors.append(
                        {"op_index": index, "code": f"{kind}.not_number", "message": f"not {key}", "doc_url": "d"}
                    )
                else:
                    target[key] = target.get(key, 0) + (op["by"] if kind == "increment" else -op["by"])
    return document, errors
