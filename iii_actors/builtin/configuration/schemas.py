"""JSON Schema, by the package ``jsonschema``; a schema that refers to another address is refused, never fetched."""

from __future__ import annotations

from typing import Any

from iii_actors.builtin.configuration.errors import SchemaInvalid
from iii_actors.limits import CONFIGURATION_PROBLEMS

__all__ = ["check_schema", "check_value"]


def check_schema(schema: Any) -> None:
    """Raise :class:`SchemaInvalid` if it is no JSON Schema."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - few engines have entries
    from jsonschema.validators import validator_for  # noqa: PLC0415

    if not isinstance(schema, dict | bool):
        raise SchemaInvalid(["a schema is an object, true or false"])
    try:
        if isinstance(schema, dict):
            validator_for(schema, default=Draft202012Validator).check_schema(schema)
    except SchemaError as error:
        raise SchemaInvalid([f"the schema itself: {error.message}"]) from None
    except RecursionError:
        raise SchemaInvalid(["the schema itself: nested too deeply"]) from None


def check_value(schema: Any, value: Any) -> None:
    """Raise :class:`SchemaInvalid` with what the schema has against a value."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - as above
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    problems: list[str] = []
    try:
        for error in validator.iter_errors(value):
            if len(problems) == CONFIGURATION_PROBLEMS:
                problems.append("and more")
                break
            at = error.json_path.removeprefix("$").removeprefix(".")
            problems.append(f"{at}: {error.message}" if at else error.message)
    except Unresolvable as error:
        problems = [f"the schema refers to {error.ref}, which is not fetched"]
    except RecursionError:
        problems = ["nested too deeply"]
    if problems:
        raise SchemaInvalid(problems)
