"""THE table of defaults and limits: every number the engine starts from, with its unit and the reason for it.

One file per area; other modules import the constants from here, and nothing else in the package spells such a number.
``python -m iii_actors.limits`` prints :data:`TABLE` as ``docs/limits.rst`` shows it, and a test holds the two equal.
Chapters named in the reasons are those of the behaviour specification.
"""

from __future__ import annotations

from typing import Final

from iii_actors.limits._row import KIB, MIB, Limit, rows

# isort: off
from iii_actors.limits._listening import *  # noqa: F403
from iii_actors.limits._access import *  # noqa: F403
from iii_actors.limits._transport import *  # noqa: F403
from iii_actors.limits._core import *  # noqa: F403
from iii_actors.limits._http import *  # noqa: F403
from iii_actors.limits._openapi import *  # noqa: F403
from iii_actors.limits._external import *  # noqa: F403
from iii_actors.limits._cron import *  # noqa: F403
from iii_actors.limits._pubsub import *  # noqa: F403
from iii_actors.limits._state import *  # noqa: F403
from iii_actors.limits._stream import *  # noqa: F403
from iii_actors.limits._queue import *  # noqa: F403
from iii_actors.limits._storage import *  # noqa: F403
from iii_actors.limits._queue_worker import *  # noqa: F403
from iii_actors.limits._queue_rabbit import *  # noqa: F403
from iii_actors.limits._queue_redis import *  # noqa: F403
from iii_actors.limits._observability import *  # noqa: F403
from iii_actors.limits._configuration import *  # noqa: F403
from iii_actors.limits._exec import *  # noqa: F403
from iii_actors.limits._bridge import *  # noqa: F403
from iii_actors.limits._command_line import *  # noqa: F403
# isort: on

TABLE: Final[tuple[Limit, ...]] = rows()
"""Every row, area after area."""


def as_rst() -> str:
    """Return the table as a page of reStructuredText: the whole of ``docs/limits.rst``."""
    lines = [
        "Defaults and limits",
        "===================",
        "",
        "Every number the engine starts from, and why it is that number. What of it can be set stands in",
        "`Configuration <configuration.rst>`_. This page is written by ``python -m iii_actors.limits``.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 28 14 12 46",
    ]
    rows = [("Name", "Value", "Unit", "Reason")]
    rows += [(f"``{row.name}``", _written(row), row.unit, row.reason) for row in TABLE]
    for name, value, unit, reason in rows:
        lines += ["", f"   * - {name}", f"     - {value}", f"     - {unit}", f"     - {reason}"]
    return "\n".join(lines) + "\n"


def _written(row: Limit) -> str:
    """Write a value as people read it: bytes in whole Ki or Mi, thousands grouped, whole seconds without a fraction."""
    value = row.value
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    if row.unit == "bytes":
        return f"{value // MIB} Mi" if value % MIB == 0 else f"{value // KIB} Ki"
    return str(value) if row.unit == "TCP port" else f"{value:,}".replace(",", " ")
