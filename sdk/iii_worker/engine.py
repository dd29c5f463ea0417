"""The engine's own functions and trigger types, by name (spec engine-functions.md)."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["EngineFunctions", "EngineTriggers"]


class EngineFunctions(StrEnum):
    """Functions of every engine: ``worker.call(EngineFunctions.LIST_WORKERS, {})``. All are in namespace
    ``default``.
    """

    LIST_FUNCTIONS = "engine::functions::list"
    """``{search?, prefix?, worker?, workers?, include_internal?}`` -> ``{functions: [...]}``"""
    INFO_FUNCTIONS = "engine::functions::info"
    """``{function_id | function_ids, namespace?}``"""
    LIST_WORKERS = "engine::workers::list"
    """``{search?, runtime?, status?}`` -> ``{workers: [...]}``"""
    INFO_WORKERS = "engine::workers::info"
    """``{name, namespace?}`` -> ``{worker, functions, trigger_types, registered_triggers}``"""
    REGISTER_WORKER = "engine::workers::register"
    """The announcement; the SDK makes it on every connection."""
    LIST_TRIGGERS = "engine::triggers::list"
    """Trigger types: ``{search?, prefix?, worker?, include_internal?}`` -> ``{triggers: [...]}``"""
    INFO_TRIGGERS = "engine::triggers::info"
    """Of a trigger type: ``{id, namespace?}``"""
    LIST_REGISTERED_TRIGGERS = "engine::registered-triggers::list"
    """Triggers that are live: ``{search?, trigger_type?, function_id?, worker?, include_internal?}``"""
    INFO_REGISTERED_TRIGGERS = "engine::registered-triggers::info"
    """Of a trigger that is live: ``{id}``"""
    REGISTER_TRIGGER = "engine::register_trigger"
    """A trigger that outlives its worker: ``{trigger_type, function_id, config?, metadata?}`` -> ``{id}``"""
    UNREGISTER_TRIGGER = "engine::unregister_trigger"
    """``{id}`` -> ``{removed}``"""
    CREATE_CHANNEL = "engine::channels::create"
    """``{buffer_size?}`` -> ``{writer, reader}``; see ``worker.create_channel()``"""


class EngineTriggers(StrEnum):
    """Trigger types of every engine."""

    FUNCTIONS_AVAILABLE = "engine::functions-available"
    """The set of functions has changed: ``{event, functions}``. ``worker.functions`` is kept by it."""
    WORKERS_AVAILABLE = "engine::workers-available"
    """A worker has come, announced itself or left: ``{event, worker_id}``. ``worker.workers`` is kept by it."""
    LOG = "log"
    """A log record was stored; with an engine that stores them."""
