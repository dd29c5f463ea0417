"""The routes as an OpenAPI 3.1 document: what is registered, and nothing else. Pure.

A function's formats describe its input and output. Where a format is of the shape of an HTTP handler's payload
(``path_params``, ``query_params``, ``headers``, ``body``) or of its answer (``status_code``, ``headers``, ``body``),
its parts go where OpenAPI has them; any other format is taken for the body's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from iii_actors import __version__
from iii_actors.builtin.engine_functions.functions import is_internal
from iii_actors.builtin.engine_functions.owners import Records, first_segment, function_owner
from iii_actors.builtin.http.openapi_paths import Template, own_names, templates
from iii_actors.builtin.http.openapi_schemas import Components, Schema
from iii_actors.builtin.http.table import Route
from iii_actors.core.functions import Function
from iii_actors.core.messages import DEFAULT_NAMESPACE

__all__ = ["Functions", "document", "function_key"]

Functions = Mapping[tuple[str, str], Function]
"""The registered ones, by namespace and id."""

_REQUEST_PARTS: Final = frozenset(
    {"path_params", "query_params", "headers", "body", "method", "path", "trigger", "request_body", "response"}
)
_RESPONSE_PARTS: Final = frozenset({"status_code", "statusCode", "headers", "body"})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_NEVER_RUN: Final = "OPTIONS"
"""Every such request is answered as a preflight (http.md §9)."""
_OWN_HEADERS: Final = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI describes them elsewhere and ignores parameters of these names."""
_STATUSES: Final = range(200, 600)
_JSON: Final = "application/json"
_unfit: Final = re.compile(r"[^A-Za-z0-9]+")

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "error_id": {"type": "string", "description": "Stands in the engine's log, too."},
            },
        }
    },
}
_RESPONSES: Final = {
    "ConditionNotMet": "The route's condition refuses the request; the function was not called.",
    "Failed": "The function, or one that is asked before it, has failed, is not there, or its worker has gone.",
}


class _Config(msgspec.Struct):
    description: Any = None


class _Request(NamedTuple):
    """What a function's request format says, part by part."""

    body: Schema | None = None
    body_required: bool = False
    path: Mapping[str, Any] = {}
    query: Mapping[str, Any] = {}
    required_query: frozenset[str] = frozenset()
    headers: Mapping[str, Any] = {}
    required_headers: frozenset[str] = frozenset()


_config: Final = msgspec.json.Decoder(_Config)


def function_key(route: Route) -> tuple[str, str]:
    """Return namespace and id of the function behind a route."""
    return route.trigger.namespace, route.trigger.function_id


def document(routes: Iterable[Route], functions: Functions, records: Records) -> dict[str, Any]:
    """Return the document.

    Routes of functions that are marked ``metadata.internal`` are left out, as from other listings, and OPTIONS routes,
    which are never run.

    :param routes: in the order in which they are to stand.
    :param functions: those of the routes, as far as they are registered.
    :param records: the workers that hold them, for the tags.
    """
    shown = [route for route in routes if route.method != _NEVER_RUN and not _is_hidden(route, functions)]
    maker = _Maker(functions, records)
    paths: dict[str, dict[str, Any]] = {}
    by_shape = templates(shown)
    for route in shown:
        template = by_shape.get(route.parsed.shape)
        if template is not None:
            paths.setdefault(template.path, {})[route.method.lower()] = maker.operation(route, template)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HTTP API",
            "version": __version__,
            "description": "The routes that workers have registered, as of now.",
        },
        "tags": [{"name": name} for name in sorted(maker.tags)],
        "paths": paths,
        "components": {
            "schemas": {**maker.components.schemas, "Error": _ERROR},
            "responses": {
                name: {"description": text, "content": {_JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}}
                for name, text in _RESPONSES.items()
            }
            | {"TimedOut": {"description": "There was no answer in time; the function may still be at work."}},
        },
    }


def _is_hidden(route: Route, functions: Functions) -> bool:
    function = functions.get(function_key(route))
    return function is not None and is_internal(function)


