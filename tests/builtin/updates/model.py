"""The update language once more, in plain Python, read from the specification (state.md §4) and not from the engine.

Slow and simple: it copies the document before each operation and gives it back if the operation is rejected.
"""

from __future__ import annotations

import copy
from typing import Any

__all__ = ["MISSING", "run"]

MISSING: Any = object()
FORBIDDEN = ["__proto__", "constructor", "prototype"]


class Rejected(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.entry = {"code": code, "message": message}


def run(stored: Any, ops: list[dict[str, Any]]) -> tuple[Any, list[dict[str, Any]]]:
    """Return the document after all operations, and the error entries."""
    state = {"doc": {} if stored is MISSING else copy.deepcopy(stored), "fresh": stored is MISSING}
    errors = []
    for index, op in enumerate(ops):
        before = copy.deepcopy(state)
        try:
            check_path(op)
            if op["type"] == "merge":
                check_merge(op.get("value"))
            globals()[f"do_{op['type']}"](state, op)
            state["fresh"] = False
        except Rejected as rejected:
            state = before
            link = {"doc_url": "https://iii.dev/docs/workers/iii-state#error-codes"}
            errors.append({"op_index": index} | rejected.entry | link)
    return state["doc"], errors


def path_of(op: dict[str, Any]) -> list[str]:
    path = op.get("path")
    if isinstance(path, list):
        return path
    return [path] if path else []


def check_path(op: dict[str, Any]) -> None:
    prefix, path = f"{op['type']}.path.", path_of(op)
    if len(path) > 32:
        raise Rejected(prefix + "too_deep", f"Path depth {len(path)} exceeds maximum of 32")
    for one in path:
        octets = len(one.encode("utf-8"))
        if one == "":
            raise Rejected(prefix + "empty_segment", "Path contains an empty segment")
        if octets > 256:
            raise Rejected(prefix + "segment_too_long", f"Path segment of {octets} bytes exceeds maximum of 256")
        if one in FORBIDDEN:
            raise Rejected(prefix + "proto_polluted", f"Path segment '{one}' is not allowed (prototype pollution).")


def check_merge(value: Any) -> None:
    if not isinstance(value, dict):
        raise Rejected("merge.value.not_an_object", "Merge value must be a JSON object")
    if len(value) > 1024:
        text = f"Merge value has {len(value)} top-level keys, exceeds maximum of 1024"
        raise Rejected("merge.value.too_many_keys", text)
    for key in value:
        if key in FORBIDDEN:
            text = f'Merge value top-level key "{key}" is a prototype-pollution sink'
            raise Rejected("merge.value.proto_polluted", text)
    if depth(value) > 16:
        text = f"Merge value JSON nesting depth {depth(value)} exceeds maximum of 16"
        raise Rejected("merge.value.too_deep", text)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max([depth(one) for one in value.values()], default=0)
    if isinstance(value, list):
        return 1 + max([depth(one) for one in value], default=0)
    return 0


def name(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def must_be_object(doc: Any, op: str, shown: str) -> None:
    if type(doc) is not dict:
        text = f"Cannot {op} at path '{shown}': target is {name(doc)}, expected object."
        raise Rejected(f"{op}.target_not_object", text)


def do_set(state: Any, op: Any) -> None:
    path = path_of(op)
    value = copy.deepcopy(op.get("value"))
    if path == []:
        state["doc"] = value
    else:
        must_be_object(state["doc"], "set", path[0])
        state["doc"][path[0]] = value


def do_remove(state: Any, op: Any) -> None:
    path = path_of(op)
    if path == []:
        state["doc"] = None
    else:
        must_be_object(state["doc"], "remove", path[0])
        if path[0] in state["doc"]:
            del state["doc"][path[0]]


def do_merge(state: Any, op: Any) -> None:
    path, value = path_of(op), copy.deepcopy(op["value"])
    if path == []:
        if type(state["doc"]) is dict:
            state["doc"] = {**state["doc"], **value}
        return
    if type(state["doc"]) is not dict:
        state["doc"] = {}
    at = state["doc"]
    for one in path:
        if type(at.get(one)) is not dict:
            at[one] = {}
        at = at[one]
    for key in value:
        at[key] = value[key]


def add(state: Any, op: Any, by: int) -> None:
    kind, path = op["type"], path_of(op)

    def plus(number: Any, shown: str) -> Any:
        if name(number) == "number":
            total = number + by
            if isinstance(total, float) or -(2**63) <= total < 2**64:
                return total
        raise Rejected(f"{kind}.not_number", f"Expected number at path '{shown}', got {name(number)}.")

    if path == []:
        state["doc"] = by if state["fresh"] else plus(state["doc"], "root")
        return
    must_be_object(state["doc"], kind, path[0])
    if path[0] in state["doc"]:
        state["doc"][path[0]] = plus(state["doc"][path[0]], path[0])
    else:
        state["doc"][path[0]] = by


def do_increment(state: Any, op: Any) -> None:
    add(state, op, op["by"])


def do_decrement(state: Any, op: Any) -> None:
    add(state, op, -op["by"])


def initial(value: Any) -> Any:
    return value if isinstance(value, str) else [value]


def leaf(target: Any, value: Any, shown: str) -> Any:
    if isinstance(target, list):
        return [*target, value]
    if target is None:
        return initial(value)
    if isinstance(target, str):
        if isinstance(value, str):
            return target + value
        text = f"Expected string append value at path '{shown}', got {name(value)}."
        raise Rejected("append.type_mismatch", text)
    text = f"Cannot append at path '{shown}': target is {name(target)}, expected array, string, null, or missing field."
    raise Rejected("append.type_mismatch", text)


def do_append(state: Any, op: Any) -> None:
    path, value = path_of(op), copy.deepcopy(op.get("value"))
    if path == []:
        state["doc"] = leaf(None if state["fresh"] else state["doc"], value, "root")
        return
    must_be_object(state["doc"], "append", f"[{', '.join(path)}]")
    at = state["doc"]
    for one in path[:-1]:
        if type(at.get(one)) is not dict:
            at[one] = {}
        at = at[one]
    last = path[-1]
    if last in at:
        at[last] = leaf(at[last], value, last)
    else:
        at[last] = [value] if len(path) > 1 else initial(value)
