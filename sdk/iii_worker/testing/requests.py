"""HTTP requests for a fake worker: which route fits, and what the handler gets (spec http.md §3, §4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["http_payload", "route_for"]

_DEFAULT_METHOD = "GET"


def route_for(
    method: str, path: str, triggers: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], dict[str, str]]:
    """Return the ``http`` trigger that serves a request, and its path parameters.

    A static segment beats a parameter, from left to right. Raises ``LookupError``, naming the routes there are.
    """
    wanted = _segments(urlsplit(path).path)
    found: list[tuple[tuple[bool, ...], Mapping[str, Any], dict[str, str]]] = []
    for trigger in triggers:
        pattern = _segments(trigger["config"]["api_path"])
        if _method(trigger) != method.upper() or len(pattern) != len(wanted):
            continue
        pairs = list(zip(pattern, wanted, strict=True))
        if all((given and one.startswith(":")) or one == given for one, given in pairs):
            params = {one[1:]: given for one, given in pairs if one.startswith(":")}
            found.append((tuple(one.startswith(":") for one in pattern), trigger, params))
    if not found:
        routes = ", ".join(f"{_method(one)} {one['config']['api_path']}" for one in triggers) or "none"
        raise LookupError(f"no route serves {method.upper()} {path}; there are: {routes}")
    _, trigger, params = min(found, key=lambda route: route[0])
    return trigger, params


def http_payload(
    config: Mapping[str, Any],
    method: str,
    path: str,
    path_params: Mapping[str, str],
    body: Any,
    headers: Mapping[str, str],
    query_params: Mapping[str, str],
) -> dict[str, Any]:
    """Return what an engine gives a handler, without the two channels."""
    return {
        "path_params": dict(path_params),
        "query_params": {**dict(parse_qsl(urlsplit(path).query, keep_blank_values=True)), **query_params},
        "headers": {name.lower(): value for name, value in headers.items()},
        "path": config["api_path"],
        "method": method.upper(),
        "body": body,
        "trigger": {"type": "http", "path": config["api_path"], "method": method.upper()},
    }


def _method(trigger: Mapping[str, Any]) -> str:
    given = trigger["config"].get("http_method")
    return given.upper() if isinstance(given, str) else _DEFAULT_METHOD


def _segments(path: str) -> list[str]:
    return path.lstrip("/").split("/")