class _Maker:
    """Makes the operations of one document; a function that stands behind several routes is described once."""

    def __init__(self, functions: Functions, records: Records) -> None:
        self.components = Components()
        self.components.schemas["Error"] = {}  # the name is ours
        self.tags: set[str] = set()
        self._functions = functions
        self._records = records
        self._formats: dict[tuple[str, str], tuple[Schema | None, Schema | None]] = {}
        self._ids: Counter[str] = Counter()

    def operation(self, route: Route, template: Template) -> dict[str, Any]:
        """Return one route's operation object."""
        namespace, function_id = key = function_key(route)
        function = self._functions.get(key)
        tag = first_segment(function_id) if function is None else function_owner(function, self._records)
        self.tags.add(tag)
        request_format, response_format = self._formats_of(key, function)
        request = self._request(request_format)
        made: dict[str, Any] = {
            "operationId": self._operation_id(route),
            "tags": [tag],
            "summary": function_id,
            "description": _description(route, function),
            "parameters": [*_in_path(route, template, request), *_beside_path(request)],
            "requestBody": _body(route, request),
            "responses": self._responses(route, response_format),
            "x-iii-function": function_id,
            "x-iii-namespace": namespace,
        }
        return {name: value for name, value in made.items() if value not in (None, "", [])}

    def _operation_id(self, route: Route) -> str:
        """Return a name that client generators can use, one per operation."""
        words = _unfit.sub("_", f"{route.method.lower()}_{route.trigger.function_id}").strip("_")
        while True:
            self._ids[words] += 1
            if self._ids[words] == 1:
                return words
            words = f"{words}_{self._ids[words]}"

    def _formats_of(self, key: tuple[str, str], function: Function | None) -> tuple[Schema | None, Schema | None]:
        if function is None:
            return None, None
        if key not in self._formats:
            namespace, function_id = key
            name = function_id if namespace == DEFAULT_NAMESPACE else f"{namespace}.{function_id}"
            definition = function.definition
            self._formats[key] = (
                self.components.add(f"{name}.request", definition.request_format),
                self.components.add(f"{name}.response", definition.response_format),
            )
        return self._formats[key]

    def _request(self, schema: Schema | None) -> _Request:
        if schema is None:
            return _Request()
        properties = _properties(self.components.resolved(schema))
        if not (
            properties and (_REQUEST_PARTS.issuperset(properties) or {"path_params", "query_params"} & {*properties})
        ):
            return _Request(body=schema, body_required=True)
        whole = self.components.resolved(schema)
        parts = {
            name: self.components.resolved(properties.get(name)) for name in ("path_params", "query_params", "headers")
        }
        body = properties.get("body")
        return _Request(
            body if isinstance(body, dict) and self.components.resolved(body).get("type") != "null" else None,
            "body" in whole.get("required", ()),
            _properties(parts["path_params"]),
            _properties(parts["query_params"]),
            frozenset(parts["query_params"].get("required", ())),
            _properties(parts["headers"]),
            frozenset(parts["headers"].get("required", ())),
        )

    def _responses(self, route: Route, schema: Schema | None) -> dict[str, Any]:
        status, body = HTTPStatus.OK.value, schema
        properties = _properties(self.components.resolved(schema)) if schema is not None else {}
        if properties and _RESPONSE_PARTS.issuperset(properties):
            body = properties["body"] if isinstance(properties.get("body"), dict) else None
            status = _status(self.components.resolved(properties.get("status_code")))
        success: dict[str, Any] = {"description": "What the function answers."}
        if body is not None:
            success["content"] = {_JSON: {"schema": body}}
        responses = {str(status): success}
        if route.condition is not None:
            responses.setdefault("422", {"$ref": "#/components/responses/ConditionNotMet"})
        responses.setdefault("500", {"$ref": "#/components/responses/Failed"})
        responses.setdefault("504", {"$ref": "#/components/responses/TimedOut"})
        return responses


def _properties(schema: Schema) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _status(schema: Schema) -> int:
    """Return the status that a format promises; 200 if it does not name exactly one."""
    named = schema.get("enum", [])
    for value in (schema.get("const"), named[0] if len(named) == 1 else None, schema.get("default")):
        if isinstance(value, int) and not isinstance(value, bool) and value in _STATUSES:
            return value
    return HTTPStatus.OK.value


def _description(route: Route, function: Function | None) -> str:
    """Return the route's own description, else the function's."""
    try:
        own = _config.decode(route.trigger.config).description
    except (msgspec.MsgspecError, RecursionError):
        own = None
    if isinstance(own, str):
        return own
    return (function.definition.description or "") if function is not None else ""


def _in_path(route: Route, template: Template, request: _Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for parameter, own in zip(template.parameters, own_names(route.parsed), strict=True):
        schema = request.path.get(own)
        one: dict[str, Any] = {"name": parameter.name, "in": "path", "required": True, "schema": {"type": "string"}}
        notes = []
        if parameter.rest:
            notes.append("One or more segments, slashes included.")
            one["x-iii-rest"] = True
        if parameter.name != own:
            notes.append(f"The function gets it as `{own}`.")
        if isinstance(schema, dict):
            one["schema"] = schema
        if notes:
            one["description"] = " ".join(notes)
        found.append(one)
    return found


def _beside_path(request: _Request) -> list[dict[str, Any]]:
    query = [
        _parameter("query", name, schema, name in request.required_query) for name, schema in request.query.items()
    ]
    headers: dict[str, dict[str, Any]] = {}
    for name, schema in request.headers.items():
        if name.lower() not in _OWN_HEADERS:
            headers.setdefault(name.lower(), _parameter("header", name, schema, name in request.required_headers))
    return [*query, *headers.values()]


def _parameter(where: str, name: str, schema: Any, required: bool) -> dict[str, Any]:
    one: dict[str, Any] = {"name": name, "in": where, "schema": schema}
    if required:
        one["required"] = True
    if isinstance(schema, dict) and isinstance(schema.get("description"), str):
        one["description"] = schema["description"]
    return one


def _body(route: Route, request: _Request) -> dict[str, Any] | None:
    if request.body is not None and (route.method in _WITH_BODY or request.body_required):
        if route.method in {"GET", "HEAD"}:
            return None
        made: dict[str, Any] = {"content": {_JSON: {"schema": request.body}}}
        if request.body_required:
            made["required"] = True
        return made
    if route.method not in _WITH_BODY:
        return None
    return {
        "description": "JSON is parsed; everything else is streamed to the function.",
        "content": {_JSON: {"schema": {}}, "*/*": {"schema": {}}},
    }
