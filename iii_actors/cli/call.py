"""``iii-actors call FUNCTION [key=value ...]`` (also ``trigger``, ``t``): invoke a function and print its result."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from iii_actors.cli.arguments import Parser, add_engine_options
from iii_actors.cli.client import Client, RemoteError, dialled
from iii_actors.cli.output import plain, pretty, table

__all__ = ["payload", "run"]

_DESCRIPTION = """\
Invoke a function of a running engine and print its result as JSON.

Values that are JSON are sent as such (n=7, ok=true, tags='["a"]'), all others as text. With --json, key=value pairs
override members of that object. FUNCTION -h shows what a function expects."""


class _UsageError(Exception):
    """The arguments do not make a call; the message is what to print."""


def run(command: str, arguments: list[str]) -> int:
    """Call the function, or describe it if ``-h`` stands beside it; return the exit code."""
    parser = _parser(command)
    options = parser.parse_intermixed_args(arguments)
    if options.function_id is None:
        function_id, pairs = options.function, options.pairs
    else:  # the older spelling: then whatever stands alone is a key=value pair
        function_id, pairs = options.function_id, [pair for pair in (options.function, *options.pairs) if pair]
    if not function_id:
        if options.help:
            parser.print_help()
            return 0
        example = f"iii-actors {command} orders::create id=7"
        print(f"iii-actors {command}: missing FUNCTION_PATH. Name one, for example: {example}", file=sys.stderr)
        return 1
    try:
        data = None if options.help else payload(options.json, pairs)
    except _UsageError as error:
        print(error, file=sys.stderr)
        return 1
    try:
        with dialled(options) as client:
            if options.help:
                print(_described(client, function_id, options.namespace))
                return 0
            result = client.call(function_id, data, options.namespace)
    except RemoteError as error:
        print(f"Error: {pretty(error.details)}", file=sys.stderr)
        return 1
    if result is not None:
        print(pretty(result))
    return 0


def payload(text: str | None, pairs: Sequence[str]) -> Any:
    """Return the call's data: the JSON of ``--json``, the ``key=value`` pairs, or both merged; ``{}`` if neither."""
    data: Any = {}
    if text is not None:
        try:
            data = _json(text)
        except ValueError:
            raise _UsageError(f"--json: invalid JSON `{text}`") from None
    if pairs and not isinstance(data, dict):
        raise _UsageError(f"--json: expected an object to add `{pairs[0]}` to, got `{text}`")
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise _UsageError(f"expected key=value, got `{pair}`")
        data[key] = _value(value)
    return data


def _value(text: str) -> Any:
    try:
        return _json(text)
    except ValueError:
        return text


def _json(text: str) -> Any:
    """Read strict JSON: what the engine would drop is not JSON here either.

    :raises ValueError: it is not.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _described(client: Client, function_id: str, namespace: str | None) -> str:
    """Return what ``engine::functions::info`` knows of the function, for people."""
    wanted = {"function_id": function_id} | ({} if namespace is None else {"namespace": namespace})
    info = client.call("engine::functions::info", wanted)
    home = f"namespace {plain(info.get('namespace'))}, worker {plain(info.get('worker_name'))}"
    lines = [f"{plain(info.get('function_id'))}  ({home})"]
    if info.get("description"):
        lines += ["", plain(info["description"])]
    return "\n".join([*lines, "", "Parameters", *_parameters(info.get("request_schema"))])


def _parameters(schema: Any) -> list[str]:
    """Return one line per property of a JSON Schema; the schema itself if it has none."""
    if schema is None:
        return ["  not described"]
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return [f"  {line}" for line in pretty(schema).splitlines()]
    required = schema.get("required") or []
    rows = []
    for name, about in properties.items():
        known = about if isinstance(about, dict) else {}
        rows.append((name, _type(known), "required" if name in required else "optional", known.get("description")))
    return [f"  {line}" for line in table(("NAME", "TYPE", "", "DESCRIPTION"), rows).splitlines()]


def _type(schema: dict[str, Any]) -> str:
    """Return a property's type, in a word or two."""
    if isinstance(alternatives := schema.get("anyOf") or schema.get("oneOf"), list):
        return " or ".join(_type(one) for one in alternatives if isinstance(one, dict))
    if isinstance(values := schema.get("enum"), list):
        return " or ".join(json.dumps(value) for value in values)
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    return str(kind or str(schema.get("$ref", "any")).rpartition("/")[2])


def _parser(command: str) -> argparse.ArgumentParser:
    parser = Parser(prog=f"iii-actors {command}", description=_DESCRIPTION, add_help=False)
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help="the function's id, for example orders::create")
    parser.add_argument("pairs", nargs="*", metavar="key=value", help="members of the payload")
    parser.add_argument("--json", "--payload", metavar="TEXT", help="the payload, or an object to start from")
    parser.add_argument("-n", "--namespace", metavar="NS", help="the function's namespace (default)")
    add_engine_options(parser)
    parser.add_argument("--function-id", metavar="ID", help=argparse.SUPPRESS)  # the older spelling of FUNCTION
    parser.add_argument("-h", "--help", action="store_true", help="this text; after FUNCTION, what it expects")
    return parser
