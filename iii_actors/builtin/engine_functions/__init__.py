"""``iii-engine-functions``: the functions and trigger types by which workers find out about each other.

Spec: engine-functions.md; core.md §6.7, §9.1 and §12; observability.md §5 for ``engine::log`` and ``engine::baggage``.
Pure modules turn the registries' records into rows (`functions`, `triggers`, `workers`, `owners`, `legacy`); `reading`
asks for the records; `queries`, `legacy_calls`, `bind_call`, `channels`, `log` and `baggage` answer the calls, on the
thread of the `desk`; `discovery` holds the light actors behind the trigger types; `worker` puts it all together.
"""

from iii_actors.builtin.engine_functions.worker import EngineFunctions

__all__ = ["EngineFunctions"]
