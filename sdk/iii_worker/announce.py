"""What a worker says of itself on every connection: the data of ``engine::workers::register`` (spec sdk.md §5.5)."""

from __future__ import annotations

import os
import platform
import tomllib
from pathlib import Path
from typing import Any, Final

from iii_worker.options import InitOptions, TelemetryOptions
from iii_worker.version import __version__

__all__ = ["REGISTER_WORKER", "announcement"]

REGISTER_WORKER: Final = "engine::workers::register"
_FRAMEWORK: Final = "iii-py"


def announcement(options: InitOptions) -> dict[str, Any]:
    """Return the ``invokefunction`` frame that announces this worker; ``options`` are resolved."""
    data: dict[str, Any] = {
        "runtime": "python",
        "version": __version__,
        "name": options.worker_name,
        "os": f"{platform.system()} {platform.release()} ({platform.machine()})",
        "pid": os.getpid(),
        "isolation": os.environ.get("III_ISOLATION") or None,
        "telemetry": _telemetry(options),
    }
    if options.namespace is not None:
        data["namespace"] = options.namespace
    if options.worker_description is not None:
        data["description"] = options.worker_description
    return {"type": "invokefunction", "function_id": REGISTER_WORKER, "data": data, "action": {"type": "void"}}


def _telemetry(options: InitOptions) -> dict[str, str | None]:
    given = options.telemetry or TelemetryOptions()
    return {
        "language": given.language or os.environ.get("LANG", "").split(".")[0] or None,
        "project_name": given.project_name or _project_name(),
        "framework": given.framework or _FRAMEWORK,
        "amplitude_api_key": given.amplitude_api_key,
    }


def _project_name() -> str | None:
    """Return ``[project].name`` of pyproject.toml in the working directory, else the directory's own name."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return None
    try:
        project = tomllib.loads((here / "pyproject.toml").read_text(encoding="utf-8"))
        name = project["project"]["name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    return name if isinstance(name, str) and name else here.name or None
